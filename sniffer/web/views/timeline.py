"""A day (or less) as one lane a device: uploads, wake events, answers, gaps, quiet hours; and the same as a table."""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from sniffer.model import Record
from sniffer.model.clock import SECOND, parse_timestamp
from sniffer.model.summaries import UploadCount, UploadSummary
from sniffer.web.svg import COLUMNS, Mark, lane
from sniffer.web.views.common import (
    VERDICTS,
    Page,
    by_device,
    counts_by_device,
    day_of,
    device_link,
    newest_name,
    row,
    upload_link,
)
from sniffer.web.words import Words, plain

#: The lengths of time that can be shown: name and seconds; a day is as long as it is on the clock.
SPANS = {"day": 86_400, "6h": 6 * 3600, "1h": 3600, "10m": 600}
#: Lanes and table rows on one page; the rest is on the next ones.
LANES, ROWS = 25, 50
#: Other records that are drawn, at most.
MOST_MOMENTS = 2_000
FILTERS = (*VERDICTS, "none")
#: After every time that the store can hold.
EVER = (1 << 63) - 1


def context(page: Page) -> dict[str, Any]:
    """What `timeline.html` shows."""
    words, query = page.words, page.query
    now_ns = page.now_ns()
    span = query.get("span", "day") if query.get("span") in SPANS else "day"
    begin, end = window(words, span, at(words, query.get("at", ""), now_ns))
    wanted = [verdict for verdict in query.get("verdict", "").split(",") if verdict in FILTERS]
    device = query.get("device", "")[:80] or None
    counted = [
        one for one in page.backend.counts(begin, end, device) if not wanted or (one.verdict or "none") in wanted
    ]
    total = sum(one.uploads for one in counted)
    grouped = sorted(
        counts_by_device(counted).items(), key=lambda pair: (-_weight(pair[1]), newest_name(pair[1]).casefold())
    )
    number = _page_number(query, len(grouped), total)
    keys = [key for key, _ in grouped[number * LANES : (number + 1) * LANES]]
    drawn = by_device(page.backend.summaries(begin, end, device, keys=keys, verdicts=wanted))
    listed = page.backend.summaries(begin, end, device, verdicts=wanted, newest=ROWS, skip=number * ROWS)
    moments = page.backend.moments(("wake", "answer", "loss"), begin - 3600 * SECOND, end, MOST_MOMENTS)
    lines = list(grid(words, begin, end))
    shared = [*_shadows(page, begin, end), *_gaps(words, moments, begin, end)]
    events = list(_events(words, moments, begin, end))
    lanes = []
    for key in keys:
        page.backend.step_aside()
        some = drawn.get(key)
        if some:
            marks = [
                *shared,
                *_uploads(words, some, begin, end, query),
                *(mark for known, mark in events if not known or known & _names(some[-1])),
            ]
            lanes.append(
                {
                    "name": plain(some[-1].device),
                    "link": device_link(key),
                    "number": sum(upload.verdict in VERDICTS for upload in some),
                    "picture": lane(marks, [share for share, _, _ in lines]),
                }
            )
    keep = {name: value for name, value in query.items() if name in ("device", "verdict", "span")}
    return {
        "span": span,
        "spans": list(SPANS),
        "begin_ns": begin,
        "end_ns": end,
        "middle": _iso(words, (begin + end) // 2),
        "date": f"{words.local(begin):%Y-%m-%d}",
        "earlier": _link(keep, _iso(words, begin - 1)),
        # Where the clock was set back, there are uploads of a time that is still to come.
        "later": _link(keep, _iso(words, end)) if end <= now_ns or page.backend.summaries(end, EVER, newest=1) else "",
        "today": _link(keep, ""),
        "is_now": begin <= now_ns < end,
        "links": {name: _link({**keep, "span": name}, _iso(words, (begin + end) // 2)) for name in SPANS},
        "grid": lines,
        "shadows": bool(shared),
        "lanes": lanes,
        "empty_lane": lane(shared, [share for share, _, _ in lines]),
        "rows": [row(words, upload) for upload in listed],
        "total": total,
        "next": _link({**keep, "page": str(number + 1)}, _iso(words, (begin + end) // 2))
        if (number + 1) * LANES < len(grouped) or (number + 1) * ROWS < total
        else "",
        "previous": _link({**keep, "page": str(number - 1)}, _iso(words, (begin + end) // 2)) if number else "",
        "wanted": wanted,
        "filters": FILTERS,
        "device": device or "",
        "names": sorted({plain(one["device"]["name"]) for one in page.backend.devices() if one["microphone"]})[:300],
    }


def at(words: Words, text: str, now_ns: int) -> int:
    """The moment that a link names; now where it names none."""
    try:
        moment = datetime.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=words.zone)
        return parse_timestamp(moment.astimezone(datetime.UTC).isoformat())
    except (ValueError, OverflowError):
        return now_ns


def window(words: Words, span: str, middle_ns: int) -> tuple[int, int]:
    """Beginning and end of what is shown: the day around a moment, or a shorter time whose middle it is near."""
    if span == "day":
        return day_of(words, middle_ns)
    length = SPANS[span] * SECOND
    step = length // 4
    begin = (middle_ns - length // 2) // step * step
    return begin, begin + length


def _iso(words: Words, time_ns: int) -> str:
    return words.local(time_ns).replace(tzinfo=None, microsecond=0).isoformat(timespec="minutes")


def _link(keep: dict[str, str], moment: str) -> str:
    query = {name: value for name, value in {**keep, "at": moment}.items() if value}
    return f"/timeline?{urlencode(query)}" if query else "/timeline"


def _page_number(query: Any, lanes: int, rows: int) -> int:
    try:
        number = int(query.get("page", "0"))
    except ValueError:
        return 0
    most = max((lanes - 1) // LANES, (rows - 1) // ROWS, 0)
    return max(0, min(number, most))


def _weight(counts: Sequence[UploadCount]) -> float:
    """Which lanes come first: those with uploads that were not asked for, then the busiest."""
    unasked = sum(one.uploads for one in counts if one.verdict == "unexpected")
    return 1e6 * unasked + sum(one.speech_seconds for one in counts)


def grid(words: Words, begin: int, end: int) -> Iterator[tuple[float, str, str]]:
    """Lines at full hours or minutes: share of the width, time, and how important its label is."""
    hours = (end - begin) / (3600 * SECOND)
    step = next(minutes for minutes in (2, 10, 60, 180, 10_000) if minutes * 9 >= hours * 60) * 60 * SECOND
    time_ns = begin
    place = 0
    while time_ns < end:
        if time_ns > begin:
            yield (time_ns - begin) / (end - begin), words.local(time_ns).isoformat(), "minor" if place % 2 else "major"
        place += 1
        time_ns += step


def _uploads(words: Words, uploads: Sequence[UploadSummary], begin: int, end: int, query: Any) -> Iterator[Mark]:
    """Marks of uploads. Many of one verdict within one column are one mark, which zooms in."""
    length = end - begin
    columns: dict[str, dict[int, list[UploadSummary]]] = {"none": {}, **{verdict: {} for verdict in VERDICTS}}
    for upload in uploads:
        column = (upload.time_ns - begin) * COLUMNS // length
        columns[upload.verdict or "none"].setdefault(column, []).append(upload)
    for verdict, drawn in columns.items():  # those that matter most are drawn last, over the others
        called = words(f"verdict.{verdict}")
        for column, some in drawn.items():
            first = some[0]
            share, until = (first.time_ns - begin) / length, max(map(_end_ns, some)) - begin
            if len(some) == 1:
                what = words.amount(first.upload_class, first.speech_seconds, first.duration)
                title, link = f"{words.time(first.time_ns, 'second')} · {called} · {what}", upload_link(first.id)
            else:
                title = words("timeline.several", n=len(some), verdict=called)
                narrower = {"day": "1h", "6h": "1h"}.get(query.get("span", "day"), "10m")
                middle = begin + int((column + 0.5) * length / COLUMNS)
                link = _link({"span": narrower}, _iso(words, middle))
            yield Mark(share, min(1.0, until / length), verdict, title, link)


def _end_ns(upload: UploadSummary) -> float:
    return upload.time_ns + upload.duration * SECOND


def _names(upload: UploadSummary) -> set[str]:
    return {upload.device.casefold(), upload.mac.casefold()}


def _events(words: Words, moments: Sequence[Record], begin: int, end: int) -> Iterator[tuple[set[str], Mark]]:
    """Wake events and answers, with the names and addresses of the device that they are about; none: of every one."""
    for record in moments:
        kind = record["event_type"]
        if kind == "loss" or (kind == "wake" and record["kind"] != "wake"):
            continue
        device = record.get("device") or {}
        named = {device} if isinstance(device, str) else {device.get("name"), device.get("mac")}
        known = {str(name).casefold() for name in named if name}
        share = (parse_timestamp(str(record["timestamp"])) - begin) / (end - begin)
        if 0 <= share < 1:
            title = f"{words.time(record['timestamp'], 'second')} · {words(f'timeline.{kind}')}"
            yield known, Mark(share, share, str(kind), title)


def _gaps(words: Words, moments: Sequence[Record], begin: int, end: int) -> Iterator[Mark]:
    """When packets were lost, or nothing was seen at all."""
    for record in moments:
        if record["event_type"] == "loss":
            first, last = (
                (parse_timestamp(str(record[name])) - begin) / (end - begin) for name in ("timestamp", "end")
            )
            if first < 1 and last > 0:
                yield Mark(max(0.0, first), min(1.0, last), "hidden", words("timeline.gap"))


def _shadows(page: Page, begin: int, end: int) -> Iterator[Mark]:
    """Quiet hours, as the judge reads them."""
    words = page.words
    zone = zoneinfo.ZoneInfo(str(page.backend.settings()["time_zone"] or "UTC"))
    first = datetime.datetime.fromtimestamp(begin // SECOND, zone).date() - datetime.timedelta(days=1)
    for hours in page.backend.rules()["quiet_hours"]:
        start, stop = (datetime.time.fromisoformat(str(hours[name])) for name in ("start", "end"))
        for number in range(3):
            day = first + datetime.timedelta(days=number)
            if ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[day.weekday()] not in hours["days"]:
                continue
            later = day + datetime.timedelta(days=1) if stop <= start else day
            low, high = (
                (int(datetime.datetime.combine(date, time, zone).timestamp()) * SECOND - begin) / (end - begin)
                for date, time in ((day, start), (later, stop))
            )
            if low < 1 and high > 0:
                yield Mark(max(0.0, low), min(1.0, high), "quiet", words("timeline.quiet_hours"))
