"""The result of a comparison as JSON values: categories with counts, seconds and shares, and what they rest on.

The texts that people read are in `sniffer/web/locale`, by the names that are used here.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sniffer.model.clock import SECOND, timestamp
from sniffer.model.intervals import wilson
from sniffer.vendor.comparison import Comparison, Pair, Seen
from sniffer.vendor.exports import Exports
from sniffer.vendor.measures import measure
from sniffer.vendor.rows import ASKED, UNASKED, Meaning, VendorRow

Item = Pair | Seen | VendorRow


@dataclass(frozen=True, slots=True)
class Category:
    """One kind of result: its items in order of time; and of how many they are a share, where a share is sensible."""

    name: str
    items: Sequence[Item]
    of: int | None = None
    of_what: str | None = None


def categories(found: Comparison) -> list[Category]:
    """Return all categories. The first six answer a question each; the others say what was left out and why."""
    missing = [upload for upload in found.only_seen if upload.upload_class == "speech"]
    sent = len(found.both) + len(found.apart) + len(found.continued) + len(missing)
    listed = len(found.both) + len(found.apart) + len(found.unrecognised) + len(found.only_recorded)
    said_false = [pair for pair in (*found.both, *found.apart, *found.unrecognised) if _unasked(pair.rows)]
    false_rows = [row for row in found.only_recorded if row.meaning in UNASKED]
    unexpected = [pair for pair in found.both if pair.upload.verdict == "unexpected"]
    asked = [pair for pair in found.both if pair.upload.verdict == "expected" and pair.upload.asked_by]
    return [
        Category("both", found.both, sent, "uploads"),
        Category("not_in_record", missing, sent, "uploads"),
        Category("not_seen", found.only_recorded, listed, "rows"),
        Category("false_activation", [*said_false, *false_rows], listed, "rows"),
        Category("not_asked", unexpected, len(found.both), "both"),
        Category("contradicted", [pair for pair in asked if _something_else(pair.rows)], len(asked), "asked"),
        Category("apart", found.apart),
        Category("continued", found.continued),
        Category("unrecognised", found.unrecognised),
        Category("not_speech", [upload for upload in found.only_seen if upload.upload_class != "speech"]),
        Category("beyond", [upload for upload in found.beyond if upload.upload_class == "speech"]),
        Category("not_watched", found.not_watched),
        Category("routines", found.without_sound),
        Category("other_devices", found.unlinked),
    ]


def _unasked(rows: Sequence[VendorRow]) -> bool:
    return any(row.meaning in UNASKED for row in rows)


def _something_else(rows: Sequence[VendorRow]) -> bool:
    return all(row.meaning not in ASKED and row.meaning is not Meaning.UNKNOWN for row in rows)


def summary(
    found: Comparison, exports: Exports, watched: Sequence[tuple[int, int]], reach: Mapping[str, tuple[int, int]],
) -> dict[str, Any]:  # fmt: skip
    """Return the result as JSON values, without its items. Times are ISO-8601 in UTC, as our clock has them."""
    span = exports.span
    measures = measure(found)
    return {
        "watched": {"from": timestamp(watched[0][0]), "to": timestamp(watched[-1][1]), "spans": len(watched)},
        "record": {
            "rows": exports.count,
            "from": timestamp(span.first_ns) if span.first_ns is not None else None,
            "to": timestamp(span.last_ns) if span.last_ns is not None else None,
            "reach": [timestamp(min(first for first, _ in reach.values())),
                      timestamp(max(last for _, last in reach.values()))] if reach else None,
            "accounts": len(exports.accounts),
        },
        "categories": [category_fields(category) for category in categories(found)],
        "links": [asdict(link) for link in found.links],
        "not_compared": dict(sorted(found.not_compared.items())),
        "misfits": list(found.misfits),
        "by_chance": round(found.by_chance, 1),
        "clocks": [
            {"name": clock.name, "known": clock.known, "offset_seconds": round(clock.offset_ns / SECOND, 1),
             "spread_seconds": round(clock.spread_ns / SECOND, 1), "agreeing": clock.agreeing,
             "changes": timestamp(clock.changes_ns) if clock.changes_ns is not None else None,
             "later_offset_seconds": round(clock.later_ns / SECOND, 1) if clock.changes_ns is not None else None}
            for clock in found.clocks.values()
        ],
        "measures": {
            "delay_seconds": _rounded(measures.delay_seconds),
            "delay_spread_seconds": _rounded(measures.delay_spread_seconds),
            "heard": measures.heard,
            "heard_missing": measures.heard_missing,
            "gaps": [
                {"device": gap.device, "from": timestamp(gap.start_ns), "to": timestamp(gap.end_ns),
                 "uploads": gap.uploads}
                for gap in measures.gaps
            ],
        },
    }  # fmt: skip


def category_fields(category: Category) -> dict[str, Any]:
    """Return the counts of one category as JSON values."""
    count = len(category.items)
    interval = wilson(count, category.of) if category.of else None
    uploads = [upload.speech_seconds for item in category.items if (upload := _upload(item)) is not None]
    lengths = [row.seconds for item in category.items for row in _rows(item) if row.seconds is not None]
    return {
        "name": category.name,
        "count": count,
        "of": category.of,
        "of_what": category.of_what,
        "share": count / category.of if category.of else None,
        "low": interval[0] if interval else None,
        "high": interval[1] if interval else None,
        "speech_seconds": round(sum(uploads), 1),
        "row_seconds": round(sum(lengths), 1) if lengths else None,
    }


def items(
    category: Category, found: Comparison, most: int | None = None, *, transcripts: bool
) -> Iterator[dict[str, Any]]:
    """Yield the items of a category as JSON values in order of time, at most `most`."""

    def time_ns(item: Item) -> int:
        upload = _upload(item)
        return upload.start_ns if upload is not None else found.ours(_rows(item)[0])

    chosen = sorted(category.items, key=time_ns) if most is None else heapq.nsmallest(most, category.items, key=time_ns)
    for item in chosen:
        yield item_fields(item, found.ours, transcripts=transcripts)


def _upload(item: Item) -> Seen | None:
    return item.upload if isinstance(item, Pair) else item if isinstance(item, Seen) else None


def _rows(item: Item) -> Sequence[VendorRow]:
    return item.rows if isinstance(item, Pair) else (item,) if isinstance(item, VendorRow) else ()


def item_fields(item: Item, ours: Callable[[VendorRow], int], *, transcripts: bool) -> dict[str, Any]:
    """Return one item: its upload (or null) and its rows (or none)."""
    upload, rows = _upload(item), _rows(item)
    return {
        "timestamp": timestamp(upload.start_ns if upload else ours(rows[0])),
        "device": upload.device if upload else rows[0].device or rows[0].serial,
        "upload": None if upload is None else {
            "id": upload.id, "end": timestamp(upload.end_ns), "class": upload.upload_class,
            "speech_seconds": upload.speech_seconds, "verdict": upload.verdict, "asked_by": upload.asked_by,
        },
        "rows": [
            {
                "timestamp": timestamp(ours(row)), "stated": timestamp(row.time_ns), "meaning": str(row.meaning),
                "said": row.said, "device": row.device, "serial": row.serial, "seconds": _rounded(row.seconds),
                **({"transcript": row.transcript} if transcripts else {}),
            }
            for row in rows
        ],
        "gap_seconds": round(item.gap_seconds, 1) if isinstance(item, Pair) else None,
    }  # fmt: skip


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
