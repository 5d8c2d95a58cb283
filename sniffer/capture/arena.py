"""Many frames with one system call: `recvmmsg` into memory that is laid out once, read back as columns.

A frame has a slot of its own; four bytes stay free before it, for the VLAN tag that the kernel took out. Beside each
slot the kernel writes when the frame came, how long it was on the link, and that tag, always in the same places.
"""

from __future__ import annotations

import ctypes
import errno
import os
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from sniffer.model import I32, I64, FrameBlock

SLOT = 4096
#: Room for a VLAN tag; 16 keeps slots aligned.
HEADROOM = 16
#: The longest piece of a frame that is kept.
FULL_LENGTH = SLOT - HEADROOM
SLOTS = 256
_CONTROL = 128

LINK_ETHERNET, LINK_RAW_IP = 1, 101

_MSG_DONTWAIT = 0x40
_SOL_SOCKET, _SOL_PACKET, _PACKET_AUXDATA = 1, 263, 8
_TP_STATUS_VLAN_VALID, _TP_STATUS_VLAN_TPID_VALID = 1 << 4, 1 << 6
_ETH_P_8021Q = 0x8100
_VLAN_TAG = 4


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    _fields_ = (("header", _Header), ("length", ctypes.c_uint32))


class _ControlHeader(ctypes.Structure):
    _fields_ = (("length", ctypes.c_size_t), ("level", ctypes.c_int), ("type", ctypes.c_int))


def _control_layout() -> np.dtype[Any]:
    """The time stamp (two 64-bit numbers) and then the auxiliary data (`struct tpacket_auxdata`), as the kernel puts
    them (`packet_recvmsg`), each behind its header and aligned to a word."""
    word = ctypes.sizeof(ctypes.c_size_t)
    header = ctypes.sizeof(_ControlHeader)
    second = (header + 16 + word - 1) // word * word
    places: list[tuple[str, str, int]] = [
        ("time_level", "i4", word),
        ("seconds", "i8", header),
        ("nanoseconds", "i8", header + 8),
        ("aux_level", "i4", second + word),
        ("aux_type", "i4", second + word + 4),
        ("status", "u4", second + header),
        ("wire", "u4", second + header + 4),
        ("vlan", "u2", second + header + 16),
        ("vlan_protocol", "u2", second + header + 18),
    ]
    names, formats, offsets = zip(*places, strict=True)
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": _CONTROL})


def _message_layout() -> np.dtype[Any]:
    """What we read and write of the headers."""
    return np.dtype(
        {
            "names": ["control_length", "length"],
            "formats": [np.uintp, np.uint32],
            "offsets": [_Header.control_length.offset, _Message.length.offset],
            "itemsize": ctypes.sizeof(_Message),
        }
    )


class Arena:
    """Memory for `SLOTS` frames."""

    def __init__(self) -> None:
        self._memory = bytearray(SLOT * SLOTS)
        self._control_memory = bytearray(_CONTROL * SLOTS)
        memory = (ctypes.c_char * len(self._memory)).from_buffer(self._memory)
        control = (ctypes.c_char * len(self._control_memory)).from_buffer(self._control_memory)
        self._vectors = (_Vector * SLOTS)()
        self._messages = (_Message * SLOTS)()
        for i in range(SLOTS):
            self._vectors[i] = _Vector(ctypes.addressof(memory) + i * SLOT + HEADROOM, FULL_LENGTH)
            vector = ctypes.addressof(self._vectors) + i * ctypes.sizeof(_Vector)
            header = _Header(None, 0, vector, 1, ctypes.addressof(control) + i * _CONTROL, _CONTROL, 0)
            self._messages[i] = _Message(header, 0)
        self._bytes = np.frombuffer(self._memory, dtype=np.uint8)
        self._control = np.frombuffer(self._control_memory, dtype=_control_layout())
        headers: npt.NDArray[Any] = np.frombuffer(memoryview(self._messages).cast("B"), dtype=_message_layout())
        self._length, self._control_length = headers["length"], headers["control_length"]
        self._starts: I64 = np.arange(SLOTS, dtype=np.int64) * SLOT + HEADROOM
        self._view = memoryview(self._memory)
        self._used = SLOTS
        libc = ctypes.CDLL(None, use_errno=True)
        self._recvmmsg = libc.recvmmsg
        self._recvmmsg.argtypes = (
            ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p
        )  # fmt: skip
        self._recvmmsg.restype = ctypes.c_int
        self._address = ctypes.addressof(self._messages)

    def receive(self, descriptor: int) -> int:
        """Take what is there, up to `SLOTS` frames, without waiting. Raises OSError (ENETDOWN and the like)."""
        self._control_length[: self._used] = _CONTROL
        self._used = 0
        while True:
            count = int(self._recvmmsg(descriptor, self._address, SLOTS, _MSG_DONTWAIT, None))
            if count >= 0:
                self._used = count
                return count
            number = ctypes.get_errno()
            if number in (errno.EAGAIN, errno.EWOULDBLOCK):
                return 0
            if number != errno.EINTR:
                self._used = SLOTS
                raise OSError(number, os.strerror(number))

    def block(self, interface: str, link_type: int) -> FrameBlock:
        """What was received last; valid until the next `receive`."""
        count = self._used
        control = self._control[:count]
        offset = self._starts[:count].copy()
        captured: I32 = self._length[:count].astype(np.int32)
        time_ns: I64 = control["seconds"] * 1_000_000_000 + control["nanoseconds"]
        wire: I32 = control["wire"].astype(np.int32)
        known = (
            (control["time_level"] == _SOL_SOCKET)
            & (control["aux_level"] == _SOL_PACKET)
            & (control["aux_type"] == _PACKET_AUXDATA)
        )
        if not known.all():  # no kernel is known that does it; a frame without its label is still a frame
            time_ns = np.where(known, time_ns, time.time_ns())
            wire = np.where(known, wire, captured)
        tagged = np.flatnonzero(known & (control["status"] & _TP_STATUS_VLAN_VALID != 0))
        if len(tagged) and link_type == LINK_ETHERNET:
            self._put_tags_back(tagged, offset, captured, wire)
        return FrameBlock(
            interface=interface,
            link_type=link_type,
            data=self._view,
            offset=offset,
            captured=captured,
            wire=wire,
            time_ns=time_ns,
        )

    def _put_tags_back(self, rows: I64, offset: I64, captured: I32, wire: I32) -> None:
        start = offset[rows]
        addresses = np.arange(12)
        self._bytes[start[:, None] - _VLAN_TAG + addresses] = self._bytes[start[:, None] + addresses]
        control = self._control[rows]
        valid = control["status"] & _TP_STATUS_VLAN_TPID_VALID != 0
        tag = np.empty((len(rows), 2), dtype=">u2")
        tag[:, 0] = np.where(valid, control["vlan_protocol"], _ETH_P_8021Q)
        tag[:, 1] = control["vlan"]
        self._bytes[start[:, None] + 8 + np.arange(_VLAN_TAG)] = tag.view(np.uint8)
        offset[rows] -= _VLAN_TAG
        captured[rows] += _VLAN_TAG
        wire[rows] += _VLAN_TAG
