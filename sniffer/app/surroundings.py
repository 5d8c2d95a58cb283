"""What is known of the interfaces of this machine, to explain why one of them sees nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence

from sniffer.capture.live import interfaces
from sniffer.capture.live.netlink import Link, links
from sniffer.capture.live.packet_socket import is_wireless
from sniffer.diagnostics import offload
from sniffer.diagnostics.silence import SilenceWatch, Surroundings, cause
from sniffer.errors import CaptureError
from sniffer.model import address_pair


def own_addresses(found: Sequence[Link]) -> tuple[list[int], list[tuple[int, int]]]:
    """Return the MAC addresses and the IP addresses of this machine."""
    macs = [int.from_bytes(link.mac, "big") for link in found if len(link.mac) == 6 and any(link.mac)]
    return macs, [address_pair(str(address)) for link in found for address in link.addresses]


def surroundings(name: str, found: Sequence[Link]) -> Surroundings:
    """Look at one interface and its neighbours. A name that is no interface is a source on another machine."""
    link = next((one for one in found if one.name == name), None)
    if link is None:
        return Surroundings(remote=True)
    ports = [one.name for one in found if one.master == link.index]
    hiding = [finding.what for finding in offload.findings([name, *ports]) if finding.hides]
    here = {one.name: one for one in interfaces.describe(found)}
    busier = [
        one.name
        for one in here.values()
        if one.ethernet and one.up and one.member_of is None and one.real and one.name != name
        and one.hosts > here[name].hosts
    ]  # fmt: skip
    return Surroundings(
        wireless=is_wireless(name),
        carrier=link.carrier,
        forwards=interfaces.forwards(),
        busier=busier,
        hiding=hiding,
    )


def why_silent(name: str) -> tuple[str, str]:
    """Return the most probable cause why an interface sees no packets of other hosts, and the remedy."""
    found: list[Link] = []
    with contextlib.suppress(CaptureError):
        found = links()
    return cause(surroundings(name, found))


def silence_watch() -> SilenceWatch:
    """A watch for the interfaces of this machine, as it is now."""
    macs: Collection[int] = ()
    addresses: Collection[tuple[int, int]] = ()
    with contextlib.suppress(CaptureError):
        macs, addresses = own_addresses(links())
    return SilenceWatch(macs, addresses, why_silent)
