"""How one upload looks on a terminal: one line, aligned, with nothing a stranger wrote taken for more than text."""

from __future__ import annotations

from datetime import datetime

import click

from sniffer.judge.explanation import explain
from sniffer.model import Record

HEADER = f"{'time':<19}  {'device':<16} {'class':<9} {'speech':>8}  {'verdict':<18} why"
COLOURS = {"unexpected": "red", "expected": "green", "inconclusive": "yellow"}


def row(record: Record, *, colour: bool) -> str:
    """One upload record as one line; times are local."""
    moment = datetime.fromisoformat(record["timestamp"]).astimezone()
    upload, verdict = record["upload"], record["verdict"] or "-"
    said = f"{verdict} ({record['confidence']:.0%})" if verdict == "unexpected" else verdict
    again = f" [judged again, {record['revision']}]" if record["revision"] else ""
    host = plain(record["service"]["host"] or record["dest_ip"], 60)
    speech = f"{upload['speech_seconds']:.1f} s" if upload["speech_seconds"] else "-"
    why = explain(record).headline.partition("; ")[2]
    line = (
        f"{moment:%Y-%m-%d %H:%M:%S}  {plain(record['device']['name'], 16):<16} {upload['class']:<9} {speech:>8}  "
        f"{said:<18} {why}, to {host}{again}"
    )
    return click.style(line, fg=COLOURS.get(verdict)) if colour else line


def plain(text: str, width: int) -> str:
    """A stranger's text as printable characters, at most `width` of them."""
    shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return shown if len(shown) <= width else shown[: width - 1] + "\N{HORIZONTAL ELLIPSIS}"
