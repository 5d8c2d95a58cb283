"""`sniffer reconcile`: the vendor's own record beside what left."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from sniffer import __version__
from sniffer.app.build import load_rulebook
from sniffer.app.compared import MOST_ITEMS, write_result
from sniffer.app.config import Config
from sniffer.app.page import zone_of
from sniffer.app.rejudge import rejudge
from sniffer.cli._common import config_option, count, effective_config, format_option
from sniffer.cli._show import folded, terminal_width
from sniffer.cli._times import Moment
from sniffer.cli._watched import from_log, from_store
from sniffer.cli.report import command_line, write
from sniffer.errors import CaptureError, UsageError
from sniffer.model import WakeEvent
from sniffer.model.clock import SECOND, timestamp
from sniffer.records.build import wake_record
from sniffer.records.types import UploadRecord
from sniffer.sinks.settings import StoreSettings
from sniffer.sinks.storage.store import Store
from sniffer.vendor.comparison import Comparison, Scope, Seen, compare
from sniffer.vendor.events import wake_events
from sniffer.vendor.exports import Exports, read_exports, sentences
from sniffer.vendor.summary import categories, items, summary
from sniffer.web import reconciliation
from sniffer.web.words import LANGUAGES, Words, plain

#: Items of one result that the table shows; JSON Lines has all of them.
SHOWN = 20
#: Times in an unknown zone lie up to this far from ours.
_ZONE_NS = 15 * 3600 * SECOND


@click.command()
@click.argument("exports", nargs=-1, required=True, metavar="EXPORT...", type=click.Path(path_type=Path))
@config_option
@click.option("--store", "store_path", type=click.Path(path_type=Path, dir_okay=False), help="The daemon's store.")
@click.option("--log", type=click.Path(path_type=Path, dir_okay=False), help="Take the uploads from JSON Lines: "
              "an event log, or what `sniffer analyze --format jsonl` printed.")  # fmt: skip
@click.option("--from", "since", type=Moment(), help="From then on: 2026-11-01, yesterday, 30d.")
@click.option("--to", "until", type=Moment(), help="Up to then.")
@click.option("--covers", nargs=2, type=Moment(), metavar="FROM TO", help="The time that the export covers, as you "
              "requested it. Default: the days of its first and last row.")  # fmt: skip
@click.option("--map", "named", multiple=True, metavar="VENDOR=NAME", help="The vendor's name or serial number of a "
              "device, and your name of it.")  # fmt: skip
@click.option("--device", "wanted", multiple=True, metavar="NAME", help="Compare this device (your name of it) also if "
              "the export lists nothing of it.")  # fmt: skip
@click.option("--zone", help="The zone of times in the export that name none: Europe/Berlin. Default: that of the "
              "configuration, else of this machine.")  # fmt: skip
@click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True)
@click.option("--with-transcripts", is_flag=True, help="Read and show transcripts. Without it they are skipped.")
@click.option("--report", "report_path", type=click.Path(path_type=Path, dir_okay=False), help="Write the result as "
              "one HTML file.")  # fmt: skip
@click.option("--page", "on_page", is_flag=True, help="Show the result on the daemon's page (under Listeners), without "
              "transcripts.")  # fmt: skip
@click.option("--letter", "letter_path", type=click.Path(path_type=Path, dir_okay=False), help="Write a letter to the "
              "vendor's data protection officer (Art. 15 GDPR), with the list of missing recordings.")  # fmt: skip
@click.option("--events", "events_path", type=click.Path(path_type=Path, dir_okay=False), help="Write the rows as wake "
              "events (trust: self_report), for `sniffer analyze --wake`.")  # fmt: skip
@click.option("--rejudge", "again", is_flag=True, help="Judge the uploads in the store again with the vendor's word. "
              "It never outranks a listener of your own. The daemon must not be running.")  # fmt: skip
@format_option("table", "jsonl")
def command(
    exports: Sequence[Path],
    config_path: Path | None,
    store_path: Path | None,
    log: Path | None,
    since: int | None,
    until: int | None,
    covers: tuple[int, int] | None,
    named: Sequence[str],
    wanted: Sequence[str],
    zone: str | None,
    language: str,
    with_transcripts: bool,
    report_path: Path | None,
    on_page: bool,
    letter_path: Path | None,
    events_path: Path | None,
    again: bool,
    output_format: str,
) -> None:
    """Compare the vendor's own record of voice recordings with the uploads that were seen.

    EXPORT is what the vendor lets you download: Alexa's voice history (JSON), Amazon's "Request my data" or Google
    Takeout (zip or folder), a log of Home Assistant, or a CSV of your own (time, device, what). Nothing is fetched and
    nothing is sent; archives are read in place. docs/reconcile.md says where to download each.

    \b
    Examples:
      sniffer reconcile takeout.zip --from 2026-11-01
      sniffer reconcile alexa.json --map "Kitchen Echo=kitchen" --report kept.html
      sniffer analyze capture.pcap --format jsonl > found.jsonl
      sniffer reconcile alexa.json --log found.jsonl --letter letter.txt
    """
    if since is not None and until is not None and since >= until:
        raise UsageError("--from is after --to")
    if covers is not None and covers[0] >= covers[1]:
        raise UsageError("--covers: its first time is after its second")
    if on_page and log is not None:
        raise UsageError("--page is for a store; for captures, --report writes a file to look at")
    if again and log is not None:
        raise UsageError("--rejudge is for a store; for captures, --events writes what `sniffer analyze --wake` reads")
    config = effective_config(config_path, ())
    settings = config.store if store_path is None else config.store.model_copy(update={"path": store_path})
    where = _zone(zone) if zone is not None else zone_of(config)
    mapping = dict(_mapping(text) for text in named)
    if log is not None:
        recorded = from_log(log, since, until)
    else:
        with Store(settings, read_only=True) as store:
            recorded = from_store(store, since, until)
    uploads, watched = recorded.seen(), recorded.watched(since, until)
    _check_uploads(uploads, watched, (*mapping.values(), *wanted))
    low, high = watched[0][0] - _ZONE_NS, watched[-1][1] + _ZONE_NS
    read = read_exports(exports, where, low, high, transcripts=with_transcripts)
    for text in sentences(read, _zone_name(where, watched[0][0])):
        click.echo(plain(text, 300), err=True)
    words = Words(language, where)
    _check_rows(read, mapping, words, watched)
    reach = dict.fromkeys(read.reach(where), covers) if covers else read.reach(where)
    found = compare(uploads, read.rows, Scope(watched, reach, mapping, frozenset(wanted)))
    _leave_out_unwatched(found, low + _ZONE_NS, high - _ZONE_NS)
    result = summary(found, read, watched, reach)
    if output_format == "jsonl":
        _print_lines(result, found, transcripts=with_transcripts)
    else:
        _print_table(words, _with_items(result, found, SHOWN, transcripts=with_transcripts))
    if report_path is not None:
        listed = _with_items(result, found, reconciliation.MOST_ITEMS, transcripts=with_transcripts)
        made = reconciliation.html(listed, words, version=__version__, made_ns=time.time_ns(), command=command_line())
        _write(report_path, made)
    if on_page:
        listed = _with_items(result, found, MOST_ITEMS, transcripts=False)
        path = write_result(settings.path, {**listed, "made": timestamp(time.time_ns())})
        click.echo(f"{path}: written; the page shows it at /record", err=True)
    if letter_path is not None:
        listed = _with_items(result, found, None, transcripts=False, only="not_in_record")
        _write(letter_path, reconciliation.letter(listed, words, made_ns=time.time_ns()))
    if events_path is not None:
        _write(events_path, "".join(map(_event_line, wake_events(found))))
    if again:
        _judge_again(settings, config, list(wake_events(found)), (low, high))


def _with_items(
    result: Mapping[str, Any], found: Comparison, most: int | None, *, transcripts: bool, only: str | None = None
) -> dict[str, Any]:
    """Return the result with the first items of each category, or of one."""
    filled = [
        {**counted, "items": list(items(category, found, most, transcripts=transcripts))}
        for counted, category in zip(result["categories"], categories(found), strict=True)
        if only is None or category.name == only
    ]
    return {**result, "categories": filled}


def _judge_again(settings: StoreSettings, config: Config, events: Sequence[WakeEvent], span: tuple[int, int]) -> None:
    """Add the vendor's word to the store, and judge its uploads again. Raises StoreError where a daemon is running."""
    with Store(settings) as store:
        known = {
            (r["timestamp"], (r["device"] or {}).get("name"), r["source"]) for r in store.walk(("wake",), None, *span)
        }
        new = [event for event in events if (timestamp(event.time_ns), event.device, event.source) not in known]
        records = store.walk(("upload", "loss", "wake", "answer"), None, *span)
        changed = list(rejudge(records, events, config, load_rulebook(config), time.time_ns()))
        with store.transaction():
            for event in new:
                store.emit(wake_record(event).to_json())
            for record in changed:
                store.emit(_with_bins(store, record))
    asked = sum(record.reason == "vendor_reports_request" for record in changed)
    click.echo(
        f"{settings.path}: {count(len(new), 'wake event')} added; {count(asked, 'upload')} that nothing explained "
        f"became expected by the vendor's word; {len(changed) - asked} keep their verdict and show it",
        err=True,
    )


def _with_bins(store: Store, record: UploadRecord) -> dict[str, Any]:
    """Return a record with the bins of its earlier revision."""
    value, before = record.to_json(), store.upload(record.id)
    if before is not None:
        value["upload"] = {**value["upload"], "bins": before["upload"]["bins"], "body": before["upload"]["body"]}
    return value


def _write(path: Path, text: str) -> None:
    write(path, text)
    click.echo(f"{path}: written", err=True)


def _check_uploads(uploads: Sequence[Seen], watched: Sequence[tuple[int, int]], given: Sequence[str]) -> None:
    """Raise CaptureError or UsageError where there is nothing to compare with."""
    if not any(upload.verdict is not None for upload in uploads) or not watched:
        raise CaptureError("no upload that could hold speech was recorded in this time: nothing can be compared")
    known = sorted({upload.device for upload in uploads if upload.verdict is not None})
    for device in given:
        if device not in known:
            raise UsageError(f"no upload is from a device called '{device}'; known: {plain(', '.join(known), 200)}")


def _check_rows(read: Exports, mapping: Mapping[str, str], words: Words, watched: Sequence[tuple[int, int]]) -> None:
    """Raise CaptureError or UsageError where the export has nothing for the time that was watched."""
    span = read.span
    if span.first_ns is None or span.last_ns is None:
        raise CaptureError("no recordings were found in these files; docs/reconcile.md lists those that are understood")
    if not read.rows:
        raise CaptureError(
            f"no row of the export is from the time that was watched: its rows are from {words.time(span.first_ns)} to "
            f"{words.time(span.last_ns)}, the uploads from {words.time(watched[0][0])} to "
            f"{words.time(watched[-1][1])}"
        )
    names = {text.casefold() for row in read.rows for text in (row.device, row.serial) if text}
    for vendor in mapping:
        if vendor.casefold() not in names:
            known = plain(
                ", ".join(sorted(filter(None, {row.device or row.serial for row in read.rows}))) or "none", 200
            )
            raise UsageError(f"--map: no row is from '{vendor}'; devices in the export: {known}")


def _leave_out_unwatched(found: Comparison, low: int, high: int) -> None:
    """Drop the rows that were read only because their zone was not known, and lie outside of the compared time."""
    for rows in (found.not_watched, found.unlinked, found.without_sound):
        rows[:] = [row for row in rows if low <= found.ours(row) <= high]


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"--zone {name!r}: no such time zone (such as Europe/Berlin, America/New_York, UTC)") from None


def _zone_name(zone: tzinfo, time_ns: int) -> str:
    return getattr(zone, "key", None) or Words("en", zone).zone_name(Words("en", zone).local(time_ns))


def _mapping(text: str) -> tuple[str, str]:
    vendor, equals, name = text.rpartition("=")
    if not equals or not vendor.strip() or not name.strip():
        raise UsageError(f'--map {text!r}: expected VENDOR=NAME, for example "Kitchen Echo=kitchen"')
    return vendor.strip(), name.strip()


def _print_lines(result: Mapping[str, Any], found: Comparison, *, transcripts: bool) -> None:
    """Print a line with the counts, and one for each item."""
    click.echo(json.dumps({"category": "summary", **result}))
    for category in categories(found):
        for item in items(category, found, transcripts=transcripts):
            click.echo(json.dumps({"category": category.name, **item}))


def _print_table(words: Words, result: Mapping[str, Any]) -> None:
    width = terminal_width()
    for line in _table(words, result):
        click.echo("\n".join(folded(line, width, more_indent=2)))


def _table(words: Words, result: Mapping[str, Any]) -> Iterator[str]:
    found = reconciliation.sections(words, result)
    first, last = words.time(result["watched"]["from"]), words.time(result["watched"]["to"])
    yield from (words("reconcile.title"), f"{first} - {last}", "")
    yield from (reconciliation.headline(words, result), words("reconcile.question"), "")
    widest = max(len(section.title) for section in found if section.name in reconciliation.FIRST)
    for section in found:
        if section.name in reconciliation.FIRST:
            speech = f"  {words('reconcile.h_speech')}: {section.speech}" if section.speech else ""
            yield f"  {section.title:<{widest}}  {section.count:>5}  {section.share}{speech}".rstrip()
    for title, lines in (
        (words("reconcile.h_basis"), list(reconciliation.basis(words, result))),
        (words("reconcile.h_measures"), list(reconciliation.measures(words, result))),
    ):
        yield from ("", title, *(f"  {line}" for line in lines)) if lines else ()
    for section in reconciliation.details(found):
        yield from ("", f"{section.title}: {section.count}", f"  {section.meaning}")
        for item in section.items[:SHOWN]:
            vendor = words("reconcile.row", said=item["vendor"]) if item["vendor"] else ""
            parts = (item["device"], item["left"], item["verdict"], vendor, item["text"])
            yield f"    {item['time']}  " + "; ".join(filter(None, parts))
        if section.count > SHOWN:
            yield f"    {words('reconcile.more', number=words.number(section.count - SHOWN))}"


def _event_line(event: WakeEvent) -> str:
    fields = {
        "timestamp": timestamp(event.time_ns), "device": event.device, "source": event.source, "kind": str(event.kind),
        "trust": str(event.trust),
    }  # fmt: skip
    return json.dumps(fields) + "\n"
