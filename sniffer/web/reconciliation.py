"""The vendor's record beside what left, in words: for the terminal, the report and the page.

`result` is what `sniffer.vendor.summary` gives: JSON values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from sniffer.model.intervals import wilson
from sniffer.web.assets import STATIC, Assets
from sniffer.web.render import Renderer
from sniffer.web.views.common import upload_link
from sniffer.web.words import LOCALE, NARROW, Words, plain

Result = Mapping[str, Any]

#: Results that the first screen counts, whether there are any or not; the others appear where there are any.
FIRST = ("both", "not_in_record", "not_seen", "false_activation", "not_asked", "contradicted")
#: Offsets in seconds beyond which the times are in another zone.
_ZONE_S = 90
#: Items of one result that the report lists.
MOST_ITEMS = 2_000


@dataclass(frozen=True, slots=True)
class Section:
    """One result in words. `share`, `speech` and `recorded` are empty where there is nothing to say."""

    name: str
    title: str
    meaning: str
    count: int
    share: str
    speech: str
    recorded: str
    items: Sequence[Mapping[str, str]]


def sections(words: Words, result: Result, *, links: bool = False) -> list[Section]:
    """Return the results in order: those of the first screen, then the others that are not empty."""
    found = [_section(words, category, links=links) for category in result["categories"]]
    return [section for section in found if section.name in FIRST or section.count]


def details(found: Sequence[Section]) -> list[Section]:
    """Return the results that have items, those that raise a question first: what is in both raises none."""
    return sorted((section for section in found if section.count), key=lambda section: section.name == "both")


def headline(words: Words, result: Result) -> str:
    """Return the first sentence."""
    by_name = {category["name"]: category for category in result["categories"]}
    uploads, rows = by_name["both"]["of"], by_name["not_seen"]["of"]
    if not uploads and not rows:
        return words("reconcile.none_compared")
    missing = words.number(by_name["not_in_record"]["count"])
    return words("reconcile.headline", uploads=words.number(uploads), missing=missing, rows=words.number(rows))


def basis(words: Words, result: Result) -> Iterator[str]:
    """Yield what the result rests on, what was not compared, and why."""
    watched, record = result["watched"], result["record"]
    for device in result["misfits"]:
        yield words("reconcile.basis.misfit", device=plain(device))
    for device, count in result["not_compared"].items():
        if device not in result["misfits"]:
            yield words("reconcile.basis.not_compared", device=plain(device), n=count, number=words.number(count))
    yield words("reconcile.basis.watched", first=words.time(watched["from"]), last=words.time(watched["to"]))
    if watched["spans"] > 1:
        yield words("reconcile.basis.spans", n=words.number(watched["spans"]))
    if record["from"] is not None:
        first, last = words.time(record["from"]), words.time(record["to"])
        yield words("reconcile.basis.record", rows=words.number(record["rows"]), first=first, last=last)
    if record["accounts"] > 1:
        yield words("reconcile.basis.accounts", n=words.number(record["accounts"]))
    for link in result["links"]:
        key, number = f"reconcile.basis.{link['why']}", words.number(link["agreeing"])
        yield words(key, vendor=plain(link["vendor"]), device=plain(link["device"]), n=number)
    for clock in result["clocks"]:
        yield from _clock(words, clock)


def _clock(words: Words, clock: Mapping[str, Any]) -> Iterator[str]:
    name = words.either(f"reconcile.clock.{clock['name']}", clock["name"])
    if not clock["known"]:
        yield words("reconcile.basis.clock_unknown", name=name)
        return
    key = "zone" if abs(clock["offset_seconds"]) > _ZONE_S else "clock"
    seconds, number = _signed(words, clock["offset_seconds"]), words.number(clock["agreeing"])
    yield words(f"reconcile.basis.{key}", seconds=seconds, n=number, name=name)
    if clock["changes"] is not None:
        later = _signed(words, clock["later_offset_seconds"])
        yield words("reconcile.basis.change", time=words.time(clock["changes"]), seconds=later)


def measures(words: Words, result: Result) -> Iterator[str]:
    """Yield how good the record itself is, as far as that is known."""
    found = result["measures"]
    if found["delay_seconds"] is not None:
        key = "delay" if found["delay_seconds"] >= 0 else "delay_before"
        delay, spread = words.number(abs(found["delay_seconds"]), 1), words.number(found["delay_spread_seconds"], 1)
        yield words(f"reconcile.measures.{key}", seconds=delay, spread=spread)
    interval = wilson(found["heard_missing"], found["heard"])
    if interval is not None:
        yield words(
            "reconcile.measures.heard",
            heard=words.number(found["heard"]),
            missing=words.number(found["heard_missing"]),
            percent=_percent(words, found["heard_missing"] / found["heard"]),
            low=_percent(words, interval[0]),
            high=_percent(words, interval[1]),
        )
    for gap in found["gaps"]:
        first, last = words.time(gap["from"]), words.time(gap["to"])
        number = words.number(gap["uploads"])
        yield words("reconcile.measures.gap", n=number, device=plain(gap["device"]), first=first, last=last)


def html(result: Result, words: Words, *, version: str, made_ns: int, command: str) -> str:
    """Return the result as one HTML file that needs no network."""
    style = Markup((STATIC / "report.css").read_text(encoding="utf-8"))  # noqa: S704 - a file of ours
    values = {"style": style, "version": version, "made_ns": made_ns, "command": plain(command, 500)}
    return Renderer(Assets()).html("reconcile_report.html", words, {**values, **context(words, result)})


def letter(result: Result, words: Words, *, made_ns: int) -> str:
    """Return a request for access (Art. 15 GDPR) that lists the uploads missing from the record."""
    text = (LOCALE / f"letter.{words.language}.txt").read_text(encoding="utf-8")
    missing = next(category for category in result["categories"] if category["name"] == "not_in_record")
    items = [_item(words, item) for item in missing["items"]]
    return text.format(
        date=words.time(made_ns, "day"),
        first=words.time(result["watched"]["from"]),
        last=words.time(result["watched"]["to"]),
        devices=", ".join(sorted({item["device"] for item in items})) or "-",
        count=words.number(missing["count"]),
        of=words.number(missing["of"]),
        list="\n".join(f"{item['time']}  {item['device']}  {item['left']}" for item in items) or "-",
    )


def context(words: Words, result: Result, *, links: bool = False) -> dict[str, Any]:
    """Return the values of the templates of report and page; on the page uploads have `links`."""
    found = sections(words, result, links=links)
    return {
        "result_headline": headline(words, result),
        "result_counts": [section for section in found if section.name in FIRST],
        "result_lengths": any(section.recorded for section in found),
        "result_details": details(found),
        "result_basis": list(basis(words, result)),
        "result_measures": list(measures(words, result)),
        "result_from": result["watched"]["from"],
        "result_to": result["watched"]["to"],
    }


def _section(words: Words, category: Mapping[str, Any], *, links: bool = False) -> Section:
    share = ""
    if category["share"] is not None:
        share = words(
            "reconcile.share",
            percent=_percent(words, category["share"]),
            of=words.number(category["of"]),
            what=words(f"reconcile.share_of.{category['of_what']}"),
            low=_percent(words, category["low"]),
            high=_percent(words, category["high"]),
        )
    name, speech, recorded = category["name"], category["speech_seconds"], category["row_seconds"]
    return Section(
        name,
        words(f"reconcile.{name}.title"),
        words(f"reconcile.{name}.meaning"),
        category["count"],
        share,
        words.duration(speech) if speech else "",
        words.duration(recorded) if recorded else "",
        [_item(words, item, links=links) for item in category["items"][:MOST_ITEMS]],
    )


def _item(words: Words, item: Mapping[str, Any], *, links: bool = False) -> dict[str, str]:
    """Return one item in words: `time`, `device`, `left` (what left), `verdict`, `vendor` (what the vendor says), and
    on the page the `link` of the upload."""
    upload = item["upload"]
    left = verdict = ""
    if upload is not None:
        kind = words(f"reconcile.kind.{upload['class']}")
        left = words("reconcile.upload", seconds=words.duration(upload["speech_seconds"]), kind=kind)
        verdict = words.either(f"reconcile.verdict.{upload['verdict']}", words("reconcile.not_judged"))
        if upload["asked_by"]:
            verdict += f" ({plain(upload['asked_by'])})"
    said = [_row(words, row) for row in item["rows"]]
    return {
        "time": words.time(item["timestamp"]),
        "device": plain(item["device"] or words("reconcile.no_name")),
        "left": left,
        "verdict": verdict,
        "vendor": ", ".join(said),
        "link": upload_link(upload["id"]) if upload is not None and links else "",
        "text": " ".join(plain(row["transcript"], 200) for row in item["rows"] if row.get("transcript")),
    }


def _row(words: Words, row: Mapping[str, Any]) -> str:
    said = words(f"reconcile.meaning.{row['meaning']}")
    if row["said"]:
        said += f" ({plain(row['said'])})"
    if row["seconds"] is not None:
        said += f", {words('reconcile.row_seconds', seconds=words.duration(row['seconds']))}"
    return said


def _percent(words: Words, share: float) -> str:
    return f"{words.number(100 * share, 1 if 0 < share < 0.01 else 0)}{NARROW}%"


def _signed(words: Words, value: float) -> str:
    return f"{'+' if value > 0 else ''}{words.number(value, 1)}"
