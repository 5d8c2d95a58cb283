"""What pcapng says of an interface, and the packets that lie in its blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sniffer.model import I32, I64, U64

INT64_MAX = (1 << 63) - 1
LAST_SECOND = INT64_MAX // 1_000_000_000 - 1


@dataclass(frozen=True, slots=True)
class Interface:
    name: str
    link_type: int
    snap_length: int
    resolution: int
    offset: int

    def nanoseconds(self, column: U64) -> I64:
        """Units of this interface since its epoch as nanoseconds since 1970; what no int64 can hold is held back."""
        exponent = self.resolution & 0x7F
        if self.resolution <= 9 and self.offset == 0:  # the usual ones, when their times are possible
            factor = 10 ** (9 - self.resolution)
            if not len(column) or int(column.max()) <= LAST_SECOND * 1_000_000_000 // factor:
                return np.asarray(column * np.uint64(factor), dtype=np.uint64).view(np.int64)
        if self.resolution & 0x80:
            shift = np.uint64(exponent)
            seconds = column >> shift if exponent < 64 else column * np.uint64(0)
            fraction = column - (seconds << shift) if exponent < 64 else column
            coarse = max(exponent - 34, 0)  # so that the product fits 64 bits
            part = (fraction >> np.uint64(min(coarse, 63))) * np.uint64(1_000_000_000)
            part >>= np.uint64(exponent - coarse)
        elif exponent <= 19:
            unit = np.uint64(10**exponent)
            seconds = column // unit
            fraction = column - seconds * unit
            part = (
                fraction * np.uint64(10 ** (9 - exponent))
                if exponent <= 9
                else fraction // np.uint64(10 ** (exponent - 9))
            )
        else:
            seconds = column * np.uint64(0)
            part = column // np.uint64(10 ** (exponent - 9)) if exponent <= 28 else seconds
        whole = np.minimum(seconds, np.uint64(LAST_SECOND)).astype(np.int64)
        offset = max(min(self.offset, LAST_SECOND), -LAST_SECOND)
        whole = np.clip(whole + offset, 0, LAST_SECOND)
        return np.asarray(whole * 1_000_000_000 + part.astype(np.int64), dtype=np.int64)


class Columns(NamedTuple):
    """Packets in their blocks, times still in units of their interface."""

    interface: I32
    ticks: U64
    offset: I64
    captured: I32
    wire: I32

    @classmethod
    def empty(cls, rows: int) -> Columns:
        """Room for so many rows; memory that is not written is not used."""
        return cls(
            np.empty(rows, dtype=np.int32),
            np.empty(rows, dtype=np.uint64),
            np.empty(rows, dtype=np.int64),
            np.empty(rows, dtype=np.int32),
            np.empty(rows, dtype=np.int32),
        )

    def cut(self, rows: slice) -> Columns:
        return Columns(self.interface[rows], self.ticks[rows], self.offset[rows], self.captured[rows], self.wire[rows])


Row = tuple[int, int, int, int, int]


class Rows:
    """Packets as they were found: interface, ticks, offset, captured, wire."""

    def __init__(self) -> None:
        self._parts: list[Columns] = []
        self._pending: list[Row] = []
        #: How many came in columns.
        self.taken = 0

    def add(self, row: Row) -> None:
        self._pending.append(row)

    def extend(self, columns: Columns) -> None:
        self._settle()
        self._parts.append(columns)
        self.taken += len(columns.ticks)

    def take(self) -> Columns | None:
        """All of them, in their order; none are left."""
        self._settle()
        parts, self._parts = self._parts, []
        if not parts:
            return None
        if len(parts) == 1:
            return parts[0]
        return Columns(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _settle(self) -> None:
        if self._pending:
            interface, ticks, offset, captured, wire = zip(*self._pending, strict=True)
            self._parts.append(
                Columns(
                    np.array(interface, dtype=np.int32),
                    np.array(ticks, dtype=np.uint64),
                    np.array(offset, dtype=np.int64),
                    np.array(captured, dtype=np.int32),
                    np.array(wire, dtype=np.int32),
                )
            )
            self._pending = []
