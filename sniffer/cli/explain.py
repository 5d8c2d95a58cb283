"""`sniffer explain ID`: one upload in words, its evidence, its picture, and what the reader can do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from sniffer.cli._common import config_option, effective_config
from sniffer.cli._deep import deep_look
from sniffer.cli._show import folded, plain, terminal_width
from sniffer.errors import CaptureError, UsageError
from sniffer.explain.sentences import explain
from sniffer.model import Record
from sniffer.records.codec import from_json
from sniffer.records.types import UploadRecord
from sniffer.sinks.storage.store import Store

_BLOCKS = " ▁▂▃▄▅▆▇█"
_WIDTH = 72
#: Wake events within this time of the upload are shown.
_NEAR_SECONDS = 120.0
_MAX_LINES = 2_000_000


@click.command()
@click.argument("upload_id", metavar="ID")
@config_option
@click.option("--store", "store_path", type=click.Path(path_type=Path, dir_okay=False), help="The daemon's store.")
@click.option("--log", type=click.Path(path_type=Path, dir_okay=False), help="JSON Lines: an event log, or what `analyze --format jsonl` printed.")  # fmt: skip  # noqa: E501
@click.option("--deep", is_flag=True, help="Also tshark's view of the packets (needs tshark and the extra 'deep').")
@click.option("--capture", type=click.Path(path_type=Path, dir_okay=False), help="The capture for --deep.")
def command(
    upload_id: str,
    config_path: Path | None,
    store_path: Path | None,
    log: Path | None,
    deep: bool,
    capture: Path | None,
) -> None:
    """Say in plain words what an upload was, and why it was judged so.

    ID is printed by `sniffer uploads --format jsonl` and stands in every alert; its beginning is enough. `last` is the
    newest upload that was judged.

    \b
    Examples:
      sniffer explain 20261122T180405.120
      sniffer explain last
      sniffer analyze capture.pcap --format jsonl > found.jsonl; sniffer explain last --log found.jsonl
      sniffer explain last --log found.jsonl --deep --capture capture.pcap
    """
    if log is not None:
        record, wakes = _from_log(log, upload_id)
    else:
        settings = effective_config(config_path, ()).store
        if store_path is not None:
            settings = settings.model_copy(update={"path": store_path})
        with Store(settings, read_only=True) as store:
            if upload_id == "last":
                record = next(iter(store.uploads(None, "judged", None, None, 1)), None)
            else:
                record = store.upload(upload_id)
            wakes = _nearby(store.walk(("wake",), None, *_window(record)), record) if record else []
    if record is None:
        raise UsageError(f"no upload begins or ends with '{upload_id}'; `sniffer uploads` lists them")
    width = terminal_width()
    for line in in_words(record, wakes, width):
        click.echo(line)
    if deep:
        path = capture or Path(str(record.get("capture") or ""))
        if not path.is_file():
            raise UsageError("--deep needs the packets: give --capture FILE")
        click.echo()
        for line in deep_look(record, path):
            click.echo(line)


def in_words(record: Record, wakes: Iterable[Record], width: int | None = None) -> Iterator[str]:
    """Yield an upload in words, evidence, a picture and the wake events nearby, in lines of at most `width` characters.

    Raises RecordError.
    """
    said = explain(from_json(UploadRecord, record), None)
    yield from folded(plain(said.headline, 500), width)
    yield ""
    for sentence in said.sentences:
        yield from folded(plain(sentence, 1_000), width)
    yield ""
    for line in _evidence(record):
        yield from folded(line, width, more_indent=8 if line.startswith("  ") else 0)
    yield from _picture(record, min(_WIDTH, (width or _WIDTH + 2) - 2))
    for line in _wakes(record, wakes):
        yield from folded(line, width, more_indent=2)
    yield ""
    yield from folded(f"What you can do: {said.advice}", width)
    yield f"Upload: {record['id']}"


def _evidence(record: Record) -> Iterator[str]:
    items = record.get("evidence") or ()
    if not items:
        return
    score = float(record["upload"]["score"])
    speech = record["upload"]["class"] == "speech"
    if not record["upload"].get("packets"):
        yield "Why it is listed:"
        yield from (f"  {plain(str(item['text']), 200)}" for item in items)
        return
    if speech or score < 0:
        yield f"Why it is {'' if speech else 'not '}called speech (score {score:+.1f}; from 0 on it is speech):"
    else:
        yield f"It has the pace of speech (score {score:+.1f}; from 0 on), but went on like a call or a picture:"
    weights = [float(item["weight"]) for item in items]
    for item, weight in zip(items, weights, strict=True):
        yield f"  {weight:+6.1f}  {plain(str(item['text']), 200)}"
    yield f"  {score - sum(weights):+6.1f}  Starting point: most uploads are not speech"
    if speech:
        still = "still" if score - max(weights) >= 0 else "not"
        yield f"  Without the strongest of these it would {still} be called speech."


def _picture(record: Record, width: int) -> Iterator[str]:
    upload = record["upload"]
    bins = [int(amount) for amount in upload.get("bins") or ()]
    if not bins:
        return
    each = 1 if len(bins) <= width else -(-len(bins) // width)
    columns = [sum(bins[i : i + each]) for i in range(0, len(bins), each)]
    body = upload.get("body")
    # The initial burst is many times higher than the sound behind it: a square root shows both.
    top = max(max(columns), 1) ** 0.5
    yield ""
    seconds = each * 0.25 if upload.get("packets") else each * 60
    yield f"Bytes sent, one column for {seconds:g} s (highest: {max(columns):,} bytes):"
    yield "  " + "".join(_BLOCKS[min(8, round((amount**0.5) / top * 8)) or (1 if amount else 0)] for amount in columns)
    if body:
        first, last = body[0] // each, max(body[0] // each + 1, -(-body[1] // each))
        yield "  " + " " * first + "~" * (min(last, len(columns)) - first)
        yield "  ~ steady pace, like live sound" if upload["class"] == "speech" else "  ~ the steadiest part"


def _wakes(record: Record, wakes: Iterable[Record]) -> Iterator[str]:
    start = datetime.fromisoformat(record["timestamp"])
    nearest = sorted(wakes, key=lambda wake: abs((datetime.fromisoformat(wake["timestamp"]) - start).total_seconds()))
    yield ""
    if not nearest:
        if record["wake"]["source"]:  # what `analyze` prints holds no wake events
            yield f"No other wake event within {_NEAR_SECONDS:.0f} s is kept here."
        else:
            yield f"No wake event within {_NEAR_SECONDS:.0f} s."
        return
    yield "Nearest wake events:"
    for wake in nearest[:5]:
        gap = (start - datetime.fromisoformat(wake["timestamp"])).total_seconds()
        when = f"{abs(gap):.1f} s {'before' if gap >= 0 else 'after'} the upload began"
        yield f"  {plain(str(wake['kind']), 20)} for {plain(_device_name(wake), 40)}, {when}, according to {plain(str(wake['source']), 40)}"  # noqa: E501


def _device_name(wake: Record) -> str:
    device = wake.get("device")
    name = device.get("name") if isinstance(device, Mapping) else device  # text in logs of version 0.1
    return str(name or "every speaker")


def _window(record: Record | None) -> tuple[int, int]:
    if record is None:
        return 0, 0
    at = datetime.fromisoformat(record["timestamp"]).timestamp()
    return int((at - _NEAR_SECONDS) * 1e9), int((at + _NEAR_SECONDS) * 1e9)


def _nearby(wakes: Iterable[Record], record: Record) -> list[Record]:
    at = datetime.fromisoformat(record["timestamp"]).timestamp()
    return [w for w in wakes if abs(datetime.fromisoformat(w["timestamp"]).timestamp() - at) <= _NEAR_SECONDS]


def _from_log(path: Path, upload_id: str) -> tuple[dict[str, Any] | None, list[Record]]:
    """The newest revision of an upload in a JSON Lines file, and the wake events near it."""
    found: dict[str, dict[str, Any]] = {}
    wakes: list[Record] = []
    try:
        with path.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream):
                if number >= _MAX_LINES:
                    break
                record = _parsed(line)
                if record.get("event_type") == "wake" and "timestamp" in record:
                    wakes.append(record)
                elif record.get("event_type") == "upload" and "upload" in record:
                    if upload_id == "last" and record.get("verdict"):
                        found = {str(record["id"]): record}
                    elif upload_id and _matches(str(record.get("id", "")), upload_id):
                        found[str(record["id"])] = record
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise CaptureError(f"{path}: cannot be read: {reason}") from None
    if len(found) > 1 and upload_id not in found:
        raise UsageError(f"several uploads begin or end with '{upload_id}': {', '.join(list(found)[:3])}")
    record = found.get(upload_id) or next(iter(found.values()), {})
    return (record or None), (_nearby(wakes, record) if record else [])


def _matches(known: str, upload_id: str) -> bool:
    return known.startswith(upload_id) or known.endswith(upload_id)


def _parsed(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
