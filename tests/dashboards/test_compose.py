"""compose.yaml, as far as that goes without a container engine: its schema, what it mounts, who reaches whom."""

import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sniffer.app.config import load_config
from sniffer.resources import shipped

pytestmark = pytest.mark.slow

DASHBOARDS = shipped("dashboards")
ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
GATEWAY = COMPOSE["networks"]["watch"]["ipam"]["config"][0]["gateway"]

each_service = pytest.mark.parametrize("name", SERVICES)


def test_a_compose_client_accepts_it() -> None:
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) is None:
            continue
        if subprocess.run([*command, "version"], capture_output=True, timeout=60).returncode == 0:
            done = subprocess.run([*command, "config", "-q"], cwd=ROOT, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr
            return
    pytest.skip("neither `docker compose` nor docker-compose is installed")


@each_service
def test_a_container_may_do_little(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["NET_RAW"] if name == "sniffer" else [])
    # The flag would void the file capability by which the sniffer captures; it sets it by itself when it has begun.
    assert service["security_opt"] == ([] if name == "sniffer" else ["no-new-privileges:true"])
    assert not service.get("privileged") and int(service["user"].split(":")[0]) > 0
    assert service["healthcheck"]["test"][0] == "CMD"


@each_service
def test_an_image_is_pinned(name: str) -> None:
    service = SERVICES[name]
    assert "build" in service or re.search(r":v?\d+\.\d+\.\d+$", service["image"])


@each_service
def test_what_is_mounted_is_there(name: str) -> None:
    for mount in SERVICES[name]["volumes"]:
        source, target, *mode = mount.split(":")
        if source.startswith("."):
            assert (ROOT / source).exists(), source
            assert mode == ["ro"], "what we ship is never written"
        else:
            assert source in COMPOSE["volumes"]
        assert target.startswith("/")


@each_service
def test_only_this_machine_reaches_what_is_published(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))
    assert ("network_mode" in SERVICES[name]) is (name == "sniffer")


def test_the_sniffer_listens_where_prometheus_asks_and_nowhere_else() -> None:
    config = load_config(DASHBOARDS / "provisioning" / "sniffer" / "sniffer.yaml")
    assert config.http.host == GATEWAY
    scrapes = yaml.safe_load((DASHBOARDS / "provisioning" / "prometheus" / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job["static_configs"][0]["targets"] for job in scrapes["scrape_configs"]}
    assert jobs["sniffer"] == [f"{GATEWAY}:{config.http.port}"]
    assert f"http://{GATEWAY}:{config.http.port}/-/healthy" in SERVICES["sniffer"]["healthcheck"]["test"][-1]
    assert all(path.is_relative_to("/data") for path in (config.store.path, config.sinks.event_log.path))  # type: ignore[union-attr]
    assert f"{config.sinks.alertmanager[0].url}".removeprefix("http://") + ":9093" in SERVICES["alertmanager"]["ports"]


def test_the_others_are_called_by_their_names() -> None:
    source = yaml.safe_load((DASHBOARDS / "provisioning/grafana/datasources/prometheus.yml").read_text())
    assert source["datasources"][0]["url"] == "http://prometheus:9090"
    scrapes = yaml.safe_load((DASHBOARDS / "provisioning" / "prometheus" / "prometheus.yml").read_text())
    assert scrapes["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] == ["alertmanager:9093"]
    assert scrapes["rule_files"] == ["/etc/prometheus/rules/*.rules.yml"]
    assert {"prometheus", "alertmanager"} <= set(SERVICES)


def test_grafana_finds_the_dashboards() -> None:
    provider = yaml.safe_load((DASHBOARDS / "provisioning/grafana/dashboards/sniffer.yml").read_text())["providers"][0]
    target = provider["options"]["path"]
    assert f"./dashboards/grafana:{target}:ro" in SERVICES["grafana"]["volumes"]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (DASHBOARDS / "grafana" / Path(home).relative_to(target)).is_file()


def test_prometheus_serves_the_runbooks() -> None:
    service = SERVICES["prometheus"]
    assert "./dashboards/runbooks:/etc/prometheus/runbooks:ro" in service["volumes"]
    assert "--web.console.templates=/etc/prometheus/runbooks" in service["command"]
    assert any(argument.startswith("--web.external-url=http://localhost:9090") for argument in service["command"])


ENTER = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
for capability in range(41):
    if capability != 13:
        libc.prctl(24, capability, 0, 0, 0)
os.setgroups([])
os.setresgid(10001, 10001, 10001)
os.setresuid(10001, 10001, 10001)
SHOW = "print(*[line.split()[1] for line in open('/proc/self/status') if line.startswith('CapPrm')])"
if sys.argv[1] == "no-new-privileges":
    libc.prctl(38, 1, 0, 0, 0)
os.execv(sys.argv[2], [sys.argv[2], "-c", SHOW])
"""


@pytest.mark.root
def test_why_the_sniffer_is_without_no_new_privileges(tmp_path: Path) -> None:
    """As a container engine starts a user other than root: nothing permitted, NET_RAW in the bounding set. The image's
    file capability gives it, unless new privileges are forbidden."""
    interpreter = tmp_path / "python-raw"
    shutil.copy(Path(sys.executable).resolve(), interpreter)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith(("pytest-", "popen-", "test_")):
            folder.chmod(0o755)
    try:
        os.setxattr(interpreter, "security.capability", struct.pack("<5I", 0x02000000, 1 << 13, 0, 0, 0))
    except OSError as error:
        pytest.skip(f"no file capabilities in {tmp_path}: {error.strerror}")

    def permitted(how: str) -> int:
        command = [sys.executable, "-c", ENTER, how, interpreter]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode != 0 and "libpython" in done.stderr:
            pytest.skip("this Python does not run from another folder")
        assert done.returncode == 0, done.stderr
        return int(done.stdout, 16)

    assert permitted("as compose.yaml") == 1 << 13
    assert permitted("no-new-privileges") == 0
