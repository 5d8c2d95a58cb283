"""`sniffer doctor`, on this machine and on networks made for it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from scapy.layers.dns import DNS, DNSQR
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether

from sniffer.cli.doctor import command
from sniffer.sinks.settings import StoreSettings
from sniffer.sinks.storage.store import Store
from tests.capture.net import ip, namespace, raw_socket, why_not
from tests.capture.remote.box import Box, fritz_box
from tests.capture.remote.router import Traffic

REASON = why_not()
root = pytest.mark.skipif(REASON is not None, reason=str(REASON))


def doctor(*arguments: str) -> tuple[Result, dict[str, list[dict[str, str]]]]:
    result = CliRunner().invoke(command, ["--format", "jsonl", *arguments])
    checks: dict[str, list[dict[str, str]]] = {}
    for line in result.stdout.splitlines():
        check = json.loads(line)
        checks.setdefault(check["name"], []).append(check)
    return result, checks


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def lan() -> Iterator[None]:
    with namespace(pair=("br-lan", "far0")):
        ip("address", "add", "192.168.7.1/24", "dev", "br-lan")
        yield


def test_a_wrong_configuration_is_status_2(tmp_path: Path) -> None:
    file = tmp_path / "sniffer.yaml"
    file.write_text("capture:\n  interfaec: eth0\n")
    result, checks = doctor("-c", str(file), "--seconds", "0", "-i", "lo")
    (check,) = checks["configuration"]
    assert check["status"] == "fail"
    assert "sniffer.yaml:2:3" in check["message"]
    assert "did you mean 'interface'" in check["message"]
    assert result.exit_code in (2, 3)  # 3 where this process may not capture either


def test_a_missing_configuration_is_one_check_of_many(tmp_path: Path) -> None:
    _, checks = doctor("-c", str(tmp_path / "none.yaml"), "--seconds", "0")
    assert checks["configuration"][0]["status"] == "fail"
    assert "devices" in checks


def test_a_configuration_that_is_here_is_read(tmp_path: Path) -> None:
    (tmp_path / "sniffer.yaml").touch()
    _, checks = doctor("--seconds", "0")
    assert checks["configuration"][0]["message"] == "sniffer.yaml is OK"
    _, checks = doctor("--seconds", "0", "-c", "sniffer.yaml")
    assert checks["configuration"][0]["status"] == "ok"


def test_a_missing_interface_is_status_3_and_says_which_there_are() -> None:
    result, checks = doctor("-i", "nosuch0", "--seconds", "0")
    (check,) = checks["interface"]
    assert check["message"] == "nosuch0: no such interface"
    assert "lo" in check["remedy"]
    assert result.exit_code == 3


def test_every_check_that_is_not_right_has_a_remedy() -> None:
    _, checks = doctor("--seconds", "0")
    for check in (check for group in checks.values() for check in group):
        assert check["status"] in ("ok", "skipped") or check["remedy"], check
    assert {"configuration", "privilege", "place", "clock", "store", "http", "wake", "devices"} <= set(checks)


def test_the_table_is_one_line_a_check() -> None:
    table = CliRunner().invoke(command, ["--seconds", "0"]).stdout.splitlines()
    lines = CliRunner().invoke(command, ["--seconds", "0", "--format", "jsonl"]).stdout.splitlines()
    assert len(table) == len(lines)
    assert all(line.split()[0] in ("ok", "warning", "fail", "skipped") for line in table)


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        file = tmp_path / "sniffer.yaml"
        file.write_text(f"http:\n  port: {number}\n")
        taken.settimeout(5)

        def refuse() -> None:
            taken.accept()[0].close()

        thread = threading.Thread(target=refuse)
        thread.start()
        _, checks = doctor("-c", str(file), "--seconds", "0")
        thread.join()
    assert checks["http"][0]["status"] == "fail"
    assert str(number) in checks["http"][0]["message"]


def test_a_store_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    file = tmp_path / "sniffer.yaml"
    file.write_text("store:\n  path: /no/such/folder/sniffer.db\n")
    _, checks = doctor("-c", str(file), "--seconds", "0")
    assert checks["store"][0]["status"] == "fail"


def look(frames: list[bytes], *arguments: str) -> dict[str, list[dict[str, str]]]:
    """What doctor finds while these frames arrive, over and over."""
    finished = threading.Event()

    def send() -> None:
        with raw_socket("far0") as raw:
            while not finished.wait(0.02):
                for data in frames:
                    raw.send(data)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        _, checks = doctor("-i", "br-lan", "--seconds", "0.6", *arguments)
    finally:
        finished.set()
        thread.join()
    return checks


def mac(interface: str) -> str:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
        raw.bind((interface, 0))
        return str(raw.getsockname()[4].hex(":"))


SPEAKER, PHONE = "68:db:f5:90:19:64", "02:00:c0:ff:ee:01"
QUESTION = UDP(sport=4000, dport=53) / DNS(qd=DNSQR(qname="example.org"))


@pytest.mark.root
@root
def test_on_the_lan_side_of_a_router_all_is_well(lan: None) -> None:
    router = mac("br-lan")
    checks = look(
        [
            bytes(Ether(src=SPEAKER, dst=router) / IP(src="192.168.7.2", dst="192.168.7.1") / QUESTION),
            bytes(Ether(src=SPEAKER, dst=router) / IP(src="192.168.7.2", dst="52.94.233.109") / TCP(dport=443)),
        ]
    )
    assert [checks[name][0]["status"] for name in ("privilege", "interface", "traffic", "visibility", "dns")] == [
        "ok"
    ] * 5
    assert "1 other hosts" in checks["traffic"][0]["message"]


@pytest.mark.root
@root
def test_at_a_switch_only_broadcasts_are_seen(lan: None) -> None:
    checks = look(
        [bytes(Ether(src=host, dst="ff:ff:ff:ff:ff:ff") / IP() / UDP(sport=9, dport=9)) for host in (SPEAKER, PHONE)]
    )
    assert checks["visibility"][0]["status"] == "fail"
    assert checks["visibility"][0]["message"].startswith("only broadcasts of other hosts, and no packet between them")
    assert "docs/where.md" in checks["visibility"][0]["remedy"]
    assert checks["dns"][0]["status"] == "warning"


@pytest.mark.root
@root
def test_on_the_outer_side_of_a_router_it_says_so(lan: None) -> None:
    inbound = Ether(src=PHONE, dst=mac("br-lan")) / IP(src="52.94.233.109", dst="192.168.7.1") / TCP(sport=443)
    checks = look([bytes(inbound)] * 5)
    assert checks["visibility"][0]["status"] == "fail"
    assert "outer side" in checks["visibility"][0]["message"]


@pytest.mark.root
@root
def test_merged_segments_are_told(lan: None) -> None:
    ip("link", "set", "br-lan", "mtu", "9000")
    ip("link", "set", "far0", "mtu", "9000")
    data = Ether(src=SPEAKER, dst=PHONE) / IP(src="192.168.7.2", dst="52.94.233.109") / TCP(dport=443) / bytes(4000)
    checks = look([bytes(data)])
    assert "merged" in checks["merging"][0]["message"]


@pytest.mark.root
@root
def test_silence_is_told(lan: None) -> None:
    _, checks = doctor("-i", "br-lan", "--seconds", "0.1")
    assert checks["traffic"][0]["message"].startswith("no packet on br-lan in 0.1 s: ")
    assert checks["traffic"][0]["status"] == "fail"


@pytest.mark.root
@root
def test_an_interface_without_a_cable_is_reported(lan: None) -> None:
    ip("link", "set", "far0", "down")
    result, checks = doctor("-i", "br-lan", "--seconds", "0.1")
    assert checks["traffic"][0]["remedy"] == "plug it in, or name another interface (-i)"
    assert result.exit_code == 3


@pytest.mark.root
@root
def test_a_bridge_and_its_port_together_are_told(tmp_path: Path, lan: None) -> None:
    ip("link", "add", "br0", "type", "bridge")
    ip("link", "set", "br0", "up")
    ip("link", "set", "br-lan", "master", "br0")
    file = tmp_path / "sniffer.yaml"
    file.write_text("capture:\n  interface: [br0, br-lan]\n")
    _, checks = doctor("-c", str(file), "--seconds", "0")
    assert [check["status"] for check in checks["interface"]] == ["ok", "ok", "warning"]
    assert checks["interface"][2]["message"] == "br-lan is a part of br0: its packets come twice"


def test_wake_sources_are_named_and_their_tokens_read(tmp_path: Path) -> None:
    file, token = tmp_path / "sniffer.yaml", tmp_path / "token"
    file.write_text(f"http:\n  tokens:\n    - {{source: button, secret: {{file: {token}}}}}\n")
    result, checks = doctor("-c", str(file), "--seconds", "0")
    assert checks["wake"][0]["message"].startswith("configured: button, none is a listener")
    assert checks["start"][0]["status"] == "fail"
    assert result.exit_code in (2, 3)
    token.write_text("a-long-enough-secret")
    _, checks = doctor("-c", str(file), "--seconds", "0")
    assert "start" not in checks


def test_a_source_on_another_machine_is_tried(tmp_path: Path) -> None:
    box = Box(packets=[(1.7e9 + n / 50, Traffic("x").packet(n)) for n in range(60)])
    password = tmp_path / "password"
    password.write_text(box.password)
    file = tmp_path / "sniffer.yaml"
    with fritz_box(box):
        source = (
            f"{{type: fritzbox, url: 'http://127.0.0.1:{box.port}', user: monitor, password: {{file: {password}}}}}"
        )
        file.write_text(f"capture:\n  sources:\n    - {source}\n")
        _, checks = doctor("-c", str(file), "--seconds", "8")
        assert checks["source"][0]["status"] == "ok", checks["source"]
        assert checks["source"][0]["message"] == "fritzbox:1-lan: 60 packets of 1 hosts arrived"
        assert "the times of its packets are corrected" in checks["clock"][0]["message"]
        assert "privilege" not in checks, "no interface of this machine is captured from"
        password.write_text("wrong")
        result, checks = doctor("-c", str(file), "--seconds", "2")
    assert "does not accept the password" in checks["source"][0]["message"]
    assert result.exit_code == 3


def test_when_each_source_heard_last(tmp_path: Path) -> None:
    """Out of the daemon's memory, also where the daemon runs."""
    path = tmp_path / "sniffer.db"
    store = Store(StoreSettings(path=path))
    learned = {"shelf": {"last_event_ns": time.time_ns()}, "hall": {"last_event_ns": 1_700_000_000 * 10**9}}
    store.state_set("stage.judge", {"learned": {"sources": learned}})
    store.close()
    names = ("shelf", "hall", "attic")
    sources = "\n".join(f"    - {{type: http, name: {name}, heartbeat: 60}}" for name in names)
    (tmp_path / "sniffer.yaml").write_text(f"store: {{path: {path}}}\nwake:\n  sources:\n{sources}\n")
    _, checks = doctor("--seconds", "0")
    found = {check["message"].split()[0]: check for check in checks["wake"]}
    assert [found[name]["status"] for name in names] == ["ok", "warning", "warning"]
    assert "2023-11-14" in found["hall"]["message"]
    assert "has never reported a wake word" in found["attic"]["message"]


def test_a_source_is_tried_as_run_does(tmp_path: Path) -> None:
    """A port that answers is not yet a source that hears."""
    with socket.create_server(("127.0.0.1", 0)) as service:
        port = service.getsockname()[1]

        def answer() -> None:
            line, _ = service.accept()
            with line:
                line.recv(1000)
                line.sendall(b'{"type": "info", "data": {"wake": [{"name": "openwakeword"}]}}\n')

        threading.Thread(target=answer, daemon=True).start()
        config = f"wake: {{sources: [{{type: wyoming, name: svc, host: 127.0.0.1, port: {port}}}]}}\n"
        (tmp_path / "sniffer.yaml").write_text(config)
        _, checks = doctor("--seconds", "0")
    (failed,) = [check for check in checks["wake"] if check["status"] == "fail"]
    assert "no microphone" in failed["message"]
