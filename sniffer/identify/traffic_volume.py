"""How much everybody sends and receives, and over how many connections: all hosts, nobody judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sniffer import native
from sniffer.model import I64, PROTO_TCP, PROTO_UDP, U64, PacketBatch

#: One truth value a row.
Flags = npt.NDArray[np.bool_]

#: Connections that are held at a time. When there are more, all are added up, and one that goes on counts as another.
MOST = 1 << 15
#: Hosts of which something is told: those that were there first.
MOST_HOSTS = 1 << 16


class _End(NamedTuple):
    """Where the host of one end of a connection stands in a row of the table, and what that end sent."""

    host: int
    packets: int
    bytes: int


#: A row: both ends in order (host, address in halves), ports and protocol; then what each end sent, and when.
_ENDS = (_End(0, 7, 8), _End(3, 9, 10))
_PORTS, _FIRST, _LAST, _WIDTH = 6, 11, 12, 13
_KEY = _PORTS + 1
#: What the compiled piece reads of a batch.
_COLUMNS = (
    "time_ns", "eth_src", "eth_dst", "src_high", "src_low", "dst_high", "dst_low", "proto", "src_port", "dst_port",
    "wire_len",
)  # fmt: skip
_GROUP, _ALL_MACS = 1 << 40, 1 << 48


@dataclass(frozen=True, slots=True)
class Amount:
    """Of one host: frames and their bytes on the link in both directions, connections (TCP and UDP), and when it was
    there (nanoseconds)."""

    packets_sent: int
    bytes_sent: int
    packets_received: int
    bytes_received: int
    connections: int
    first_ns: int
    last_ns: int


class Traffic:
    """Adds up packets by connection, and connections by host."""

    def __init__(self) -> None:
        self._table = np.zeros((MOST, _WIDTH), dtype=np.int64)
        self._places = np.zeros(2 * MOST, dtype=np.uint32)  # of the compiled piece
        self._numbers: dict[bytes, int] = {}  # ... and of its twin
        self._taken = 0
        self._hosts: dict[int, Amount] = {}

    def add(self, batch: PacketBatch) -> Flags:
        """Count these packets; which of them are the first from their end of a connection?"""
        first, fresh = 0, np.zeros(len(batch), dtype=np.bool_)
        while first < len(batch):
            if native.DETECT is None:
                first = self._meter(batch, first, fresh)
            else:
                columns = tuple(np.ascontiguousarray(getattr(batch, name)) for name in _COLUMNS)
                table = (self._table, self._places, self._taken, MOST)
                first, self._taken = native.DETECT.meter(columns, first, *table, fresh)
            if first < len(batch):
                self._add_up()
        return fresh

    def hosts(self) -> dict[int, Amount]:
        """All that was counted, by the key of the host."""
        self._add_up()
        return self._hosts

    def _meter(self, batch: PacketBatch, first: int, fresh: Flags) -> int:
        """Packets from `first` on, up to one of a connection for which there is no room; returns which that is."""
        words, swapped = _ends(batch, slice(first, None))
        time_ns, size = batch.time_ns[first:], batch.wire_len[first:]
        keys, begins, back = np.unique(
            np.ascontiguousarray(words).view(np.dtype((np.void, 8 * _KEY))).ravel(),
            return_index=True,
            return_inverse=True,
        )
        numbers = np.array([self._numbers.get(key.tobytes(), -1) for key in keys], dtype=np.int64)
        end = len(time_ns)
        for place in np.argsort(begins).tolist():
            begin = int(begins[place])
            if numbers[place] >= 0:
                continue
            if self._taken == MOST:
                end = begin
                break
            row = self._table[self._taken]
            row[:_KEY], row[_KEY:] = words[begin].view(np.int64), 0
            row[_FIRST] = row[_LAST] = time_ns[begin]
            self._numbers[keys[place].tobytes()] = numbers[place] = self._taken
            self._taken += 1
        number, time_ns, size, swapped = numbers[back[:end]], time_ns[:end], size[:end], swapped[:end]
        senders, begins = np.unique(2 * number + swapped, return_index=True)
        columns = np.array([end_of.packets for end_of in _ENDS])[senders % 2]
        fresh[first + begins[self._table[senders // 2, columns] == 0]] = True
        for end_of, chosen in zip(_ENDS, (~swapped, swapped), strict=True):
            np.add.at(self._table[:, end_of.packets], number[chosen], 1)
            np.add.at(self._table[:, end_of.bytes], number[chosen], size[chosen])
        np.minimum.at(self._table[:, _FIRST], number, time_ns)
        np.maximum.at(self._table[:, _LAST], number, time_ns)
        return first + end

    def _add_up(self) -> None:
        table = self._table[: self._taken]
        connects = np.isin(table[:, _PORTS] & 0xFF, (PROTO_TCP, PROTO_UDP))
        if len(table):
            self._of_ends(table, *_ENDS, connects)
            self._of_ends(table, *_ENDS[::-1], connects & (table[:, 0] != table[:, 3]))
        self._taken = 0
        self._numbers.clear()
        self._places[:] = 0

    def _of_ends(self, table: I64, end: _End, other: _End, connects: Flags) -> None:
        """Add connections to the hosts at one of their ends."""
        order = np.argsort(table[:, end.host], kind="stable")
        table, hosts = table[order], table[order, end.host].view(np.uint64)
        begins = np.flatnonzero(np.concatenate(([True], hosts[1:] != hosts[:-1])))
        amounts = table[:, (end.packets, end.bytes, other.packets, other.bytes)]
        sums = np.add.reduceat(np.column_stack((amounts, connects[order])), begins)
        first, last = np.minimum.reduceat(table[:, _FIRST], begins), np.maximum.reduceat(table[:, _LAST], begins)
        for key, *counted, first_ns, last_ns in zip(
            hosts[begins].tolist(), *sums.T.tolist(), first.tolist(), last.tolist(), strict=True
        ):
            nobody = key == 0 or (key < _ALL_MACS and key & _GROUP)
            if nobody or (key not in self._hosts and len(self._hosts) >= MOST_HOSTS):
                continue
            known = self._hosts.get(key, Amount(0, 0, 0, 0, 0, first_ns, last_ns))
            self._hosts[key] = Amount(
                known.packets_sent + counted[0],
                known.bytes_sent + counted[1],
                known.packets_received + counted[2],
                known.bytes_received + counted[3],
                known.connections + counted[4],
                min(known.first_ns, first_ns),
                max(known.last_ns, last_ns),
            )


def _ends(batch: PacketBatch, rows: slice) -> tuple[U64, Flags]:
    """The connection of each packet, both ends in order, and whether the sender is the second."""
    source = [getattr(batch, name)[rows].astype(np.uint64) for name in ("eth_src", "src_high", "src_low", "src_port")]
    target = [getattr(batch, name)[rows].astype(np.uint64) for name in ("eth_dst", "dst_high", "dst_low", "dst_port")]
    swapped = np.zeros(len(source[0]), dtype=np.bool_)
    for one, other in zip(source[::-1], target[::-1], strict=True):  # the first that differs decides
        swapped = np.where(one == other, swapped, one > other)
    first = [np.where(swapped, other, one) for one, other in zip(source, target, strict=True)]
    second = [np.where(swapped, one, other) for one, other in zip(source, target, strict=True)]
    ports = first[3] << np.uint64(24) | second[3] << np.uint64(8) | batch.proto[rows].astype(np.uint64)
    return np.stack((*first[:3], *second[:3], ports), axis=1), swapped
