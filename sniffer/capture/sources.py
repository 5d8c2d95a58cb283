"""From settings to sources of packets: the table of what there is."""

from __future__ import annotations

from collections.abc import Callable
from socket import gaierror, getaddrinfo

from sniffer.capture.combined import CombinedSource, Source
from sniffer.capture.live.interfaces import resolve
from sniffer.capture.live.live import LiveCapture
from sniffer.capture.remote.feed import Feed
from sniffer.capture.remote.fritzbox import FritzBoxFeed
from sniffer.capture.remote.libpcap import LibpcapFeed
from sniffer.capture.remote.pcap_over_ip import PcapOverIpFeed
from sniffer.capture.remote.source import RemoteSource
from sniffer.capture.remote.ssh import SshFeed
from sniffer.capture.remote.tzsp import TzspFeed
from sniffer.capture.settings import CaptureSettings
from sniffer.capture.source_settings import (
    AnyPacketSource,
    FritzBoxSource,
    InterfaceSource,
    LibpcapSource,
    MirrorSource,
    PcapOverIpSource,
    SshSource,
    TzspSource,
)
from sniffer.errors import CaptureError
from sniffer.model.clock import Clock
from sniffer.settings.base import Secret

ReadSecret = Callable[[Secret], str]


def open_sources(settings: CaptureSettings, clock: Clock, read_secret: ReadSecret) -> tuple[Source, str]:
    """Open what the settings say; the second value names it for a person. Interfaces of this machine are open when
    this returns, and raise CaptureError or PrivilegeError; senders are connected when packets are asked for."""
    opened: list[Source] = []
    named: list[str] = []
    try:
        if settings.interfaces:
            names, why = resolve(settings.interfaces)
            opened.append(LiveCapture(names, settings, clock=clock))
            named.append(f"{','.join(names)}{f' ({why})' if why else ''}")
        for source in settings.sources:
            if not isinstance(source, InterfaceSource):
                opened.append(open_source(source, settings, clock, read_secret))
                named.append(source.label)
    except BaseException:
        for one in opened:
            one.close()
        raise
    return (opened[0] if len(opened) == 1 else CombinedSource(opened)), ", ".join(named)


def open_source(source: AnyPacketSource, settings: CaptureSettings, clock: Clock, read_secret: ReadSecret) -> Source:
    """Open one source. Raises CaptureError."""
    if isinstance(source, InterfaceSource):
        return LiveCapture(resolve(source.interface)[0], settings, clock=clock)
    if isinstance(source, MirrorSource):
        (interface,), _ = resolve(source.interface)
        return LiveCapture(
            [interface], settings, clock=clock, tunnel_from=_address(source.sender), labels={interface: source.label}
        )
    return RemoteSource(feed_of(source, read_secret), clock=clock)


def feed_of(
    source: SshSource | FritzBoxSource | TzspSource | PcapOverIpSource | LibpcapSource, read_secret: ReadSecret
) -> Feed:
    """The sender that the settings describe."""
    if isinstance(source, SshSource):
        return SshFeed(source)
    if isinstance(source, FritzBoxSource):
        return FritzBoxFeed(source, read_secret)
    if isinstance(source, TzspSource):
        return TzspFeed(source)
    if isinstance(source, PcapOverIpSource):
        return PcapOverIpFeed(source)
    return LibpcapFeed(source)


def _address(host: str) -> str:
    try:
        return str(getaddrinfo(host, None)[0][4][0])
    except gaierror:
        raise CaptureError(f"{host}: the name of the sender cannot be resolved: give its IP address") from None
