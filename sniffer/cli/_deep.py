"""tshark's view of one upload, through pyshark: an optional extra, asked for by `sniffer explain --deep`."""

from __future__ import annotations

import asyncio
import collections
import ipaddress
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sniffer import extras
from sniffer.cli._show import plain
from sniffer.errors import CaptureError, UsageError
from sniffer.model import Record

_MAX_PACKETS = 5_000


def deep_look(record: Record, capture: Path) -> Iterator[str]:
    """What tshark sees of the first flow, in the time of the upload. Raises UsageError, CaptureError."""
    packets = _packets(capture, _filter(record), record["src_ip"])
    sent = [packet for packet in packets if packet["from"] == record["src_ip"] and packet["payload"]]
    yield f"tshark sees {len(packets)} packets of the first flow, {len(sent)} with payload from the device"
    if not packets:
        return
    again = sum(packet["again"] for packet in packets)
    if again:
        yield f"  {again} of them sent again (retransmissions)"
    names = sorted({packet["name"] for packet in packets if packet["name"]})
    if names:
        yield f"  name asked for: {', '.join(plain(name, 80) for name in names[:3])}"
    protocols = collections.Counter(packet["protocol"] for packet in packets)
    yield "  protocols: " + ", ".join(f"{plain(name, 20)} {count}" for name, count in protocols.most_common(4))
    for title, key in (("TLS records", "records"), ("payloads", "payload")):
        sizes: collections.Counter[int] = collections.Counter()
        for packet in sent:
            sizes.update(packet[key] if key == "records" else [packet[key]])
        if sizes:
            common = ", ".join(f"{size} B x {count}" for size, count in sizes.most_common(5))
            yield f"  commonest {title} sent: {common}"
    waits = sorted(packet["wait"] for packet in sent if packet["wait"] is not None)
    if waits:
        yield f"  between two packets sent: median {1000 * waits[len(waits) // 2]:.0f} ms"


def _filter(record: Record) -> str:
    start = datetime.fromisoformat(record["timestamp"]).timestamp()
    end = datetime.fromisoformat(record["end"]).timestamp()
    version = "ipv6" if ipaddress.ip_address(record["dest_ip"]).version == 6 else "ip"
    proto = "udp" if record["proto"] == "UDP" else "tcp"
    return (
        f"{version}.addr == {record['src_ip']} && {version}.addr == {record['dest_ip']} && "
        f"{proto}.port == {int(record['src_port'])} && {proto}.port == {int(record['dest_port'])} && "
        f"frame.time_epoch >= {start - 0.001:.6f} && frame.time_epoch <= {end + 1:.6f}"
    )


def _packets(capture: Path, display_filter: str, sender: str) -> list[dict[str, Any]]:
    try:
        import pyshark
    except ImportError:
        raise UsageError(extras.missing("pyshark", "--deep (besides tshark)")) from None
    packets: list[dict[str, Any]] = []
    last = None
    try:
        with _event_loop():
            source = pyshark.FileCapture(str(capture), display_filter=display_filter, keep_packets=False)
            try:
                for packet in source:
                    found = _read(packet)
                    if found["payload"] and found["from"] == sender:
                        found["wait"] = found["time"] - last if last is not None else None
                        last = found["time"]
                    packets.append(found)
                    if len(packets) >= _MAX_PACKETS:
                        break
            finally:
                source.close()
    except Exception as error:  # pyshark raises what its event loop, tshark and XML give
        raise CaptureError(f"{capture}: tshark could not read it: {' '.join(str(error).split())[:200]}") from None
    return packets


@contextmanager
def _event_loop() -> Iterator[None]:
    """Give pyshark an event loop, and take back what it sets for the whole process.

    Its watcher of child processes would get every SIGCHLD from then on, in a loop that nothing runs any more.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        if sys.version_info < (3, 14):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                asyncio.get_child_watcher().close()
                asyncio.set_child_watcher(asyncio.ThreadedChildWatcher())
        asyncio.set_event_loop(None)
        loop.close()


def _read(packet: Any) -> dict[str, Any]:
    network = packet.ipv6 if hasattr(packet, "ipv6") else packet.ip
    transport = packet.tcp if hasattr(packet, "tcp") else packet.udp
    tls = getattr(packet, "tls", None)
    length = getattr(transport, "len", None)
    return {
        "time": float(packet.sniff_timestamp),
        "from": str(network.src),
        "payload": int(length) if length is not None else max(0, int(transport.length) - 8),
        "protocol": str(packet.highest_layer),
        "again": hasattr(transport, "analysis_retransmission"),
        "name": str(getattr(tls, "handshake_extensions_server_name", "") or ""),
        "records": [int(f.get_default_value()) for f in getattr(getattr(tls, "record_length", None), "all_fields", [])],
        "wait": None,
    }
