"""Where the kernel puts frames and we read them: memory that both see (`PACKET_RX_RING`, version 2).

The ring is made of slots of one size, so that the headers of everything that waits are read as columns, without a
system call and without copying. A socket's own buffer would hold less: the kernel charges it with whole packets, and
without CAP_NET_ADMIN it is limited to what two hundred of them fill; here a slot holds what the filter asked for.

Each slot begins with a `struct tpacket2_hdr`. Who may write it, its first word says: 0 the kernel, odd we.
"""

from __future__ import annotations

import mmap
import socket
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from sniffer.model import I32, I64, FrameBlock

LINK_ETHERNET, LINK_RAW_IP = 1, 101

SLOT = 2048
#: What a slot has room for behind its header and the alignment of what follows.
FULL_LENGTH = SLOT - 128
_BLOCK = 1 << 16

_SOL_PACKET, _PACKET_RX_RING, _PACKET_VERSION, _TPACKET_V2 = 263, 5, 10, 1
_STATUS_USER, _STATUS_VLAN_VALID, _STATUS_VLAN_TPID_VALID = 1, 1 << 4, 1 << 6
_ETH_P_8021Q = 0x8100
_VLAN_TAG = 4

_HEADER = np.dtype(
    {
        "names": ["status", "wire", "captured", "mac", "net", "seconds", "nanoseconds", "vlan", "vlan_protocol"],
        "formats": ["u4", "u4", "u4", "u2", "u2", "u4", "u4", "u2", "u2"],
        "itemsize": SLOT,
    }
)


class Ring:
    """The ring of one packet socket that is not bound yet."""

    def __init__(self, owner: socket.socket, size: int) -> None:
        self.slots = max(size // _BLOCK, 1) * (_BLOCK // SLOT)
        owner.setsockopt(_SOL_PACKET, _PACKET_VERSION, _TPACKET_V2)
        request = struct.pack("=IIII", _BLOCK, self.slots * SLOT // _BLOCK, SLOT, self.slots)
        owner.setsockopt(_SOL_PACKET, _PACKET_RX_RING, request)
        self._memory = mmap.mmap(owner.fileno(), self.slots * SLOT)
        self._view = memoryview(self._memory)
        self._bytes: npt.NDArray[np.uint8] = np.frombuffer(self._memory, dtype=np.uint8)
        self._headers: npt.NDArray[Any] = np.frombuffer(self._memory, dtype=_HEADER)
        self._status = self._headers["status"]
        self._head = 0
        self._taken = 0

    def waiting(self) -> bool:
        """Is there anything to take?"""
        return bool(self._status[(self._head + self._taken) % self.slots] & _STATUS_USER)

    def release(self) -> None:
        """Give the slots of the last block back to the kernel."""
        end = self._head + self._taken
        self._status[self._head : end] = 0
        if end > self.slots:
            self._status[: end - self.slots] = 0
        self._head = end % self.slots
        self._taken = 0

    def take(self, interface: str, link_type: int) -> FrameBlock:
        """All that waits, valid until `release`; call that first."""
        mine = self._status & _STATUS_USER
        ahead, wrapped = mine[self._head :], mine[: self._head]
        self._taken = len(ahead) if ahead.all() else int(ahead.argmin())
        if self._taken == len(ahead) and len(wrapped):
            self._taken += len(wrapped) if wrapped.all() else int(wrapped.argmin())
        rows = np.arange(self._head, self._head + self._taken) % self.slots
        header = self._headers[rows]
        offset: I64 = rows * SLOT + header["mac"]
        captured: I32 = header["captured"].astype(np.int32)
        wire: I32 = header["wire"].astype(np.int32)
        tagged = np.flatnonzero(header["status"] & _STATUS_VLAN_VALID)
        if len(tagged) and link_type == LINK_ETHERNET:
            self._put_tags_back(header[tagged], offset[tagged])
            offset[tagged] -= _VLAN_TAG
            captured[tagged] += _VLAN_TAG
            wire[tagged] += _VLAN_TAG
        return FrameBlock(
            interface=interface,
            link_type=link_type,
            data=self._view,
            offset=offset,
            captured=captured,
            wire=wire,
            time_ns=header["seconds"].astype(np.int64) * 1_000_000_000 + header["nanoseconds"],
        )

    def _put_tags_back(self, header: npt.NDArray[Any], start: I64) -> None:
        """The kernel took the outermost tag out; there is room for it before the frame."""
        addresses = np.arange(12)
        self._bytes[start[:, None] - _VLAN_TAG + addresses] = self._bytes[start[:, None] + addresses]
        valid = header["status"] & _STATUS_VLAN_TPID_VALID != 0
        tag = np.empty((len(header), 2), dtype=">u2")
        tag[:, 0] = np.where(valid, header["vlan_protocol"], _ETH_P_8021Q)
        tag[:, 1] = header["vlan"]
        self._bytes[start[:, None] + 12 - _VLAN_TAG + np.arange(_VLAN_TAG)] = tag.view(np.uint8)

    def close(self) -> None:
        """Let go of the memory; blocks that were handed out keep theirs until they are gone."""
        del self._bytes, self._headers, self._status, self._view
