"""Times in exports: epoch numbers, ISO-8601, times without a zone, and dates in words of many languages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from sniffer.model.clock import SECOND

#: 2010 to 2100, in seconds: what lies outside is no time of a recording.
_FIRST_S, _LAST_S = 1_262_304_000, 4_102_444_800

_AUDIO_NAME = re.compile(r"(\d{4})-(\d\d)-(\d\d)_(\d\d)_(\d\d)_(\d\d)_(\d{3})_UTC")
_PARTS_IN_NAME = re.compile(
    r"(?<!\d)(20\d\d)[-_.]?(\d\d)[-_.]?(\d\d)[T _-]+(\d\d)[-_.:h]?(\d\d)[-_.:m]?(\d\d)(?:[.,]\d+)?(Z|_?UTC)?(?!\d)"
)
_EPOCH_MS_IN_NAME = re.compile(r"(?<!\d)([1-4]\d{12})(?!\d)")
_CLOCK = re.compile(r"(?<!\d)(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,6}))?)?(?!\d)")
_DOTTED_CLOCK = re.compile(r"(?<![\d.])(\d{1,2})\.(\d\d)\.(\d\d)()(?![\d.])")
_YEAR_FIRST = re.compile(r"(?<!\d)(20\d\d)\s*[-/.年년]\s*(\d{1,2})\s*[-/.月월]\s*(\d{1,2})(?!\d)")
_YEAR_LAST = re.compile(r"(?<!\d)(\d{1,2})\s*([-/.])\s*(\d{1,2})\s*[-/.]\s*(20\d\d)(?!\d)")
_WORDED = re.compile(r"(?<!\d)(20\d\d)(?!\d)")
_DAY = re.compile(r"(?<!\d)(\d{1,2})(?!\d)")
_GMT_OFFSET = re.compile(r"(?:GMT|UTC)\s*([+-\N{MINUS SIGN}])\s*(\d{1,2}):?(\d\d)?$|([+-])(\d\d):?(\d\d)$")
_WORD = re.compile(r"[^\W\d_]+")
_AFTERNOON = re.compile(r"(?<![^\W\d_])p\.?\s?m\.?(?![^\W\d_])|下午|오후|午後")
_MORNING = re.compile(r"(?<![^\W\d_])a\.?\s?m\.?(?![^\W\d_])|上午|오전|午前")
#: Days of the week that begin like a month.
_WEEKDAYS = ("mard", "marte", "maand")
#: How the months of a year begin, in the languages of the exports (English, German, French, Spanish, Italian,
#: Portuguese, Dutch, Swedish, Danish, Norwegian, Finnish, Polish, Czech, Turkish, Russian, Ukrainian). Longer
#: beginnings count first.
_MONTHS = {
    beginning: number
    for number, words in enumerate(
        (
            "jan ene gen led sty oca tammi янв січ", "feb fév fev lut únor úno şub sub helmi фев лют",
            "mar mär mrz maalis bře mrt март мар бер", "apr avr abr kwi dub nis huhti апр кві",
            "may mai mei maj mag květ kvě touko мая май трав", "jun juin giu cze červen čer haz kesä июн черв",
            "jul juil lug lip červenec čvc tem heinä июл лип", "aug aoû ago sie srp ağu elo авг серп",
            "sep set wrz zář eyl syys сен вер", "oct okt ott out paź říj eki loka окт жовт",
            "nov lis listop kas marras ноя лист", "dec dez déc dic gru pros aral joulu дек груд",
        ),
        start=1,
    )
    for beginning in words.split()
}  # fmt: skip
_BY_LENGTH = sorted(_MONTHS, key=len, reverse=True)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time in ns since 1970 UTC, and whether the text named its zone. `also_ns`: the second time that a local time
    may mean in the hour that the end of summer time repeats."""

    time_ns: int
    zoned: bool
    also_ns: int | None = None


def from_number(value: object) -> int | None:
    """Return ns for a number of seconds, milliseconds or microseconds since 1970, or None where it is none of these."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 16:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    for unit in (1, 1000, 1_000_000):
        if _FIRST_S <= value / unit < _LAST_S:
            return round(value * (SECOND // unit)) if isinstance(value, int) else round(value / unit * 1e6) * 1000
    return None


def from_text(text: str, zone: tzinfo) -> Moment | None:
    """Return the time of a text, or None: ISO-8601, epoch digits, `22.11.2026 18:04:05`, `11/22/2026 6:04:05 PM`,
    `Nov 22, 2026, 6:04:05 PM CET`, `22. November 2026`, `2026年11月22日 18:04:05`.

    A time without a zone is read in `zone`. Where both are possible, dots and dashes mean that the day comes first, and
    slashes that the month does.
    """
    text = text.strip()
    if not 8 <= len(text) <= 120:
        return None
    if text.isascii() and text.isdigit():
        ns = from_number(text)
        return Moment(ns, True) if ns is not None else None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _from_words(text.replace("\N{NARROW NO-BREAK SPACE}", " ").replace("\N{NO-BREAK SPACE}", " "), zone)
    return _moment(moment, zone) if len(text) > 10 else None


def _from_words(text: str, zone: tzinfo) -> Moment | None:
    clock = _CLOCK.search(text) or _DOTTED_CLOCK.search(text)
    if clock is None:
        return None
    rest, tail = text[: clock.start()], text[clock.end() :].strip()
    date = _date(rest) or _date(tail)
    if date is None:
        return None
    hour, minute, second = int(clock[1]), int(clock[2]), int(clock[3] or 0)
    words = f"{rest} {tail}".casefold()
    if _AFTERNOON.search(words) and hour < 12:
        hour += 12
    elif _MORNING.search(words) and hour == 12:
        hour = 0
    try:
        moment = datetime(*date, hour, minute, second, int((clock[4] or "0").ljust(6, "0")))  # noqa: DTZ001
    except ValueError:
        return None
    return _moment(moment.replace(tzinfo=_zone_of(tail)), zone)


def _date(text: str) -> tuple[int, int, int] | None:
    if found := _YEAR_FIRST.search(text):
        return int(found[1]), int(found[2]), int(found[3])
    if found := _YEAR_LAST.search(text):
        first, second, year = int(found[1]), int(found[3]), int(found[4])
        month_first = found[2] == "/" if first <= 12 and second <= 12 else second > 12
        return (year, first, second) if month_first else (year, second, first)
    year_word = _WORDED.search(text)
    month = next((number for word in _WORD.findall(text) if (number := _month(word)) is not None), None)
    if year_word is None or month is None:
        return None
    day = _DAY.search(text.replace(year_word[0], " "))
    return (int(year_word[1]), month, int(day[1])) if day else None


def _month(word: str) -> int | None:
    folded = word.casefold()
    if folded.startswith(_WEEKDAYS):
        return None
    return next((_MONTHS[beginning] for beginning in _BY_LENGTH if folded.startswith(beginning)), None)


def _zone_of(tail: str) -> tzinfo | None:
    """Return the zone that ends a text, where it is a number or UTC; letters such as `CET` mean the account's zone."""
    if tail.endswith(("UTC", "GMT", " Z")) or tail == "Z":
        return UTC
    found = _GMT_OFFSET.search(tail)
    if found is None:
        return None
    sign, hours, minutes = found[1] or found[4], int(found[2] or found[5]), int(found[3] or found[6] or 0)
    try:
        return timezone((1 if sign == "+" else -1) * timedelta(hours=hours, minutes=minutes))
    except ValueError:
        return None


def from_audio_name(file_name: str) -> int | None:
    """Return the time in the name of a Google recording: `2026-11-22_18_04_05_123_UTC.mp3`."""
    found = _AUDIO_NAME.search(file_name)
    if found is None:
        return None
    year, month, day, hour, minute, second, thousandths = (int(part) for part in found.groups())
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return round(moment.timestamp()) * SECOND + thousandths * (SECOND // 1000)


def from_file_name(file_name: str, zone: tzinfo) -> Moment | None:
    """Return a time that stands in the name of a recording, or None."""
    if (ns := from_audio_name(file_name)) is not None:
        return Moment(ns, True)
    if (found := _EPOCH_MS_IN_NAME.search(file_name)) and (ns := from_number(int(found[1]))) is not None:
        return Moment(ns, True)
    if found := _PARTS_IN_NAME.search(file_name):
        year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
        try:
            moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC if found[7] else None)
        except ValueError:
            return None
        return _moment(moment, zone)
    return None


def _moment(moment: datetime, zone: tzinfo) -> Moment | None:
    zoned = moment.tzinfo is not None
    local = moment if zoned else moment.replace(tzinfo=zone)
    try:
        seconds = round(local.replace(microsecond=0).timestamp())
        again = round(local.replace(microsecond=0, fold=1).timestamp())
    except (OverflowError, ValueError):
        return None
    if not _FIRST_S <= seconds < _LAST_S:
        return None
    ns = seconds * SECOND + moment.microsecond * 1000
    # In the hour that summer time skips, the second reading is the earlier one: only a repeated hour has two times.
    return Moment(ns, zoned, ns + (again - seconds) * SECOND if not zoned and again > seconds else None)
