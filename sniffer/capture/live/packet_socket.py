"""One packet socket of Linux: how it is opened so that nothing is lost or seen unfiltered, and what it can be asked.

It is opened with protocol 0, which receives nothing, gets its filter and its ring, and only then is bound. The filter
is replaced on the living socket: the kernel exchanges one pointer, and no packet falls between. Bound again to another
interface it needs no privilege, so an interface that was created anew is followed without any.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import socket
import struct
from typing import NamedTuple

from sniffer.capture.live.bpf import Program, pack
from sniffer.capture.live.ring import LINK_ETHERNET, LINK_RAW_IP, Ring
from sniffer.errors import CaptureError

ETH_P_ALL = 3
_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP, _PACKET_STATISTICS, _PACKET_IGNORE_OUTGOING = 1, 6, 23
_PACKET_MR_PROMISC = 1
_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27
_SIOCGIWNAME = 0x8B01
_SIOCGIFNAME, _SIOCGIFFLAGS, _SIOCGIFHWADDR, _SIOCGIFINDEX = 0x8910, 0x8913, 0x8927, 0x8933
_IFF_UP, _IFF_RUNNING = 0x1, 0x40
_ARPHRD_LOOPBACK = 772

#: Link-layer kinds (linux/if_arp.h) whose frames we read, and what they start with.
LINK_TYPES = {
    1: LINK_ETHERNET,
    _ARPHRD_LOOPBACK: LINK_ETHERNET,
    512: LINK_RAW_IP,  # PPP
    519: LINK_RAW_IP,  # raw IP
    768: LINK_RAW_IP,  # IP in IP
    769: LINK_RAW_IP,
    776: LINK_RAW_IP,  # 6in4
    778: LINK_RAW_IP,  # GRE
    0xFFFE: LINK_RAW_IP,  # none: tun, WireGuard
}


class Counters(NamedTuple):
    """What the kernel says of a socket since it was last asked; `passed` are those that the filter let through."""

    passed: int
    dropped: int


class PacketSocket:
    """A packet socket on one interface."""

    def __init__(self, interface: str, program: Program, *, promiscuous: bool, buffer_bytes: int) -> None:
        """Needs CAP_NET_RAW effective. Raises CaptureError, or OSError where the kernel refuses."""
        self.hardware = hardware_type(interface)
        self.link_type = LINK_TYPES[self.hardware]
        self._promiscuous = promiscuous
        kind = socket.SOCK_RAW if self.link_type == LINK_ETHERNET else socket.SOCK_DGRAM
        self._socket = socket.socket(socket.AF_PACKET, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
        try:
            self.attach(program)
            self.ring = Ring(self._socket, buffer_bytes)
            self.bind(interface)
        except BaseException:
            self._socket.close()
            raise

    def bind(self, interface: str) -> None:
        """Receive from this interface from now on. Raises OSError where it is not there."""
        self._socket.bind((interface, ETH_P_ALL))
        self.index = socket.if_nametoindex(interface)
        if self.hardware == _ARPHRD_LOOPBACK:  # every packet would come twice: as it leaves and as it arrives
            with contextlib.suppress(OSError):
                self._socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        elif self._promiscuous:
            request = struct.pack("=iHH8s", self.index, _PACKET_MR_PROMISC, 0, b"")
            self._socket.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, request)

    def attach(self, program: Program) -> None:
        """Replace the filter. Raises CaptureError where the kernel has no room for it: then everything passes.

        The kernel counts the old filter and the new one together against net.core.optmem_max (20 KiB before Linux
        6.8). Where that is too little the old one goes first; in between all packets pass, and none is lost.
        """
        try:
            self._attach(program)
        except OSError as error:
            if error.errno != errno.ENOMEM:
                raise
            with contextlib.suppress(FileNotFoundError):  # there is no old one yet
                self._socket.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
            try:
                self._attach(program)
            except OSError:
                raise CaptureError(
                    f"the kernel has no room for a filter of {len(program)} instructions: "
                    "`sysctl -w net.core.optmem_max=131072`"
                ) from None

    def _attach(self, program: Program) -> None:
        code = ctypes.create_string_buffer(pack(program))
        filter_ = struct.pack("@HP", len(program), ctypes.addressof(code))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filter_)

    def counters(self) -> Counters:
        """Since the last call: the kernel sets them to zero when they are read."""
        passed, dropped = struct.unpack("=II", self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
        return Counters(passed, dropped)

    def trouble(self) -> str | None:
        """What the kernel has to say of the interface since it was last asked: it went down, for one."""
        number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number in (errno.ENETDOWN, errno.ENODEV, errno.ENXIO):
            return "went down"
        return f"cannot be read ({os.strerror(number)})" if number else None

    # The socket itself is asked: a process without a free descriptor must not take its interface for removed.

    def is_up(self, interface: str) -> bool:
        """Return whether the interface exists and is up."""
        try:
            flags = struct.unpack_from("=H", _ask(_SIOCGIFFLAGS, interface, self._socket), 16)[0]
        except OSError:
            return False
        return bool(flags & _IFF_UP)

    def index_of(self, interface: str) -> int | None:
        """Return the number of an interface, or None where there is none of that name."""
        try:
            return int(struct.unpack_from("=i", _ask(_SIOCGIFINDEX, interface, self._socket), 16)[0])
        except OSError:
            return None

    def name_of(self, index: int) -> str | None:
        """Return what the interface of this number is called now, or None where it is gone."""
        try:
            answer = fcntl.ioctl(self._socket, _SIOCGIFNAME, struct.pack("=16xi20x", index))
        except OSError:
            return None
        return answer[:16].split(b"\0")[0].decode(errors="replace")

    def close(self) -> None:
        self.ring.close()
        self._socket.close()


def hardware_type(interface: str) -> int:
    """The ARPHRD number of an interface. Raises CaptureError where there is none, or it is none we can read."""
    try:
        found = int(struct.unpack_from("=H", _ask(_SIOCGIFHWADDR, interface), 16)[0])
    except OSError as error:
        if error.errno not in (errno.ENODEV, errno.EINVAL):
            raise CaptureError(f"{interface}: {error.strerror}") from None
        names = ", ".join(name for _, name in socket.if_nameindex())
        raise CaptureError(f"{interface}: no such interface; there are {names}") from None
    if found not in LINK_TYPES:
        raise CaptureError(f"{interface}: its frames are of a kind that cannot be read (hardware type {found})")
    return found


def hardware_address(interface: str) -> int | None:
    """Return the MAC address of an interface as a number, or None where it is not there or has none."""
    try:
        return int.from_bytes(_ask(_SIOCGIFHWADDR, interface)[18:24], "big") or None
    except OSError:
        return None


def is_wireless(interface: str) -> bool:
    """Return whether an interface is a Wi-Fi client or access point."""
    try:
        _ask(_SIOCGIWNAME, interface)
    except OSError:
        return False
    return True


def _ask(request: int, interface: str, asking: socket.socket | None = None) -> bytes:
    """The answer of one interface ioctl, on a socket that is open already or on one of its own. Raises OSError."""
    name = interface.encode()
    if not 0 < len(name) < 16:
        raise OSError(errno.ENODEV, "no such interface")
    question = struct.pack("=16s24x", name)
    if asking is not None:
        return fcntl.ioctl(asking, request, question)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as own:
        return fcntl.ioctl(own, request, question)
