"""Gathering numbers from a buffer for many rows at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sniffer.model import I64, U64

Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Bytes:
    """A buffer from which big-endian numbers are gathered at given offsets. The caller has made sure, by captured
    lengths, that what he asks for lies inside."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._u8 = np.frombuffer(data, dtype=np.uint8)

    def frame(self, at: int, size: int) -> memoryview:
        """The bytes of one frame."""
        return self._data[at : at + size]

    def _every(self, width: int) -> npt.NDArray[Any]:
        """All (overlapping, unaligned) numbers of this width, as a view."""
        return np.ndarray(
            shape=(max(len(self._u8) - width + 1, 0),), dtype=f">u{width}", buffer=self._data, strides=(1,)
        )

    def u8(self, at: Index) -> I64:
        return self._u8[at].astype(np.int64)

    def u16(self, at: Index) -> I64:
        return self._every(2)[at].astype(np.int64)

    def u32(self, at: Index) -> I64:
        return self._every(4)[at].astype(np.int64)

    def u64(self, at: Index) -> U64:
        return self._every(8)[at].astype(np.uint64)

    def mac(self, at: Index) -> U64:
        every = self._every(2)[at].astype(np.uint64)
        return every << np.uint64(32) | self._every(4)[at + 2].astype(np.uint64)
