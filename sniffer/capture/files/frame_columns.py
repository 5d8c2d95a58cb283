"""Numbers out of a buffer, many at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sniffer.model import I32, I64

#: libpcap's largest snap length: a record that claims more is damaged.
MAX_FRAME = 262_144

#: No frame on any link is longer, whatever a record claims (offload makes frames of up to 512 KiB).
MAX_WIRE = 1 << 20


def gather_u32(data: memoryview, at: I64, order: str) -> I64:
    """The 32-bit numbers that begin at these offsets; the caller has checked that they lie in the buffer."""
    # A view of every (overlapping) 32-bit number in the buffer, from which rows are picked.
    every = np.ndarray(shape=(len(data) - 3,), dtype=f"{order}u4", buffer=data, strides=(1,))
    return every[at].astype(np.int64)


@dataclass(frozen=True, slots=True)
class Columns:
    """Where frames lie in a buffer, and what their records say of them."""

    offset: I64
    captured: I32
    wire: I32
    time_ns: I64

    @classmethod
    def empty(cls, rows: int) -> Columns:
        """Room for so many rows; memory that is not written is not used."""
        return cls(
            np.empty(rows, dtype=np.int64),
            np.empty(rows, dtype=np.int32),
            np.empty(rows, dtype=np.int32),
            np.empty(rows, dtype=np.int64),
        )

    def arrays(self) -> tuple[I64, I32, I32, I64]:
        return self.offset, self.captured, self.wire, self.time_ns

    def first(self, rows: int) -> Columns:
        return Columns(self.offset[:rows], self.captured[:rows], self.wire[:rows], self.time_ns[:rows])
