"""The new bytes that devices send, of all connections in a batch at once: a row for each packet that carries any."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sniffer.detect.flows.flow import Flows
from sniffer.detect.flows.repetitions import COPY_NS
from sniffer.detect.flows.rows import Flags, Packets, record_headers
from sniffer.detect.flows.run import ANSWERS, BYTES, TIME, UNIT, UNITS, Run
from sniffer.model import I64, PROTO_TCP
from sniffer.model.protocols import TCP_SYN

#: Rows stand in matrices, a column a packet. Below what runs keep: the place of the connection, when it was opened, the
#: packet's number in the capture, and the bytes that had come back on the connection before it.
PLACE, OPENED, NUMBER, DOWN = range(UNITS + 1, UNITS + 5)
HEIGHT = DOWN + 1
#: Datagrams smaller than this are acknowledgements of the transport (QUIC), not answers.
_ANSWER_DATAGRAM = 64

#: Times of repeated segments that are kept of a connection.
_MAX_REPEATS = 4_096


@dataclass(frozen=True, slots=True)
class Received:
    """What came back in one batch, by connection."""

    places: I64  # in order
    begins: I64
    ends: I64
    time_ns: I64
    size: I64

    def tell(self, place: int, run: Run, until_ns: int) -> None:
        """Give a run its share of it."""
        number = int(self.places.searchsorted(place))
        if number < len(self.places) and self.places[number] == place:
            mine = slice(int(self.begins[number]), int(self.ends[number]))
            if mine.start < mine.stop:
                run.receive(self.time_ns[mine], self.size[mine], until_ns)


@dataclass(frozen=True, slots=True)
class _Sorted:
    """The packets of a batch by the place of their connection, then in capture order. `starts` and `ends` are of the
    groups of one place, `opening` is the packet that opened the connection in this batch (-1: none). `sent` are the
    packets that carry something upstream, `group` is the group of each of these, `leads` the first of each group."""

    packets: Packets
    places: I64
    length: I64
    starts: I64
    ends: I64
    opening: I64
    sent: I64
    group: I64
    leads: I64


def upstream(packets: Packets, places: I64, flows: Flows, before: int) -> tuple[I64, Received]:
    """The rows of a batch, by place and then in capture order, and what came back. `before` packets of the capture came
    with earlier batches. What is to be remembered of each connection is kept in `flows`."""
    batch = _sorted(packets, places, len(flows.flow))
    packets, places, length, sent = batch.packets, batch.places, batch.length, batch.sent
    rows = np.empty((HEIGHT, len(sent)), dtype=np.int64)
    rows[TIME] = packets.time_ns[sent]
    rows[BYTES] = rows[UNIT] = length[sent]
    rows[UNITS] = 1
    rows[ANSWERS] = _answers(batch, flows)
    rows[PLACE] = places[sent]
    rows[DOWN] = _came_back(batch, flows)
    opening = batch.opening[sent]
    rows[OPENED] = np.where(opening < 0, flows.opened_ns[rows[PLACE]], packets.time_ns[opening])
    rows[NUMBER] = packets.rows[sent] + before
    tcp = np.flatnonzero(flows.tcp[rows[PLACE]])
    if tcp.size:
        _deduplicate(batch, rows, tcp, flows)
    _open(batch, flows)
    came = np.flatnonzero(~packets.upstream & (length > 0))
    received = Received(
        places[batch.starts],
        came.searchsorted(batch.starts),
        came.searchsorted(batch.ends),
        packets.time_ns[came],
        length[came],
    )
    fresh = rows[BYTES] > 0
    for place, time_ns in rows[[PLACE, TIME]][:, _repeated(rows, fresh, flows)].T.tolist():
        times = flows.repeats.setdefault(place, [])
        times.append(time_ns)
        if len(times) > _MAX_REPEATS:
            del times[: _MAX_REPEATS // 2]
    return rows if bool(fresh.all()) else rows[:, fresh], received


def _repeated(rows: I64, fresh: npt.NDArray[np.bool_], flows: Flows) -> I64:
    """Return the segments that the sender repeated: not the copies of a mirror port, right behind their original."""
    old = np.flatnonzero(~fresh)
    sent = np.maximum.accumulate(np.where(fresh, np.arange(len(fresh)), -1))[old]
    same = (sent >= 0) & (rows[PLACE, sent] == rows[PLACE, old])
    last_ns = np.where(same, rows[TIME, sent], flows.fresh_ns[rows[PLACE, old]])
    flows.fresh_ns[rows[PLACE, fresh]] = rows[TIME, fresh]
    repeated: I64 = old[rows[TIME, old] - last_ns > COPY_NS]
    return repeated


def by_place(places: I64, limit: int) -> I64:
    """The order of rows by place, each place's as they were."""
    return np.argsort(places.astype(np.uint16 if limit <= 1 << 16 else np.int64), kind="stable")  # linear, if short


def changes(*columns: I64) -> I64:
    """Where one of the values differs from the one before."""
    if not len(columns[0]):
        return columns[0]
    differs = np.zeros(len(columns[0]), dtype=np.bool_)
    differs[0] = True
    for values in columns:
        differs[1:] |= values[1:] != values[:-1]
    return np.flatnonzero(differs)


def _sorted(packets: Packets, places: I64, limit: int) -> _Sorted:
    order = by_place(places, limit)
    packets, places = packets.part(order), places[order]
    length = packets.batch.payload_len[packets.rows].astype(np.int64)
    starts = changes(places)
    ends = np.append(starts[1:], len(places))
    opening = np.full(len(places), -1)
    flags, proto = packets.batch.tcp_flags[packets.rows], packets.batch.proto[packets.rows]
    syn = np.flatnonzero(packets.upstream & (flags & TCP_SYN > 0) & (proto == PROTO_TCP))
    if syn.size:
        opening[syn] = syn
        opening = np.maximum.accumulate(opening)
        opening[opening < np.repeat(starts, ends - starts)] = -1
    sent = np.flatnonzero(packets.upstream & (length > 0))
    group = np.repeat(np.arange(len(starts)), ends - starts)[sent]
    return _Sorted(packets, places, length, starts, ends, opening, sent, group, changes(group))


def _answers(batch: _Sorted, flows: Flows) -> Flags:
    """For each row: had the other side said something since the one before?"""
    places, leads = batch.places[batch.starts], batch.leads
    least = np.where(flows.tcp[batch.places], 1, _ANSWER_DATAGRAM)
    tells = ~batch.packets.upstream & (batch.length >= least)
    said = np.cumsum(tells)
    at_start: I64 = said[batch.starts] - tells[batch.starts]
    counts = said[batch.sent]
    earlier = np.concatenate(([0], counts[:-1]))[: len(counts)]
    earlier[leads] = at_start[batch.group[leads]]
    answers: Flags = counts > earlier
    answers[leads] |= flows.answered[places[batch.group[leads]]]
    last = at_start.copy()
    last[batch.group] = counts
    waits = flows.answered[places]
    waits[batch.group] = False
    flows.answered[places] = waits | (said[batch.ends - 1] > last)
    return answers


def _came_back(batch: _Sorted, flows: Flows) -> I64:
    """For each row: bytes that the other side had sent before it."""
    places = batch.places[batch.starts]
    came = np.where(batch.packets.upstream, 0, batch.length)
    total = np.cumsum(came)
    at_start = total[batch.starts] - came[batch.starts]
    before: I64 = flows.down[places[batch.group]] + total[batch.sent] - at_start[batch.group]
    flows.down[places] += total[batch.ends - 1] - at_start
    return before


def _deduplicate(batch: _Sorted, rows: I64, tcp: I64, flows: Flows) -> None:
    """Of TCP only new bytes count, and TLS records where their headers are seen."""
    numbers = batch.packets.rows[batch.sent[tcp]]
    opening, place, size = batch.opening[batch.sent[tcp]], rows[PLACE, tcp], rows[BYTES, tcp]
    begins = changes(place, opening)
    stretch = np.diff(np.append(begins, len(tcp)))
    places, anew = place[begins], opening[begins] >= 0
    units, counts = record_headers(batch.packets.batch, numbers)
    seen = counts > 0
    so_far = np.cumsum(seen)
    before = so_far[begins] - seen[begins] - (flows.records[places] & ~anew)
    known = so_far > np.repeat(before, stretch)
    flows.records[places] = known[begins + stretch - 1]  # of several the last
    rows[UNIT, tcp], rows[UNITS, tcp] = np.where(known, units, size), np.where(known, counts, 1)
    sequence, time_ns = batch.packets.batch.tcp_seq[numbers], rows[TIME, tcp]
    interface = batch.packets.batch.interface
    rows[BYTES, tcp] = flows.streams.fresh(places, begins, anew, sequence, size, time_ns, interface)


def _open(batch: _Sorted, flows: Flows) -> None:
    """Remember when connections were opened, and that nothing was sent on those that were opened last of all."""
    opening = batch.opening[batch.ends - 1]
    opened = np.flatnonzero(opening >= 0)
    if not opened.size:
        return
    places = batch.places[batch.starts]
    flows.opened_ns[places[opened]] = batch.packets.time_ns[opening[opened]]
    last = np.full(len(places), -1)
    last[batch.group] = batch.sent
    unused = places[opened[last[opened] < opening[opened]]]
    flows.records[unused] = False
    flows.streams.reset(unused)
