"""Several hosts behind one MAC address, devices named by IP address, and devices that are never seen."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sniffer.cli.devices import command as devices
from sniffer.cli.main import main
from sniffer.identify.configured import Configured
from sniffer.identify.sharing import Sharing
from sniffer.model import address_key, address_pair, host_key, mac_key
from sniffer.settings.base import DeviceSettings
from sniffer.testing import Frame, House, packet_batch, pcap_bytes, wire

ECHO, PHONE, EXTENDER, ROUTER = "68:db:f5:00:00:11", "02:11:22:33:44:55", "50:c7:bf:00:00:21", "02:00:5e:00:00:01"
VOICE = "avs-alexa-4-na.amazon.com"
SECOND = 1_000_000_000


def house(*, dhcp: bool = True) -> tuple[House, str, str]:
    made = House(seed=3)
    echo, phone = made.host("kitchen", mac=ECHO), made.host("phone", mac=PHONE)
    if dhcp:
        echo.joins(at=0, hostname="amazon-0011aa22bb", vendor_class="dhcpcd-5.5.6", parameters=[1, 33, 3, 6])
    for at, name in enumerate(
        ("fireoscaptiveportal.com", "ntp-g7g.amazon.com", VOICE, "device-metrics-us.amazon.com"), 1
    ):
        echo.looks_up(name, at=at)
        phone.looks_up(f"{at}.icloud.com", at=at + 0.5)
    echo.says(3.2).to(VOICE, at=10)
    phone.looks_up("example.com", at=11)
    phone.flushes(300_000, 20.0).to("gateway.icloud.com", at=8)
    echo.says(2.5).to(VOICE, at=40)
    return made, str(echo.address), str(phone.address)


def extended(frames: list[Frame]) -> list[Frame]:
    """The same, as a Wi-Fi extender sends it: from its own MAC address, and to it."""
    own = {wire.mac_bytes(ECHO), wire.mac_bytes(PHONE)}
    changed = []
    for frame in frames:
        data = bytearray(frame.data)
        for place in (0, 6):
            if bytes(data[place : place + 6]) in own:
                data[place : place + 6] = wire.mac_bytes(EXTENDER)
        if data[12:14] == b"\x08\x06":  # and answers ARP for them
            data[22:28] = wire.mac_bytes(EXTENDER) if bytes(data[22:28]) in own else data[22:28]
        changed.append(Frame(frame.time_ns, bytes(data), frame.wire))
    return changed


def capture(folder: Path, frames: list[Frame]) -> Path:
    path = folder / "capture.pcap"
    path.write_bytes(pcap_bytes(frames))
    return path


def analyze(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[list[dict[str, object]], str]:
    with pytest.raises(SystemExit) as ended:
        main(["analyze", "--format", "jsonl", *map(str, arguments)])
    assert ended.value.code == 0
    out, err = capsys.readouterr()
    return [json.loads(line) for line in out.splitlines()], err


@pytest.mark.parametrize("dhcp", [True, False])
def test_hosts_behind_an_extender_are_judged_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], dhcp: bool
) -> None:
    made, echo_ip, _ = house(dhcp=dhcp)
    path = capture(tmp_path, extended(made.frames()))
    records, err = analyze(capsys, path, "--device", f"{echo_ip}=kitchen")
    assert [(r["device"]["name"], r["upload"]["class"]) for r in records] == [("kitchen", "speech")] * 2  # type: ignore[index]
    assert f"{EXTENDER}: several hosts send from this MAC address" in err
    assert f"--device {echo_ip}=kitchen" in err or "--device" in err
    straight, _ = analyze(capsys, capture(tmp_path, made.frames()), "--device", f"{ECHO}=kitchen")
    assert [r["upload"]["bytes"] for r in records] == [r["upload"]["bytes"] for r in straight]  # type: ignore[index]


def test_a_name_for_the_extender_accuses_nobody_behind_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made, _, phone_ip = house()
    records, _ = analyze(capsys, capture(tmp_path, extended(made.frames())), "--device", f"{EXTENDER}=kitchen", "--all")
    uploads = [r for r in records if r["event_type"] == "upload"]
    assert all(r["device"]["name"] != "kitchen" for r in uploads)  # type: ignore[index]
    assert all(r["src_ip"] != phone_ip for r in uploads)


def test_devices_shows_each_host_behind_an_extender(tmp_path: Path) -> None:
    made, echo_ip, phone_ip = house()
    path = capture(tmp_path, extended(made.frames()))
    result = CliRunner().invoke(devices, [str(path), "--format", "jsonl"], catch_exceptions=False)
    found = {r["host"]: r for line in result.stdout.splitlines() if (r := json.loads(line))}
    assert found[ECHO]["microphone"] is True
    assert found[ECHO]["device"]["ip"] == echo_ip
    assert found[ECHO]["traffic"]["bytes_sent"] > 30_000
    assert found[phone_ip]["microphone"] is False
    assert found[EXTENDER]["microphone"] is False
    assert "several hosts send from this MAC address" in " ".join(found[EXTENDER]["reasons"])
    assert f"{EXTENDER}: several hosts" in result.stderr


def test_on_an_ordinary_network_a_device_may_be_named_by_its_address(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, echo_ip, _ = house()
    path = capture(tmp_path, made.frames())
    by_address, err = analyze(capsys, path, "--device", f"{echo_ip}=kitchen")
    by_mac, _ = analyze(capsys, path, "--device", f"{ECHO}=kitchen")
    assert by_address == by_mac
    assert len(by_address) == 2
    assert "never seen" not in err


@pytest.mark.parametrize(
    ("named", "said"),
    [
        (
            "68:db:f5:00:00:12",
            f"kitchen, 68:db:f5:00:00:12, was never seen ({ECHO} was: is that the address you meant?)",
        ),
        ("68:bd:f5:00:00:11", f"({ECHO} was: is that"),
        ("aa:bb:cc:dd:ee:ff", "kitchen, aa:bb:cc:dd:ee:ff, was never seen in this capture"),
        ("10.9.8.7", "kitchen, 10.9.8.7, was never seen in this capture"),
    ],
)
def test_a_device_that_is_not_there_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], named: str, said: str
) -> None:
    made, _, _ = house()
    _, err = analyze(capsys, capture(tmp_path, made.frames()), "--device", f"{named}=kitchen")
    assert said in err
    assert "1 device watched" in err  # the Echo that was recognised


def test_a_router_with_nat_is_said_to_hide_hosts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made, echo_ip, phone_ip = house()
    frames = []
    for frame in extended(made.frames()):  # one address for all behind it, and one hop more
        data = bytearray(frame.data)
        source = data[26:30]
        behind = source in (ipaddress.ip_address(echo_ip).packed, ipaddress.ip_address(phone_ip).packed)
        if data[12:14] == b"\x08\x00" and data[6:12] == wire.mac_bytes(EXTENDER) and behind:
            data[26:30] = bytes((192, 168, 1, 30))
            data[22] = 63
        frames.append(Frame(frame.time_ns, bytes(data), frame.wire))
    _, err = analyze(capsys, capture(tmp_path, frames))
    assert f"{EXTENDER} is perhaps a router that hides other hosts behind its own address" in err


def test_a_host_that_gets_a_new_address_is_one_host() -> None:
    sharing = Sharing(64)
    frames = []
    for at in range(60):
        address = "192.168.1.20" if at < 30 or at == 31 else "192.168.1.77"
        packet = wire.udp(ipaddress.ip_address(address), 5_000, ipaddress.ip_address("8.8.8.8"), 443, b"x")
        data = wire.ethernet(
            wire.mac_bytes(PHONE),
            wire.mac_bytes(ROUTER),
            0x0800,
            wire.ip(ipaddress.ip_address(address), ipaddress.ip_address("8.8.8.8"), 17, packet),
        )
        frames.append(Frame(at * SECOND, data, len(data)))
    assert not list(sharing.look(packet_batch(frames), ()))
    assert not sharing.carriers


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_how_packets_are_batched_does_not_matter(size: int) -> None:
    made, _, _ = house()
    frames = extended(made.frames())
    sharing = Sharing(64)
    for at in range(0, len(frames), size):
        list(sharing.look(packet_batch(frames[at : at + size]), ()))
    assert sharing.carriers == {mac_key(EXTENDER)}


def test_a_name_by_address_follows_the_host_and_comes_back() -> None:
    named = Configured([DeviceSettings(mac="192.168.1.20", name="kitchen")])
    pair = address_pair("192.168.1.20")
    assert list(named) == [host_key("192.168.1.20")] == [address_key(*pair)]
    assert named.bind(mac_key(ECHO), pair)
    assert list(named) == [mac_key(ECHO)]
    assert not named.bind(mac_key(ECHO), address_pair("192.168.1.21"))
    named.release(mac_key(ECHO))
    assert list(named) == [address_key(*pair)]


# --- a host that no rule knows ---------------------------------------------------------------------------------------

STRANGER = "02:77:88:99:aa:01"


def stranger(*acts: str) -> list[Frame]:
    made = House(seed=9)
    host = made.host("thing", mac=STRANGER)
    for at, act in enumerate(acts):
        what = host.says(3.0) if act == "says" else host.calls(40.0) if act == "calls" else host.flushes(150_000, 0.5)
        what.to("cloud.example.net", at=10.0 + 60 * at)
    return made.frames()


def test_a_host_that_behaves_like_a_speaker_is_listed_and_never_accused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = capture(tmp_path, stranger("says", "says"))
    records, err = analyze(capsys, path)
    assert f"{STRANGER} sends what could be a voice" in err
    assert f"--device {STRANGER}=kitchen" in err
    assert [(r["upload"]["class"], r["verdict"]) for r in records] == [("speech", "inconclusive")] * 2  # type: ignore[index]
    named, err = analyze(capsys, path, "--device", f"{STRANGER}=kitchen")
    assert len(named) == 2
    assert "no rule says" not in err


@pytest.mark.parametrize("acts", [("says",), ("flushes", "flushes"), ("says", "says", "calls")])
def test_a_host_that_does_not_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], acts: tuple[str, ...]
) -> None:
    records, err = analyze(capsys, capture(tmp_path, stranger(*acts)))
    assert not records
    assert "could be a voice" not in err


def test_each_capture_has_one_record_for_each_host_that_it_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, _, _ = house()
    (tmp_path / "many").mkdir()
    frames = made.frames()
    for number in range(3):
        later = [frame._replace(time_ns=frame.time_ns + number * 3_600 * SECOND) for frame in frames]
        (tmp_path / "many" / f"{number}.pcap").write_bytes(pcap_bytes(later))
    other = [frame._replace(time_ns=frame.time_ns + 86_400 * SECOND) for frame in stranger("says", "says")]
    (tmp_path / "many" / "other.pcap").write_bytes(pcap_bytes(other))
    records, _ = analyze(capsys, tmp_path / "many", "--all")
    seen = [(r["capture"], r["host"], r["timestamp"]) for r in records if r["event_type"] == "device"]
    assert len(seen) == len({(capture, host) for capture, host, _ in seen})
    assert {host for where, host, _ in seen if str(where).endswith("other.pcap")} <= {STRANGER, ROUTER}
    assert all(str(when) > "2020" for _, _, when in seen)
    assert ECHO in {host for _, host, _ in seen}
