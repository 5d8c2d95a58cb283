"""Rows of the record as wake events: the vendor's own word, which never outranks a listener of one's own."""

from __future__ import annotations

from collections.abc import Iterator

from sniffer.model import Trust, WakeEvent, WakeKind
from sniffer.vendor.comparison import Comparison
from sniffer.vendor.rows import ASKED, Meaning, VendorRow

#: The source of these events.
SOURCE = "vendor-record"
#: Rows that say that a person asked. A false activation, silence or a routine says no such thing.
_CLAIMS = ASKED | {Meaning.UNKNOWN}


def wake_events(found: Comparison) -> Iterator[WakeEvent]:
    """Yield, in order, an event for each row of a watched device by which the vendor says that it was asked."""
    pairs = [row for pair in (*found.both, *found.apart, *found.unrecognised) for row in pair.rows]
    rows: list[VendorRow] = [*pairs, *found.only_recorded, *found.not_watched]
    for time_ns, device in sorted({(found.ours(row), _device(found, row)) for row in rows if row.meaning in _CLAIMS}):
        if device:
            yield WakeEvent(time_ns, SOURCE, WakeKind.WAKE, device, Trust.SELF_REPORT, time_ns)


def _device(found: Comparison, row: VendorRow) -> str:
    return found.device_of.get((row.serial, row.device), "")
