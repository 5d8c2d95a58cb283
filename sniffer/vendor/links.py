"""Which watched device a device of the vendor's record is."""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sniffer.model.clock import SECOND
from sniffer.vendor.clocks import CHANCE, WINDOW_NS, by_chance
from sniffer.vendor.rows import VendorRow

#: Times that must agree before two devices are taken for one, and how many times as many as with any other device.
ENOUGH, CLEARLY = 3, 2
#: Steps by which times are shifted to find how many would agree by chance: prime, so that no period fits them.
_SHIFTS_S = (-3137, -2311, -1319, -727, 733, 1327, 2309, 3121)


@dataclass(frozen=True, slots=True)
class Link:
    """A vendor's device, the watched device that it is taken for, and why: `map` (a person said so), `name` (the names
    are equal), `time` (their times agree: `agreeing` of them), or `only` (there is one of each)."""

    vendor: str
    device: str
    why: str
    agreeing: int = 0


def link_devices(
    starts: Mapping[str, Sequence[int]],
    rows: Iterable[VendorRow],
    named: Mapping[str, str],
    ours: Callable[[VendorRow], int],
) -> tuple[dict[str | None, list[VendorRow]], list[Link], dict[tuple[str | None, str | None], str]]:
    """Return the rows by watched device (None: not watched), why, and the watched device of each (serial, name).

    `starts` are the uploads of each watched device, in ns and in order; `ours` gives a row's time by our clock. Rows
    with one serial number are of one device, whatever its name was at the time.
    """
    wanted = {_folded(vendor): device for vendor, device in named.items()}
    devices = sorted(set(starts) | set(named.values()))
    groups: dict[tuple[str, str], list[VendorRow]] = defaultdict(list)
    for row in rows:
        groups[("serial", row.serial) if row.serial else ("name", row.device or "")].append(row)
    found: dict[str | None, list[VendorRow]] = defaultdict(list)
    links: list[Link] = []
    device_of: dict[tuple[str | None, str | None], str] = {}
    for (_, key), group in groups.items():
        names = dict.fromkeys(row.device for row in reversed(group) if row.device)
        link = _link((key, *names), group, devices, wanted, starts, ours, alone=len(groups) == 1)
        if link is not None:
            links.append(link)
            device_of.update({(row.serial, row.device): link.device for row in group})
        found[link.device if link else None] += group
    return found, links, device_of


def _link(
    words: Sequence[str], group: Sequence[VendorRow], devices: Sequence[str], wanted: Mapping[str, str],
    starts: Mapping[str, Sequence[int]], ours: Callable[[VendorRow], int], *, alone: bool,
) -> Link | None:  # fmt: skip
    shown = next((word for word in (*words[1:], words[0]) if word), "")
    for word in words:
        if word and _folded(word) in wanted:
            return Link(shown, wanted[_folded(word)], "map")
    for word in words:
        equal = [device for device in devices if word and _folded(device) == _folded(word)]
        if len(equal) == 1:
            return Link(shown, equal[0], "name")
    times = sorted(map(ours, group))
    counts = sorted(((*matches(starts.get(device, ()), times, WINDOW_NS), device) for device in devices), reverse=True)
    if counts:
        count, chance, device = counts[0]
        clear = len(counts) == 1 or count >= CLEARLY * counts[1][0]
        if count >= ENOUGH and clear and by_chance(count, chance) < CHANCE:
            return Link(shown, device, "time", count)
    if alone and len(devices) == 1:
        return Link(shown, devices[0], "only")
    return None


def matches(starts: Sequence[int], times: Sequence[int], window_ns: int) -> tuple[int, float]:
    """Return how many uploads have a row near, and how many would by chance: the mean over shifted times. Both
    sorted."""

    def count(shift_ns: int) -> int:
        found = 0
        for start in starts:
            place = bisect.bisect_left(times, start + shift_ns - window_ns)
            found += place < len(times) and times[place] <= start + shift_ns + window_ns
        return found

    return count(0), sum(count(shift * SECOND) for shift in _SHIFTS_S) / len(_SHIFTS_S)


def _folded(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())
