"""The vendor's rows laid beside the uploads that were seen."""

from __future__ import annotations

import bisect
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sniffer.judge.matching import pair
from sniffer.judge.settings import FollowUpSettings
from sniffer.model.clock import SECOND
from sniffer.vendor.clocks import WINDOW_NS, Clock, learn_clocks
from sniffer.vendor.links import Link, link_devices, matches
from sniffer.vendor.rows import WITHOUT_SOUND, VendorRow

#: Uploads that begin this soon after the end of one that is in the record continue its dialogue, as the judge has it.
DIALOGUE_NS = round(FollowUpSettings().gap * SECOND)
#: A further row may lie this long after the end of its upload.
AFTER_END_NS = 5 * SECOND
#: How much a class counts in pairing: of two uploads that fit one row alike, speech takes it.
_WEIGHT = {"speech": 1.0, "bulk": 0.8}
_OTHER_WEIGHT = 0.5
#: Rows that an upload may be paired with: the nearest. Uploads that are paired in one go.
_MOST_ROWS, _MOST_UPLOADS = 32, 400
#: Fewer uploads or rows than this say nothing about whether an export fits.
_ENOUGH = 3
#: An upload and a row that are left over and lie this close are probably the same, and the vendor's time is wrong.
APART_NS = 60 * SECOND
#: How far a row may lie from its upload to count for that, where the clock is known.
_TIGHT_NS = 2 * SECOND


@dataclass(frozen=True, slots=True)
class Seen:
    """An upload as recorded. Times in ns UTC. `verdict` is None where its class is not judged; `asked_by` is the
    listener of one's own that heard the request."""

    id: str
    device: str
    start_ns: int
    end_ns: int
    upload_class: str
    speech_seconds: float
    verdict: str | None
    asked_by: str | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """An upload with the rows that belong to it; `gap_seconds` is row minus upload, the vendor's offset taken off."""

    upload: Seen
    rows: tuple[VendorRow, ...]
    gap_seconds: float


@dataclass(slots=True)
class Comparison:
    """Each upload of a compared device, and each row, is in exactly one list.

    `both`: in both. `apart`: an upload and a row that both have no other, up to a minute apart. `continued`: uploads
    that continue a dialogue in `both`, or belong to a row that stands for several. `only_seen`: no row. `beyond`: no
    row, and the record may not reach that far. `only_recorded`: no upload, though the monitor watched. `unrecognised`:
    rows with an upload that was not taken for sound. `not_watched`: rows while the monitor did not watch.
    `without_sound`: rows of routines. `unlinked`: rows of devices that are not watched. `not_compared` counts, by
    device, uploads of devices about which the export says nothing; `misfits` are devices whose rows fit no better than
    chance.
    """

    both: list[Pair] = field(default_factory=list)
    apart: list[Pair] = field(default_factory=list)
    continued: list[Seen] = field(default_factory=list)
    only_seen: list[Seen] = field(default_factory=list)
    beyond: list[Seen] = field(default_factory=list)
    only_recorded: list[VendorRow] = field(default_factory=list)
    unrecognised: list[Pair] = field(default_factory=list)
    not_watched: list[VendorRow] = field(default_factory=list)
    without_sound: list[VendorRow] = field(default_factory=list)
    unlinked: list[VendorRow] = field(default_factory=list)
    not_compared: Counter[str] = field(default_factory=Counter)
    misfits: list[str] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    clocks: dict[str, Clock] = field(default_factory=dict)
    by_chance: float = 0.0
    device_of: dict[tuple[str | None, str | None], str] = field(default_factory=dict)

    def ours(self, row: VendorRow) -> int:
        """Return the time of a row by our clock, in ns."""
        return self.clocks[row.clock].ours(row.time_ns) if row.clock in self.clocks else row.time_ns


@dataclass(frozen=True, slots=True)
class Scope:
    """What may be compared. `watched` are the spans (start, end in ns) in which the monitor saw the network; `reach`
    is, for each clock, the span that its record covers; `named` maps a vendor's device name or serial number to a
    watched device; `wanted` are devices that are compared also where the export lists nothing of them."""

    watched: Sequence[tuple[int, int]]
    reach: Mapping[str, tuple[int, int]]
    named: Mapping[str, str] = field(default_factory=dict)
    wanted: frozenset[str] = frozenset()

    def reach_of(self, rows: Iterable[VendorRow]) -> tuple[int, int]:
        """Return the span that the records of these rows cover; without rows, that of all records."""
        clocks = {row.clock for row in rows} & set(self.reach) or set(self.reach)
        spans = [self.reach[clock] for clock in clocks] or [(0, 0)]
        return min(first for first, _ in spans), max(last for _, last in spans)


def compare(uploads: Iterable[Seen], rows: Iterable[VendorRow], scope: Scope) -> Comparison:
    """Pair uploads and rows. Pairing keeps the order of time and takes the best fit in sum, as the judge does."""
    result = Comparison()
    ordered = sorted(uploads, key=lambda upload: (upload.start_ns, upload.id))
    judged = [upload for upload in ordered if upload.verdict is not None]
    unjudged = [upload for upload in ordered if upload.verdict is None]
    kept = list(rows)
    result.clocks = learn_clocks([upload.start_ns for upload in judged if upload.upload_class == "speech"], kept)
    starts: dict[str, list[int]] = defaultdict(list)
    for upload in judged:
        starts[upload.device].append(upload.start_ns)
    grouped, result.links, result.device_of = link_devices(starts, kept, scope.named, result.ours)
    result.unlinked = grouped.pop(None, [])
    for device in sorted(set(starts) | {name for name in grouped if name is not None}):
        mine = [upload for upload in judged if upload.device == device]
        theirs = grouped.get(device, [])
        asserted = device in scope.wanted or device in scope.named.values()
        if not theirs and not asserted:
            result.not_compared[device] += len(mine)
        elif not _fits(mine, theirs, result, scope) and not asserted:
            result.misfits.append(device)
            result.not_compared[device] += len(mine)
            result.unlinked += theirs
        else:
            _compare_device(mine, [u for u in unjudged if u.device == device], theirs, scope, result)
    return result


def _fits(uploads: Sequence[Seen], rows: Sequence[VendorRow], result: Comparison, scope: Scope) -> bool:
    """Return whether rows fit uploads better than chance, as far as there are enough to tell."""
    first, last = scope.reach_of(rows)
    starts = [upload.start_ns for upload in uploads if first <= upload.start_ns <= last]
    times = sorted(result.ours(row) for row in rows)
    inside = [time for time in times if _within(time, scope.watched)]
    if len(starts) < _ENOUGH or len(inside) < _ENOUGH:
        return True
    known = all(result.clocks[row.clock].known for row in rows)
    found, chance = matches(starts, times, _TIGHT_NS if known else WINDOW_NS)
    result.by_chance += chance
    return found > 0 and found >= 2 * chance


def _compare_device(
    uploads: Sequence[Seen], unjudged: Sequence[Seen], rows: Sequence[VendorRow], scope: Scope, result: Comparison
) -> None:
    starts = [upload.start_ns for upload in uploads]
    rows, times = _in_order(rows, starts, result)
    chosen = _pairing(uploads, rows, times, range(len(uploads)), range(len(rows)), WINDOW_NS)
    owner = {row: upload for upload, row in chosen.items()}
    for row, time_ns in enumerate(times):  # several rows of one upload
        if row not in owner and (place := _around(uploads, starts, chosen, time_ns)) is not None:
            owner[row] = place
    of_upload: dict[int, list[int]] = defaultdict(list)
    for row, place in sorted(owner.items()):
        of_upload[place].append(row)
    lasts = _lasting(rows, times)
    left: list[int] = []
    matched_end: int | None = None
    for place, upload in enumerate(uploads):
        if place in chosen:
            gap = (times[chosen[place]] - upload.start_ns) / SECOND
            result.both.append(Pair(upload, tuple(rows[row] for row in of_upload[place]), gap))
            matched_end = upload.end_ns
        elif (matched_end is not None and upload.start_ns - matched_end <= DIALOGUE_NS) or _within(
            upload.start_ns, lasts
        ):
            result.continued.append(upload)
            matched_end = max(matched_end or 0, upload.end_ns)
        else:
            left.append(place)
    other_starts = [upload.start_ns for upload in unjudged]
    unowned = [row for row in range(len(rows)) if row not in owner]
    unowned = [row for row in unowned if not _unpaired(rows[row], times[row], unjudged, other_starts, result)]
    late = _pairing(uploads, rows, times, left, unowned, APART_NS)
    first, last = scope.reach_of(rows)
    for place in left:
        upload = uploads[place]
        if place in late:
            gap = (times[late[place]] - upload.start_ns) / SECOND
            result.apart.append(Pair(upload, (rows[late[place]],), gap))
        else:
            (result.only_seen if first <= upload.start_ns <= last else result.beyond).append(upload)
    for row in unowned:
        if row not in late.values():
            (result.only_recorded if _within(times[row], scope.watched) else result.not_watched).append(rows[row])


def _lasting(rows: Sequence[VendorRow], times: Sequence[int]) -> list[tuple[int, int]]:
    """Return the spans of the rows that stand for several utterances, in order and joined."""
    spans: list[tuple[int, int]] = []
    for row, time_ns in zip(rows, times, strict=True):
        if row.until_ns is not None:
            end = time_ns + row.until_ns - row.time_ns + WINDOW_NS
            if spans and time_ns - WINDOW_NS <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(spans[-1][1], end))
            else:
                spans.append((time_ns - WINDOW_NS, end))
    return spans


def _unpaired(
    row: VendorRow, time_ns: int, unjudged: Sequence[Seen], starts: Sequence[int], result: Comparison
) -> bool:
    """Return whether a row without an upload has a reason: it is a routine, or what left was not taken for sound."""
    if row.meaning in WITHOUT_SOUND:
        result.without_sound.append(row)
        return True
    near = range(bisect.bisect_left(starts, time_ns - WINDOW_NS), bisect.bisect_right(starts, time_ns + WINDOW_NS))
    if near:
        best = min(near, key=lambda place: abs(starts[place] - time_ns))
        result.unrecognised.append(Pair(unjudged[best], (row,), (time_ns - starts[best]) / SECOND))
    return bool(near)


def _in_order(
    rows: Sequence[VendorRow], starts: Sequence[int], result: Comparison
) -> tuple[list[VendorRow], list[int]]:
    """Return rows in the order of their times by our clock, and these. Of two possible times, one near an upload
    wins."""
    timed = []
    for row in rows:
        clock, time_ns = result.clocks[row.clock], result.ours(row)
        other = clock.otherwise(row.time_ns) if row.also_ns is None else clock.ours(row.also_ns)
        if other is not None and _distance(starts, other) < min(_distance(starts, time_ns), WINDOW_NS):
            time_ns = other
        timed.append((time_ns, row))
    timed.sort(key=lambda item: item[0])
    return [row for _, row in timed], [time_ns for time_ns, _ in timed]


def _distance(starts: Sequence[int], time_ns: int) -> int:
    place = bisect.bisect_left(starts, time_ns)
    return min((abs(start - time_ns) for start in starts[max(0, place - 1) : place + 1]), default=1 << 62)


def _pairing(
    uploads: Sequence[Seen], rows: Sequence[VendorRow], times: Sequence[int], which: Sequence[int],
    free: Sequence[int], window_ns: int,
) -> dict[int, int]:  # fmt: skip
    """Return the row of each of some uploads (`which`) out of some rows (`free`), by index; both in order of time."""
    free_times = [times[row] for row in free]
    candidates: list[range] = []
    for upload in which:
        start = uploads[upload].start_ns
        low = bisect.bisect_left(free_times, start - window_ns)
        high = bisect.bisect_right(free_times, start + window_ns)
        if high - low > _MOST_ROWS:
            middle = bisect.bisect_left(free_times, start)
            low, high = max(low, middle - _MOST_ROWS // 2), min(high, middle + _MOST_ROWS // 2)
        candidates.append(range(low, high))

    def value(place: int, row: int) -> float:
        upload = uploads[which[place]]
        weight = _WEIGHT.get(upload.upload_class, _OTHER_WEIGHT)
        if rows[free[row]].meaning in WITHOUT_SOUND:
            weight *= _OTHER_WEIGHT
        return weight * max(0.0, 1.0 - abs(free_times[row] - upload.start_ns) / (window_ns + 1))

    chosen: dict[int, int] = {}
    taken = -1
    for begin in range(0, len(which), _MOST_UPLOADS):
        some = candidates[begin : begin + _MOST_UPLOADS]
        run = [range(max(found.start, taken + 1), max(found.stop, taken + 1)) for found in some]
        for place, row in pair(run, _shifted(value, begin)):
            chosen[which[begin + place]] = free[row]
            taken = max(taken, row)
    return chosen


def _shifted(value: Callable[[int, int], float], offset: int) -> Callable[[int, int], float]:
    return lambda upload, row: value(upload + offset, row)


def _around(uploads: Sequence[Seen], starts: Sequence[int], chosen: Mapping[int, int], time_ns: int) -> int | None:
    """Return the matched upload during or right after which a further row lies."""
    place = bisect.bisect_right(starts, time_ns + AFTER_END_NS) - 1
    for near in range(place, max(-1, place - 4), -1):
        if near in chosen and time_ns - uploads[near].end_ns <= AFTER_END_NS:
            return near
    return None


def _within(time_ns: int, spans: Sequence[tuple[int, int]]) -> bool:
    place = bisect.bisect_right(spans, time_ns, key=lambda span: span[0]) - 1
    return place >= 0 and time_ns <= spans[place][1]
