"""What leaves so slowly, or in such small pieces, that no run stands out: the sum over ten minutes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sniffer.detect.flows.flow import Flow
from sniffer.model import Evidence, Service, Upload, UploadClass
from sniffer.model.clock import SECOND

MINUTE_NS = 60 * SECOND
MINUTES = 10
#: Minutes of the ten that must carry something like speech, and what that is: 1.5 kB/s.
_BUSY_MINUTES, _BUSY_BYTES = 8, 90_000
#: Bytes a second of compressed speech.
_SPEECH_RATE = 4_000
_MAX_FLOWS = 16
#: More than a house has; invented devices push out each other.
_MAX_DEVICES = 1024


@dataclass(slots=True)
class _Device:
    minutes: dict[int, int] = field(default_factory=dict)
    flows: dict[Flow, int] = field(default_factory=dict)


class SlowUploads:
    """Adds up, for each device, what was not judged otherwise; any number of hosts may share in it."""

    def __init__(self) -> None:
        self._devices: dict[int, _Device] = {}

    def add(self, flow: Flow, parts: Iterable[tuple[int, int]], final_ns: int) -> bool:
        """One upload that was not judged: in which minute each part of it left, and its bytes. Returns whether ten
        minutes together could be speech now."""
        device = self._devices.pop(flow.key, None) or _Device()
        self._devices[flow.key] = device  # the latest stands last
        if len(self._devices) > _MAX_DEVICES:
            del self._devices[next(iter(self._devices))]
        minutes, total, crossed = device.minutes, 0, False
        for minute, amount in parts:
            before = minutes.get(minute, 0)
            minutes[minute] = before + amount
            crossed |= before < _BUSY_BYTES <= before + amount
            total += amount
        device.flows[flow] = device.flows.pop(flow, 0) + total
        if len(device.flows) > _MAX_FLOWS:
            del device.flows[next(iter(device.flows))]
        if not crossed and len(minutes) <= 2 * MINUTES:
            return False
        latest = final_ns // MINUTE_NS
        for minute in [m for m in minutes if m <= latest - MINUTES]:
            del minutes[minute]
        return sum(amount >= _BUSY_BYTES for amount in minutes.values()) >= _BUSY_MINUTES

    def upload(self, key: int, service: Service, final_ns: int) -> Upload:
        """What it was; it is counted from nothing again."""
        return _upload(key, self._devices.pop(key), service, final_ns)


def _upload(key: int, device: _Device, service: Service, final_ns: int) -> Upload:
    amount = sum(device.minutes.values())
    first, last = min(device.minutes), max(device.minutes)
    flows = sorted(device.flows, key=lambda flow: -device.flows[flow])
    seconds = (last + 1 - first) * 60
    text = (
        f"For {seconds // 60} minutes an average of {amount / seconds / 1000:.1f} kB a second left, in pieces that say "
        "nothing by themselves"
    )
    return Upload(
        key=key,
        flows=tuple(dict.fromkeys(flow.flow for flow in flows)),
        service=service,
        start_ns=first * MINUTE_NS,
        end_ns=min(final_ns, (last + 1) * MINUTE_NS),
        final_ns=final_ns,
        upload_class=UploadClass.BULK,
        score=0.0,
        probability=0.5,
        bytes=amount,
        bytes_toclient=0,
        packets=0,
        chunk_bytes=None,
        chunks_per_second=None,
        speech_seconds=amount / _SPEECH_RATE,
        evidence=(Evidence("slow_upload", amount / seconds, 0.0, text),),
        bins=tuple(device.minutes.get(m, 0) for m in range(first, last + 1)),
    )
