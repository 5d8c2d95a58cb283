"""From packets to runs, for all connections in a batch at once.

A packet belongs to a run where enough bytes left in the half second up to it. What is done for each packet is done in
columns; a single connection is looked at only where a run lasts, or was more than a sign of life.
"""

from __future__ import annotations

from operator import itemgetter
from typing import NamedTuple

import numpy as np

from sniffer.detect.features.rows import TINY
from sniffer.detect.flows.dealt import Dealt, Piece
from sniffer.detect.flows.flow import UNSEEN, Flow, Flows
from sniffer.detect.flows.rows import Flags, LocalNetworks, Packets
from sniffer.detect.flows.run import (
    BIN_NS,
    BYTES,
    LEAST_BYTES,
    LEAST_PACKETS,
    LONGEST_NS,
    STALLED_TIMES,
    TIME,
    Run,
    patience_ns,
)
from sniffer.detect.flows.tcp_upstream import (
    DOWN,
    HEIGHT,
    NUMBER,
    OPENED,
    PLACE,
    Received,
    by_place,
    changes,
    upstream,
)
from sniffer.detect.profiles.slow_uploads import MINUTE_NS
from sniffer.model import I64
from sniffer.model.clock import NEVER, SECOND

#: Bytes within half a second that make a packet part of a run: slower than this nobody can be understood.
_WARM_BYTES, _WARM_NS = 500, SECOND // 2
#: Tiny packets may be a voice of their own where this many times their bytes did not come back meanwhile. Who downloads
#: sends one for several thousand bytes: window updates, and the acknowledgements of QUIC.
_ACKNOWLEDGED_TIMES = 8
#: When a run is looked at while it lasts: first after this, then four times a second, later more rarely.
_FIRST_LOOK_NS, _LOOK_NS = 750_000_000, 250_000_000
#: The number of rows that came with an earlier batch.
_OLD = -1


class Task(NamedTuple):
    """Something to be said of a run. Tasks stand in the order in which packets make them known, however these are cut
    into batches: by a packet (`late` 0 and its number), or, after it, since time has passed (`late` 1, the device)."""

    known_ns: int
    late: int
    number: int
    connection: int
    flow: Flow
    run: Run
    look_ns: int | None  # the moment to look at; None where the run is over


#: A run that is over and was a sign of life within one minute: when that is known, the device, the connection (in this
#: order, among tasks that are `late`), then the flow, the minute, and bytes.
ShortBurst = tuple[int, int, int, Flow, int, int]


class Segmenter:
    """Finds runs. It remembers `max_flows` connections, and the rows of the last second."""

    def __init__(self, max_flows: int, local: LocalNetworks, silence_ns: int) -> None:
        self._silence_ns, self._horizon_ns = silence_ns, max(silence_ns, _WARM_NS)
        self.flows = Flows(max_flows, local)
        self.open: list[tuple[int, Flow, Run]] = []  # what is being uploaded, with the place of the connection
        self._recent = np.empty((HEIGHT, 0), dtype=np.int64)
        self._taken = np.empty(0, dtype=np.bool_)  # which of these belong to a run
        self._begun: list[tuple[Flow, Run]] = []
        self._runs = 0  # so far
        self._tasks: list[Task] = []
        self._short_bursts: list[ShortBurst] = []
        self._dealt = Dealt(self.flows)

    def dealt(self, now_ns: int) -> list[Piece]:
        """What was dealt over several connections, as far as it is known by `now_ns`."""
        now_ns = min(now_ns, NEVER)  # a damaged capture may end at the last moment that there is
        self._retire(self._recent[TIME] >= now_ns - self._horizons(self._recent[PLACE]))
        return self._dealt.due(now_ns)

    def _retire(self, stays: Flags) -> None:
        """Keep the rows that may still become part of a run; hand on the others that belong to none."""
        if stays.all():
            return
        gone = ~stays & ~self._taken
        if gone.any():
            self._dealt.add(self._recent[:, gone])
        self._recent, self._taken = self._recent[:, stays], self._taken[stays]

    def settle(self, now_ns: int) -> tuple[list[tuple[Flow, Run]], list[Task], list[ShortBurst]]:
        """The runs that have begun, and, in order, what has to be said by `now_ns`."""
        for place, flow, run in self.open:
            patience_ns = self._patience(place, run.last_ns)
            if not run.over and now_ns - run.last_ns > patience_ns:
                final_ns = run.last_ns + patience_ns
                self._end(place, flow, run, final_ns, (final_ns, 1, flow.key))
        self._note_heard()
        self.open = [entry for entry in self.open if not entry[2].over]
        begun, tasks, short_bursts = self._begun, self._tasks, self._short_bursts
        self._begun, self._tasks, self._short_bursts = [], [], []
        tasks.sort(key=itemgetter(*range(4)))
        return begun, tasks, short_bursts

    def _patience(self, place: int, last_ns: int) -> int:
        """The silence that ends a run: longer where segments were repeated, as the line stalls and more is to come."""
        return patience_ns(self.flows.repeats.get(place, ()), last_ns, self._silence_ns)

    def _patiences(self, places: I64, last_ns: I64) -> I64:
        """`_patience` of many."""
        patiences = np.full(len(places), self._silence_ns)
        if self.flows.repeats:
            for number in np.flatnonzero(np.isin(places, list(self.flows.repeats))).tolist():
                patiences[number] = self._patience(int(places[number]), int(last_ns[number]))
        return patiences

    def forget(self, now_ns: int, number: int) -> None:
        """There is no room for the connection of packet `number`: make some."""
        places = self.flows.dispensable()
        gone = set(places.tolist())
        self._retire(~np.isin(self._recent[PLACE], places))
        self._dealt.forget(places)
        self.flows.forget(places)
        self._note_heard()
        for place, flow, run in self.open:
            if place in gone and not run.over:
                self._end(place, flow, run, now_ns, (now_ns, 0, number))

    def _note_heard(self) -> None:
        for place, _, run in self.open:
            run.heard_ns = min(run.heard_ns, int(self.flows.heard_ns[place]))

    def _end(self, place: int, flow: Flow, run: Run, final_ns: int, known: tuple[int, int, int]) -> None:
        run.final_ns, run.over = final_ns, True
        self._tasks.append(Task(*known, flow.connection, flow, run, None))
        if self.flows.runs.get(place) is run:
            del self.flows.runs[place]
            self.flows.last_ns[place] = UNSEEN

    # --- packets -----------------------------------------------------------------------------------------------------

    def push(self, packets: Packets, places: I64, now_ns: int, before: int) -> None:
        """Take packets with the places of their connections. It is `now_ns` behind them; `before` packets of the
        capture came before this batch."""
        self.flows.seen_ns[places] = packets.time_ns  # of several the last
        self.flows.hear(packets, places)
        abroad = np.flatnonzero(~self.flows.local[places])
        if not abroad.size:
            return
        fresh, received = upstream(packets.part(abroad), places[abroad], self.flows, before)
        if fresh.shape[1]:
            self._recent[NUMBER] = _OLD
            rows = np.concatenate((self._recent, fresh), axis=1)
            order = by_place(rows[PLACE], len(self.flows.flow))
            rows = rows[:, order]
            taken = np.concatenate((self._taken, np.zeros(fresh.shape[1], dtype=np.bool_)))[order]
            taken = self._group(rows, taken, received, now_ns)
            self._recent, self._taken = rows, taken
            self._retire(rows[TIME] >= now_ns - self._horizons(rows[PLACE]))
        for place, _, run in self.open:
            run.repeats = self.flows.repeats.get(place, run.repeats)
            if not run.over:
                received.tell(place, run, run.last_ns + self._patience(place, run.last_ns))

    def _horizons(self, places: I64) -> I64:
        """For how long rows of each place are kept: as long as a run may yet go on behind them."""
        horizons = np.full(len(places), self._horizon_ns)
        if self.flows.repeats:
            stalled = np.isin(places, list(self.flows.repeats))
            horizons[stalled] = round(self._horizon_ns * STALLED_TIMES)
        return horizons

    def _group(self, rows: I64, taken: Flags, received: Received, now_ns: int) -> Flags:
        """Warm rows carry the run of their connection on, or begin another where the silence before them was too long.
        Returns which rows now belong to a run: of each place the first so many."""
        flows, places, times, sizes = self.flows, rows[PLACE], rows[TIME], rows[BYTES]
        starts = changes(places)
        untaken = starts + np.add.reduceat(taken, starts, dtype=np.int64)
        # Time within a place, in which a longer gap is as good as a long one, so that it fits into numbers.
        longest_ns = round(self._horizon_ns * STALLED_TIMES) + 1
        gaps = np.minimum((times[1:] - times[:-1]).view(np.uint64), np.uint64(longest_ns)).astype(np.int64)
        gaps[starts[1:] - 1] = longest_ns
        moment = np.concatenate(([0], np.cumsum(gaps)))
        left = moment.searchsorted(moment - _WARM_NS, side="right")
        counted = np.where(sizes >= TINY, sizes, 0)
        total, all_bytes = (np.concatenate(([0], np.cumsum(column))) for column in (counted, sizes))
        lately, tiny = total[1:] - total[left], (all_bytes - total)[1:] - (all_bytes - total)[left]
        pieces = (tiny > lately) & (tiny >= _WARM_BYTES)
        pieces &= rows[DOWN] - rows[DOWN, left] < _ACKNOWLEDGED_TIMES * tiny
        warm = np.flatnonzero(((lately >= _WARM_BYTES) & (counted > 0) | pieces) & (rows[NUMBER] != _OLD))
        if not warm.size:
            return taken

        leads = np.zeros(len(warm), dtype=np.bool_)
        leads[changes(places[warm])] = True
        patience_ns = self._patiences(places[warm], times[warm])
        before_ns = np.concatenate((patience_ns[:1], patience_ns[:-1]))
        begins = np.flatnonzero(leads | (np.diff(moment[warm], prepend=0) > before_ns))
        ends = np.append(begins[1:], len(warm))
        leads, first, last = leads[begins], warm[begins], warm[ends - 1]  # of each group of warm rows
        place, start_place = places[first], starts.searchsorted(first, side="right") - 1
        free = np.concatenate(([0], last[:-1] + 1))
        free[leads] = untaken[start_place[leads]]
        open_ns = flows.last_ns[place]
        goes_on = leads & (open_ns != UNSEEN) & (times[first] - open_ns <= self._patiences(place, open_ns))
        # Another run begins with what made its first row warm.
        following = np.where(sizes >= TINY, np.arange(len(sizes)), len(sizes))
        following = np.minimum.accumulate(following[::-1])[::-1]
        start = np.maximum(left[first], free)
        start = np.where(goes_on, free, np.where(pieces[first], start, following[start]))
        last_ns = times[last]
        amount = all_bytes[last + 1] - all_bytes[start]
        minute = times[start] // MINUTE_NS
        trifling = (
            ~goes_on
            & (now_ns - last_ns > patience_ns[ends - 1])
            & (last + 1 - start < LEAST_PACKETS)
            & (amount < LEAST_BYTES)
            & ((times[start] + (last_ns - times[start]) // BIN_NS * BIN_NS) // MINUTE_NS == minute)
        )
        taking = np.stack((free, last + 1), axis=1).ravel()
        largest = self._largest(place, leads, np.maximum.reduceat(np.append(sizes, 0), taking)[::2])
        self._short_bursts += self._sorted(
            place, last_ns + patience_ns[ends - 1], minute, amount, np.flatnonzero(trifling)
        )
        for group in np.flatnonzero(~trifling).tolist():
            mine = slice(int(start[group]), int(last[group]) + 1)
            warmed = warm[begins[group] : ends[group]]
            opened_ns, before = int(rows[OPENED, first[group]]), int(largest[group])
            run = flows.runs[int(place[group])] if goes_on[group] else None
            self._carry(int(place[group]), run, rows[:, mine], rows[:, warmed], opened_ns, before, received)
        untaken[start_place] = last + 1
        return np.arange(len(sizes)) < np.repeat(untaken, np.diff(np.append(starts, len(sizes))))

    def _largest(self, place: I64, leads: Flags, size: I64) -> I64:
        """The largest packet that was part of a run of the same connection before each group; `size` is the largest in
        it."""
        known = np.where(leads, self.flows.largest[place], 0)
        so_far = np.cumsum(leads) << 32 | np.maximum(known, size)
        so_far = np.maximum.accumulate(so_far) & 0xFFFF_FFFF
        self.flows.largest[place] = so_far  # of several the last
        return np.where(leads, known, np.concatenate(([0], so_far[:-1])))

    def _sorted(self, place: I64, final_ns: I64, minute: I64, amount: I64, chosen: I64) -> list[ShortBurst]:
        device, connection = self.flows.device[place], self.flows.connection[place]
        chosen = chosen[np.lexsort((connection[chosen], device[chosen], final_ns[chosen]))]
        columns = [column[chosen].tolist() for column in (final_ns, device, connection, place, minute, amount)]
        columns[3] = [self.flows.flow[number] for number in columns[3]]
        return list(zip(*columns, strict=True))

    def _carry(
        self, place: int, run: Run | None, rows: I64, warm: I64, opened_ns: int, largest: int, received: Received
    ) -> None:
        """Rows join the run, or one begins; `warm` are those of them that make them do so."""
        flow = self.flows.flow[place]
        assert flow is not None
        times = rows[TIME]
        if run is None:
            run = self._begin(place, flow, int(times[0]), int(warm[TIME, 0]), opened_ns, largest)
        while True:
            limit_ns = run.start_ns + LONGEST_NS
            cut = int(times.searchsorted(limit_ns))
            if cut:
                run.add(rows[:, :cut])
            while run.next_look_ns <= run.last_ns:
                known = self._known(warm, run.next_look_ns)
                self._tasks.append(Task(*known, flow.connection, flow, run, run.next_look_ns))
                run.next_look_ns += _pause(run.next_look_ns - run.start_ns)
            self.flows.last_ns[place] = run.last_ns
            if cut == len(times):
                return
            received.tell(place, run, limit_ns)
            at_ns = int(times[cut])
            self._end(place, flow, run, limit_ns, self._known(warm, at_ns))
            rows, times = rows[:, cut:], times[cut:]
            run = self._begin(place, flow, at_ns, at_ns, opened_ns, largest)

    @staticmethod
    def _known(warm: I64, time_ns: int) -> tuple[int, int, int]:
        """The packet that tells that a run lasted until then."""
        number = int(warm[TIME].searchsorted(time_ns))
        return int(warm[TIME, number]), 0, int(warm[NUMBER, number])

    def _begin(self, place: int, flow: Flow, start_ns: int, warm_ns: int, opened_ns: int, largest: int) -> Run:
        self._runs += 1
        run = Run(self._runs, start_ns, warm_ns, None if opened_ns == UNSEEN else opened_ns, largest)
        run.next_look_ns = start_ns + _FIRST_LOOK_NS
        self.flows.runs[place] = run
        self.open.append((place, flow, run))
        self._begun.append((flow, run))
        return run


def _pause(elapsed_ns: int) -> int:
    """Until the next look at a run that has lasted so long."""
    return _LOOK_NS if elapsed_ns < 3 * SECOND else (2 if elapsed_ns < 60 * SECOND else 4) * _LOOK_NS
