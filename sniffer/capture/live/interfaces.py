"""Which interface is the LAN side of this machine: where speakers still have addresses of their own.

On a host that forwards (a router) it is the bridge or interface with most private neighbours that is not the way out;
on any other host, the interface of the default route. Bridges that join nothing but virtual ends (containers) are not
a LAN, as long as there is a real one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sniffer.capture.live.netlink import Link, links
from sniffer.errors import CaptureError

ARPHRD_ETHER = 1
_FORWARDING = ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding")


@dataclass(frozen=True, slots=True)
class Interface:
    """What matters of an interface. `hosts` are the private neighbours known by a MAC address; `real` says that a
    device stands behind it, itself or through its members; `member_of` names the bridge that has taken it in."""

    name: str
    ethernet: bool = True
    up: bool = True
    real: bool = True
    bridge: bool = False
    member_of: str | None = None
    private_address: bool = False
    hosts: int = 0
    default_route: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """The interface, why it was chosen, and which others a person may have meant."""

    name: str
    reason: str
    others: tuple[str, ...] = ()


def choose(interfaces: Sequence[Interface], *, forwards: bool) -> Choice:
    """The LAN side. Raises CaptureError where no interface could be it."""
    usable = [one for one in interfaces if one.ethernet and one.up and one.member_of is None]
    if not usable:
        there = ", ".join(f"{one.name} ({_why_not(one)})" for one in interfaces) or "none at all"
        raise CaptureError(f"no interface to capture from; there are: {there}; name one in capture.interface")
    out = [one for one in usable if one.default_route]
    if not forwards:
        if out:
            return _chosen(out[0], "this host does not forward, and its default route leads there", usable)
        return _chosen(max(usable, key=_rank), "this host has no default route; most hosts are seen there", usable)
    inner = [one for one in usable if not one.default_route]
    best = max(inner, key=_rank, default=None)
    if best is not None and (best.hosts or best.private_address) and (best.real or not any(o.real for o in out)):
        what = "bridge" if best.bridge else "interface"
        return _chosen(best, f"this host forwards, and that {what} has {_hosts(best.hosts)}", usable)
    if out:
        return _chosen(out[0], "this host forwards, but has no other network of real hosts", usable)
    return _chosen(max(usable, key=_rank), "this host forwards; most hosts are seen there", usable)


def find_lan() -> Choice:
    """The LAN side of this machine, now. Raises CaptureError."""
    return choose(describe(links()), forwards=forwards())


def resolve(configured: str | Sequence[str]) -> tuple[tuple[str, ...], str | None]:
    """The interfaces to capture from, and for `auto` why. Raises CaptureError."""
    names = (configured,) if isinstance(configured, str) else tuple(configured)
    if "auto" not in names:
        return names, None
    choice = find_lan()
    return tuple(dict.fromkeys(choice.name if name == "auto" else name for name in names)), choice.reason


def forwards() -> bool:
    """Does this host pass on packets of others?"""
    for path in map(Path, _FORWARDING):
        try:
            if path.read_text().strip() not in ("", "0"):
                return True
        except OSError:
            continue
    return False


def is_gateway(interface: str) -> bool:
    """Return whether this host is the router of the network on an interface: it forwards, and has a private address
    there."""
    try:
        found = links()
    except (CaptureError, OSError):
        return False
    return forwards() and any(
        link.name == interface and any(_is_private(address) for address in link.addresses) for link in found
    )


def describe(found: Iterable[Link]) -> list[Interface]:
    """Links, as far as the choice is concerned."""
    by_index = {link.index: link for link in found}
    contained = any(link.default_route and link.kind == "veth" for link in by_index.values())
    return [
        Interface(
            name=link.name,
            ethernet=link.hardware == ARPHRD_ETHER,
            up=link.up,
            real=_is_real(link, by_index, contained=contained),
            bridge=link.kind == "bridge",
            member_of=by_index[link.master].name if link.master in by_index else None,
            private_address=any(_is_private(address) for address in link.addresses),
            hosts=len({mac for address, mac in link.neighbours.items() if address.is_private}),
            default_route=link.default_route,
        )
        for link in by_index.values()
    ]


def _is_real(link: Link, by_index: dict[int, Link], depth: int = 0, *, contained: bool) -> bool:
    if link.kind is None:
        return link.hardware == ARPHRD_ETHER
    if link.kind == "veth":
        return contained and _leads_out(link)
    if depth > len(by_index):
        return False
    below = [one for one in by_index.values() if one.master == link.index]
    if link.kind in ("vlan", "macvlan") and link.lower in by_index:
        below.append(by_index[link.lower])
    return any(_is_real(one, by_index, depth + 1, contained=contained) for one in below)


def _leads_out(link: Link) -> bool:
    """Return whether a virtual cable leads out of this container. Those to containers within are ports of a bridge,
    with the names that container engines give: `veth` and a number."""
    if link.master is not None:
        return not link.name.startswith("veth")
    return link.default_route or bool(link.addresses)


def _is_private(address: object) -> bool:
    return bool(getattr(address, "is_private", False)) and not getattr(address, "is_link_local", False)


def _rank(one: Interface) -> tuple[bool, int, bool, bool, str]:
    # The name comes last, and decides nothing but that the answer is always the same.
    return (one.real, one.hosts, one.bridge, one.private_address, one.name)


def _chosen(one: Interface, reason: str, usable: Sequence[Interface]) -> Choice:
    others = tuple(
        other.name for other in usable if other is not one and other.real and other.hosts and not other.default_route
    )
    return Choice(one.name, reason, others)


def _hosts(count: int) -> str:
    return {0: "a private address", 1: "1 host in sight"}.get(count, f"{count} hosts in sight")


def _why_not(one: Interface) -> str:
    if not one.ethernet:
        return "not Ethernet"
    return "down" if not one.up else f"part of {one.member_of}"
