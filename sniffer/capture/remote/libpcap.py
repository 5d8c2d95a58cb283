"""An interface of this machine through scapy's capture sockets: libpcap, or BPF where there is no libpcap.

For systems without AF_PACKET (FreeBSD with OPNsense, macOS). Each packet passes Python, so it is slower.
"""

from __future__ import annotations

import contextlib
import platform
import select
import time
from collections.abc import Iterator
from typing import Any, cast

from sniffer.capture.remote.expression import filter_expression
from sniffer.capture.remote.feed import Connection, Keys, empty_block
from sniffer.capture.remote.tzsp import make_block
from sniffer.capture.source_settings import LibpcapSource
from sniffer.errors import CaptureError
from sniffer.model import FrameBlock

#: Packets that make one block at most, and seconds that it is filled.
MOST, FILL_SECONDS = 512, 0.08


class LibpcapFeed:
    """One interface."""

    filters, overlaps, own_clock = True, False, False
    silence_seconds = None
    alive_seconds = 0.0
    renew_seconds = None

    def __init__(self, settings: LibpcapSource) -> None:
        self.label = settings.label
        self._settings = settings

    def connect(self, keys: Keys) -> Connection:
        """Open the interface. Raises CaptureError; ModuleNotFoundError where the extra `pcap` is not installed."""
        return LibpcapConnection(self._settings, keys)

    def close(self) -> None:
        """Nothing is held between connections."""


def open_socket(interface: str, expression: str, snap_length: int) -> Any:
    """Open scapy's capture socket of an interface. Raises CaptureError."""
    from scapy.config import conf
    from scapy.error import Scapy_Exception

    conf.sniff_promisc = True
    conf.bufsize = snap_length
    try:
        if platform.system() == "Linux" or conf.use_pcap:
            conf.use_pcap = True
            from scapy.arch.libpcap import L2pcapListenSocket

            return L2pcapListenSocket(iface=interface, filter=expression or None)
        from scapy.arch.bpf.supersocket import L2bpfListenSocket

        return cast("Any", L2bpfListenSocket)(iface=interface, filter=expression or None)
    except (OSError, Scapy_Exception, ImportError, NameError) as error:
        text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CaptureError(f"{interface} cannot be captured through libpcap: {text[:200]}") from None


class LibpcapConnection:
    """An open interface. libpcap is no friend of threads: only the one that reads touches the socket."""

    def __init__(self, settings: LibpcapSource, keys: Keys) -> None:
        self._settings = settings
        self._socket = open_socket(settings.interface, filter_expression(keys), settings.snap_length)
        self._changes = hasattr(getattr(self._socket, "pcap_fd", None), "setfilter")
        self._expression: str | None = None
        self._closed = False

    def blocks(self) -> Iterator[FrameBlock]:
        """What has arrived, at short intervals."""
        try:
            yield empty_block(self._settings.label)
            while not self._closed:
                self._change()
                packets = list(self._gather())
                if packets:
                    yield make_block(self._settings.label, 1, packets)
        finally:
            with contextlib.suppress(OSError):
                self._socket.close()

    def _gather(self) -> Iterator[tuple[bytes, int, int]]:
        end = time.monotonic() + FILL_SECONDS
        count = 0
        while not self._closed and count < MOST and (left := end - time.monotonic()) > 0:
            if not select.select([self._socket], [], [], left)[0]:
                return
            _, data, stamp = self._socket.recv_raw()
            if data:
                count += 1
                yield data, len(data), round(float(stamp) * 1e9) if stamp else time.time_ns()

    def _change(self) -> None:
        """Replace the filter, where that was asked for; no packet is lost by it. Raises CaptureError."""
        expression, self._expression = self._expression, None
        if expression is None:
            return
        from scapy.error import Scapy_Exception

        try:
            self._socket.pcap_fd.setfilter(expression)
        except Scapy_Exception as error:
            raise CaptureError(f"{self._settings.interface}: the filter is not accepted: {error}") from None

    def watch(self, keys: Keys) -> bool:
        """Replace the filter of the open socket, where libpcap is used."""
        if self._changes:
            self._expression = filter_expression(keys)
        return self._changes

    def dropped(self) -> int:
        return 0

    def close(self) -> None:
        """End soon: the thread that reads closes the socket."""
        self._closed = True
