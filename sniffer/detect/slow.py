"""What leaves so slowly, or in such small pieces, that no run stands out: the sum over ten minutes."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from sniffer.detect.shape import BIN
from sniffer.model import Evidence, FlowKey, Service, Upload, UploadClass

_SECOND = 1_000_000_000
_MINUTE_NS = 60 * _SECOND
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
    minutes: OrderedDict[int, int] = field(default_factory=OrderedDict)
    flows: OrderedDict[FlowKey, int] = field(default_factory=OrderedDict)


class SlowUploads:
    """Adds up, for each device, what was not judged otherwise; any number of hosts may share in it."""

    def __init__(self) -> None:
        self._devices: dict[int, _Device] = {}

    def add(
        self, key: int, flow: FlowKey, service: Service, start_ns: int, bins: tuple[int, ...], final_ns: int
    ) -> Upload | None:
        """One upload that was not judged; returns another one when ten minutes together could be speech."""
        device = self._devices[key] = self._devices.pop(key, _Device())  # the latest stands last
        if len(self._devices) > _MAX_DEVICES:
            del self._devices[next(iter(self._devices))]
        for place, amount in enumerate(bins):
            if amount:
                minute = (start_ns + int(place * BIN * _SECOND)) // _MINUTE_NS
                device.minutes[minute] = device.minutes.get(minute, 0) + amount
        device.flows[flow] = device.flows.pop(flow, 0) + sum(bins)
        while len(device.flows) > _MAX_FLOWS:
            device.flows.popitem(last=False)
        latest = final_ns // _MINUTE_NS
        for minute in [m for m in device.minutes if m <= latest - MINUTES]:
            del device.minutes[minute]
        busy = sorted(m for m, amount in device.minutes.items() if amount >= _BUSY_BYTES)
        if len(busy) < _BUSY_MINUTES:
            return None
        upload = _upload(key, device, service, final_ns)
        device.minutes.clear()
        device.flows.clear()
        return upload


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
        flows=tuple(flows),
        service=service,
        start_ns=first * _MINUTE_NS,
        end_ns=min(final_ns, (last + 1) * _MINUTE_NS),
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
