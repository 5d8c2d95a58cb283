"""Times and amounts as people read them: always with the date and the zone."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, tzinfo

from sniffer.model.clock import SECOND, parse_timestamp


def zone_named(name: str | None) -> tzinfo | None:
    """Return the time zone of a name such as `Europe/Berlin`; None, the machine's own zone, where there is no name."""
    return zoneinfo.ZoneInfo(name) if name else None


def local_time(text: str, zone: tzinfo | None) -> datetime:
    """Return an ISO-8601 time as the reader's local time. `zone` None is the machine's own. Raises ValueError."""
    return datetime.fromtimestamp(parse_timestamp(text) // SECOND, UTC).astimezone(zone)


def shown(moment: datetime, *, seconds: bool = False) -> str:
    """Return `2026-11-22 18:04 CET`, or with seconds."""
    clock = f"{moment:%H:%M:%S}" if seconds else f"{moment:%H:%M}"
    return f"{moment:%Y-%m-%d} {clock} {zone_name(moment)}"


def zone_name(moment: datetime) -> str:
    """Return the name of the zone at that moment; zones that have only a number are `UTC+03`."""
    name = moment.tzname() or "UTC"
    return f"UTC{name}" if name[:1] in "+-" else name


def shown_span(first: datetime, last: datetime) -> str:
    """Return `2026-11-22 18:04 to 18:20 CET`; the second date is given where it differs."""
    if (first.date(), first.tzname()) == (last.date(), last.tzname()):
        return f"{first:%Y-%m-%d %H:%M} to {last:%H:%M} {zone_name(last)}"
    return f"{shown(first)} to {shown(last)}"


def shown_duration(seconds: float) -> str:
    """Return `3.4 s`, or minutes from 90 s on."""
    if 0 < seconds < 0.05:
        return "under 0.1 s"
    return f"{seconds:.1f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def shown_size(amount: float) -> str:
    """Return bytes as `46 kB` or `1.2 MB`."""
    if amount < 1_000:
        return f"{amount:.0f} bytes"
    return f"{amount / 1_000:.0f} kB" if amount < 1_000_000 else f"{amount / 1_000_000:.1f} MB"


def shown_share(share: float) -> str:
    """Return a probability as `97 %`; never as 100 %."""
    return "over 99 %" if share > 0.99 else f"{100 * share:.0f} %"
