"""What can be set about sources of packets: one class a type, told apart by `type`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from sniffer.settings.base import FilePath, Host, Secret, Section, Url

Port = Annotated[int, Field(ge=1, le=65535)]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w.:@-]+$")]
#: A name that a shell or another program gets as a word of its own.
Word = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w.@][\w.:@-]*$")]


def _interface(name: str) -> str:
    if not 0 < len(name.encode(errors="replace")) < 16 or "/" in name or not name.isprintable() or " " in name:
        raise ValueError(f"{name!r} is no name of an interface (`ip link` lists them), nor `auto`")
    return name


InterfaceName = Annotated[str, AfterValidator(_interface)]


class PacketSourceSettings(Section):
    """What every source has but an interface of this machine, whose packets have its own name. `name` is the label of
    its packets in metrics and logs."""

    name: Name | None = None


class InterfaceSource(Section):
    """An interface of this machine, or `auto`: its LAN side."""

    type: Literal["interface"]
    interface: InterfaceName = "auto"

    @property
    def label(self) -> str:
        return self.interface


class SshSource(PacketSourceSettings):
    """`tcpdump` on a router, over this system's OpenSSH. The host's key must be in `known_hosts`.

    `sudo` runs it by `sudo -n`. `command` is its path, where it is not on the search path of the remote shell.
    """

    type: Literal["ssh"]
    host: Host
    user: Word = "root"
    port: Port = 22
    key: FilePath | None = None
    known_hosts: FilePath | None = None
    interface: Word = "br-lan"
    sudo: bool = False
    command: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\w./-]+$")] = "tcpdump"
    snap_length: Annotated[int, Field(ge=96, le=65535, description="bytes kept of each packet")] = 1600

    @property
    def label(self) -> str:
        return self.name or f"ssh:{self.host}"


class FritzBoxSource(PacketSourceSettings):
    """The packet capture of a FRITZ!Box. `user` needs the right to change its settings; an empty user is the one that
    signed in last. `interface` is a number of its capture page: `1-lan` is the home network.

    With `https`, `ca` is the certificate of the box (System > FRITZ!Box Services, "Download certificate").
    """

    type: Literal["fritzbox"]
    url: Url = "http://fritz.box"
    ca: FilePath | None = None
    user: Annotated[str, Field(max_length=64)] = ""
    password: Secret
    interface: Word = "1-lan"
    snap_length: Annotated[int, Field(ge=96, le=65535, description="bytes kept of each packet")] = 1600
    reconnect_hours: Annotated[float, Field(ge=0.1, le=168, description="hours until the capture is begun anew")] = 12

    @property
    def label(self) -> str:
        return self.name or f"fritzbox:{self.interface}"


class TzspSource(PacketSourceSettings):
    """A listener for packets that a MikroTik router streams (`/tool sniffer`, TZSP). Only `sender` is believed."""

    type: Literal["tzsp"]
    sender: Host
    listen: Host = "0.0.0.0"  # noqa: S104 - datagrams of others than the sender are thrown away
    port: Port = 37008

    @property
    def label(self) -> str:
        return self.name or f"tzsp:{self.sender}"


class MirrorSource(PacketSourceSettings):
    """Packets that a switch or router mirrors to this machine in a tunnel: ERSPAN I to III, GRE, VXLAN or Geneve. They
    are taken from `interface`, and only where `sender` (an IP address) sent them."""

    type: Literal["mirror", "erspan", "gre", "vxlan", "geneve"]
    sender: Host
    interface: InterfaceName = "auto"

    @property
    def label(self) -> str:
        return self.name or f"{self.type}:{self.sender}"


class PcapOverIpSource(PacketSourceSettings):
    """A capture over a TCP connection, as Arkime and NetworkMiner speak it: to `host`, or where `listen` is given,
    from `host`. Nothing is encrypted: use it on a wire of its own, or within this machine."""

    type: Literal["pcap_over_ip"]
    host: Host
    port: Port = 57012
    listen: Host | None = None

    @property
    def label(self) -> str:
        return self.name or f"pcap:{self.host}"


class LibpcapSource(PacketSourceSettings):
    """An interface of this machine through libpcap, for systems without AF_PACKET (FreeBSD, macOS). Slower than
    `interface`; needs the extra `pcap`."""

    type: Literal["pcap"]
    interface: InterfaceName
    snap_length: Annotated[int, Field(ge=96, le=65535)] = 1600

    @property
    def label(self) -> str:
        return self.name or self.interface


AnyPacketSource = Annotated[
    InterfaceSource | SshSource | FritzBoxSource | TzspSource | MirrorSource | PcapOverIpSource | LibpcapSource,
    Field(discriminator="type"),
]
