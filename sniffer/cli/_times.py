"""Times as people write them: `2h`, `1h30m`, `yesterday`, `2026-11-22`, `2026-11-22T18:00`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import click

_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def parse_duration(text: str) -> float:
    """Seconds of `90s`, `30m`, `1h30m`, `2d`. Raises ValueError."""
    compact = text.strip().lower().replace(" ", "")
    parts = _PART.findall(compact)
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        raise ValueError(f"not a length of time: {text!r} (such as 30m, 2h, 1h30m, 3d)")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if not 0 < seconds <= 3650 * 86_400:
        raise ValueError(f"not a sensible length of time: {text!r}")
    return seconds


def parse_moment(text: str, now: datetime) -> datetime:
    """A moment: ISO-8601 (local time where it has no offset), `today`, `yesterday`, or a length of time ago."""
    word = text.strip().lower()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if word in ("now", "today", "yesterday"):
        return {"now": now, "today": midnight, "yesterday": midnight - timedelta(days=1)}[word]
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment if moment.tzinfo else moment.astimezone()
    except (ValueError, OverflowError):
        pass
    try:
        return now - timedelta(seconds=parse_duration(text))
    except (ValueError, OverflowError):
        raise ValueError(f"not a time: {text!r} (such as 2h, 3d, yesterday, 2026-11-22, 2026-11-22T18:00)") from None


class Moment(click.ParamType):  # type: ignore[type-arg] # click 8.1 cannot be subscripted
    """An option whose value is a moment, in nanoseconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return round(parse_moment(value, datetime.now().astimezone()).timestamp() * 1_000_000) * 1000
        except (ValueError, OverflowError) as error:
            self.fail(str(error), param, ctx)


class Duration(click.ParamType):  # type: ignore[type-arg] # click 8.1 cannot be subscripted
    """An option whose value is a length of time, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
