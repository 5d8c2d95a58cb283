"""Which router there is, for `sniffer setup`: what to ask for each kind, and the source of packets that comes of it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml
from pydantic import TypeAdapter, ValidationError

from sniffer.capture.source_settings import AnyPacketSource
from sniffer.cli._common import write_whole
from sniffer.cli._secrets import share_with_service, write_secret
from sniffer.errors import UsageError

#: Seconds that a router has to show its host key.
SCAN_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Place:
    """Where the configuration will be, which names the files beside it."""

    output: Path

    def beside(self, name: str) -> Path:
        """A file beside the configuration."""
        return self.output.with_name(f"{self.output.stem}-{name}").absolute()


@dataclass(frozen=True, slots=True)
class Router:
    """One kind of router: its name, and what asks for its values (None: packets pass an interface of this machine)."""

    name: str
    ask: Callable[[Place], dict[str, Any]] | None = None


def ask_router() -> str:
    """Ask which router there is; the key in `ROUTERS`."""
    click.echo("Where do the packets of your speakers pass? (docs/where.md has a section for each)")
    keys = list(ROUTERS)
    for number, key in enumerate(keys, 1):
        click.echo(f"  {number}  {ROUTERS[key].name}")
    return keys[click.prompt("Number", type=click.IntRange(1, len(keys)), default=1) - 1]


def ask_source(key: str, place: Place) -> AnyPacketSource | None:
    """Ask for what a router needs; None where an interface of this machine is captured. Raises UsageError."""
    ask = ROUTERS[key].ask
    if ask is None:
        return None
    while True:
        try:
            source: AnyPacketSource = TypeAdapter(AnyPacketSource).validate_python(ask(place))
        except ValidationError as error:
            found = error.errors()[0]
            what = ".".join(str(part) for part in found["loc"] if isinstance(part, str))
            click.echo(f"  {what}: {found['msg'].removeprefix('Value error, ')}; please try again")
        else:
            return source


def source_lines(source: AnyPacketSource) -> list[str]:
    """The section `capture` of a configuration with this source."""
    values = source.model_dump(mode="json", exclude_unset=True)
    return yaml.safe_dump({"capture": {"sources": [values]}}, sort_keys=False, allow_unicode=True).splitlines()


def _fritzbox(place: Place) -> dict[str, Any]:
    url = click.prompt("Address of the box", default="http://fritz.box")
    user = click.prompt("Its user, with the right to change settings (empty: who signed in last)", default="")
    password = click.prompt("Password", hide_input=True)
    file = place.beside("fritzbox.secret")
    readers = write_secret(file, password + "\n")
    click.echo(f"  {file}: written, {readers}")
    interface = click.prompt("Interface of its capture page", default="1-lan")
    return {"type": "fritzbox", "url": url, "user": user, "password": {"file": str(file)}, "interface": interface}


def _over_ssh(host: str, user: str, interface: str, **more: Any) -> Callable[[Place], dict[str, Any]]:
    def ask(place: Place) -> dict[str, Any]:
        address = click.prompt("Address of the router", default=host)
        port = click.prompt("Port of its SSH server", type=click.IntRange(1, 65535), default=22)
        account = click.prompt("User", default=user)
        lan = click.prompt("Interface of its LAN side", default=interface)
        key, known = place.beside("router.key"), place.beside("router.known_hosts")
        _make_key(key)
        _make_known_hosts(address, port, known)
        return {
            "type": "ssh", "host": address, "port": port, "user": account, "key": str(key), "known_hosts": str(known),
            "interface": lan, **more,
        }  # fmt: skip

    return ask


def _mikrotik(place: Place) -> dict[str, Any]:
    sender = click.prompt("Address of the router", default="192.168.88.1")
    port = click.prompt("Port that it streams to", type=click.IntRange(1, 65535), default=37008)
    click.echo(
        "On the router (streaming-server is the address of this machine):\n"
        "  /tool sniffer set streaming-enabled=yes streaming-server=ADDRESS filter-interface=bridge filter-stream=yes\n"
        "  /tool sniffer start"
    )
    click.prompt("Press Enter when it streams", default="", show_default=False)
    return {"type": "tzsp", "sender": sender, "port": port}


def _tunnel(place: Place) -> dict[str, Any]:
    sender = click.prompt("IP address of the switch that sends the tunnel")
    interface = click.prompt("Interface of this machine where it arrives", default="auto")
    return {"type": "mirror", "sender": sender, "interface": interface}


ROUTERS: Mapping[str, Router] = {
    "here": Router("this machine is the router, or at a mirror port of a switch"),
    "fritzbox": Router("FRITZ!Box", _fritzbox),
    "openwrt": Router("OpenWrt", _over_ssh("192.168.1.1", "root", "br-lan")),
    "opnsense": Router("OPNsense or pfSense", _over_ssh("192.168.1.1", "root", "igb1")),
    "mikrotik": Router("MikroTik (RouterOS)", _mikrotik),
    "unifi": Router("UniFi gateway", _over_ssh("192.168.1.1", "root", "br0")),
    "asus": Router("ASUS with Merlin", _over_ssh("192.168.50.1", "admin", "br0", command="/opt/bin/tcpdump")),
    "glinet": Router("GL.iNet", _over_ssh("192.168.8.1", "root", "br-lan")),
    "tunnel": Router("a switch that mirrors into a tunnel (ERSPAN, GRE, VXLAN, Geneve)", _tunnel),
}


def _make_key(path: Path) -> None:
    """Make a key that opens the router, unless there is one, and say where its public part goes."""
    if not path.exists():
        if shutil.which("ssh-keygen") is None:
            raise UsageError("there is no `ssh-keygen` here: install the OpenSSH client")
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "sniffer", "-f", str(path)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise UsageError(f"{path}: cannot be made: {(done.stderr or done.stdout).strip()[:200]}")
    share_with_service(path)
    click.echo(
        f"Add this key to the authorized SSH keys of the router:\n\n  {path.with_suffix('.key.pub').read_text()}"
    )
    click.prompt("Press Enter when it is there", default="", show_default=False)


def _make_known_hosts(host: str, port: int, path: Path) -> None:
    """Take the router's host key, once a person has compared it."""
    words = ["ssh-keyscan", "-T", str(SCAN_SECONDS), "-p", str(port), "--", host]
    found = subprocess.run(words, capture_output=True, text=True, check=False).stdout  # noqa: S603
    keys = [line for line in found.splitlines() if line and not line.startswith("#")]
    if not keys:
        raise UsageError(f"{host}:{port} shows no host key: is its SSH server switched on?")
    text = "\n".join(keys) + "\n"
    shown = subprocess.run(["ssh-keygen", "-l", "-f", "-"], input=text, capture_output=True, text=True, check=False)  # noqa: S607
    click.echo(f"The router shows these host keys:\n{shown.stdout}")
    if not click.confirm("Are they the router's? (its own page or console shows them)", default=True):
        raise UsageError("the host key was not accepted; no configuration was written")
    write_whole(path, text, 0o644)
