"""How one upload looks on a terminal: one line, aligned, where text from the network stays text."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import textwrap
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TextIO

import click

from sniffer.explain.headline import LIVE
from sniffer.explain.words import words_of
from sniffer.model import Record, VerdictKind
from sniffer.model.clock import local_zone

#: Characters at the end of an upload's id that are shown; `sniffer explain` takes them.
SHOWN_ID = 8
#: Characters of a capture's name that are shown.
SHOWN_NAME = 24


def header(*, captures: bool = False) -> str:
    """Return the line above the rows. It names the time zone of the times below; `captures` adds the capture's name."""
    moment = f"time ({local_zone()})"
    file = f"{'capture':<{SHOWN_NAME}} " if captures else ""
    return f"{moment:<19}  {file}{'device':<16} {'class':<9} {'speech':>8}  {'verdict':<18} {'id':<{SHOWN_ID}}  why"


#: More devices than a house has: then they are introduced again.
MOST_INTRODUCED = 4096
COLOURS = {"unexpected": "red", "expected": "green", "inconclusive": "yellow"}


def row(record: Record, *, colour: bool, captures: bool = False) -> str:
    """Return one upload record as one line; times are local. `captures` adds the name of its capture."""
    moment = datetime.fromisoformat(record["timestamp"]).astimezone()
    upload, verdict = record["upload"], record["verdict"] or "-"
    said = f"{verdict} ({record['confidence']:.0%})" if verdict == "unexpected" else verdict
    again = f" [judged again, {record['revision']}]" if record["revision"] else ""
    host = plain(record["service"]["host"] or record["dest_ip"], 60)
    speech = f"{upload['speech_seconds']:.1f} s" if upload["speech_seconds"] else "-"
    kind = VerdictKind(record["verdict"]) if record["verdict"] else None
    why = words_of(str(record["reason"]), kind, upload["class"]).headline
    file = f"{plain(Path(str(record['capture'])).name, SHOWN_NAME):<{SHOWN_NAME}} " if captures else ""
    line = (
        f"{moment:%Y-%m-%d %H:%M:%S}  {file}{plain(record['device']['name'], 16):<16} {upload['class']:<9} "
        f"{speech:>8}  {said:<18} {plain(str(record['id'])[-SHOWN_ID:], SHOWN_ID):<{SHOWN_ID}}  {why}, to {host}{again}"
    )
    return click.style(line, fg=COLOURS.get(verdict)) if colour else line


def plain(text: str, width: int) -> str:
    """Text from the network as printable characters, at most `width` of them."""
    shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return shown if len(shown) <= width else shown[: width - 1] + "\N{HORIZONTAL ELLIPSIS}"


def folded(line: str, width: int | None, more_indent: int = 0) -> list[str]:
    """Return a line as lines of at most `width` characters, broken between words and indented as the first one.

    `width` None leaves it unchanged: text in a pipe is not folded.
    """
    if width is None or len(line) <= width:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()) + more_indent)
    return textwrap.wrap(line, max(width, 20), subsequent_indent=indent, break_on_hyphens=False) or [line]


def terminal_width() -> int | None:
    """Return the columns of the terminal that standard output is; None where it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


class RecordLines:
    """A sink that writes records to the terminal: uploads and alerts as lines, or all as JSON."""

    name = "terminal"

    def __init__(self, out: TextIO, output_format: str) -> None:
        self._out, self._format = out, output_format
        self._headed = False
        self._introduced: dict[str, str] = {}

    def emit(self, record: Record) -> None:
        """One record. A reader that has gone away is no error of the daemon's."""
        with contextlib.suppress(BrokenPipeError, ValueError):
            if self._format == "jsonl":
                self._line(json.dumps(record))
            elif self._format == "text":
                for line in self._text(record):
                    self._line(line)

    def close(self) -> None:
        """The stream is not ours."""

    def _text(self, record: Record) -> Iterator[str]:
        match record["event_type"]:
            case "upload" if record["verdict"] is not None:
                if not self._headed:
                    self._headed = True
                    yield header()
                yield row(record, colour=self._out.isatty())
            case "listening" if record["listening"]:
                moment = datetime.fromisoformat(record["start"]).astimezone()
                name = plain(record["device"]["name"], 16)
                yield f"{moment:%Y-%m-%d %H:%M:%S}  {name:<16} {LIVE[record['kind']]}"
            case "device":
                device = record["device"]
                what = " ".join(part for part in (device["vendor"], device["model"]) if part) or device["kind"]
                said = f"{plain(device['name'], 40)}: {plain(what, 60)}, {record['host']}"
                if self._introduced.get(record["host"]) != said:  # one more fact is no news to who reads this
                    if len(self._introduced) >= MOST_INTRODUCED:
                        self._introduced.clear()
                    self._introduced[record["host"]] = said
                    yield f"# {said} ({device['confidence']:.0%})"

    def _line(self, text: str) -> None:
        self._out.write(text + "\n")
        self._out.flush()
