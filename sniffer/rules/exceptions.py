"""Exceptions: rules that the configuration silences, for one device, until a day, for a reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import Any

from sniffer.judge.settings import ExceptionSettings
from sniffer.model import mac_key, mac_text


def applies(exception: ExceptionSettings, rule: str, record: Mapping[str, Any], now_ns: int) -> bool:
    """Return whether an exception silences `rule` for the device of this record now."""
    return exception.rule == rule and not expired(exception, now_ns) and _names(exception, record)


def expired(exception: ExceptionSettings, now_ns: int) -> bool:
    """Return whether an exception has ended."""
    end_ns = ends_ns(exception)
    return end_ns is not None and now_ns > end_ns


def ends_ns(exception: ExceptionSettings) -> int | None:
    """Return when an exception ends, in nanoseconds; None where it never does. A date lasts to its end, in UTC."""
    if exception.expires == "never":
        return None
    end = exception.expires
    if not isinstance(end, datetime):
        end = datetime.combine(end, time.max)
    if end.tzinfo is None:
        end = end.replace(tzinfo=UTC)
    return round(end.timestamp() * 1e9)


def _names(exception: ExceptionSettings, record: Mapping[str, Any]) -> bool:
    if exception.device is None:
        return True
    device = record.get("device") or {}
    try:
        wanted = mac_text(mac_key(exception.device))
    except ValueError:
        return str(device.get("name")).casefold() == exception.device.casefold()
    return bool(device.get("mac") == wanted)
