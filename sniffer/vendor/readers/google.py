"""Google Takeout: My Activity of Assistant and of Voice and Audio, as JSON or HTML, in any language.

JSON rows have `time` (UTC), `title`, `details[].name` ("Started by hotword") and `audioFiles`. The names of recordings
hold their start in UTC (`2026-11-22_18_04_05_123_UTC.mp3`), which no language changes.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from datetime import tzinfo
from html.parser import HTMLParser
from typing import Any

from sniffer.vendor.jsonstream import Readable
from sniffer.vendor.rows import MAX_TRANSCRIPT, Meaning, Reading, VendorRow
from sniffer.vendor.times import Moment, from_audio_name, from_text

#: Clocks: the start of a recording, the time that a row states, and a time in words, in the zone of the account.
AUDIO_CLOCK, STATED_CLOCK, WORDED_CLOCK = "google recording", "google row", "google page"
#: How the detail begins or what it holds, in the languages that keep no English word for it.
_HOTWORD = ("hotword", "wake word", "aktivierungswort", "mot clé", "palabra clave", "parola chiave", "palavra-chave")
#: What the Assistant is called: a product's name, translated in some languages.
_ASSISTANT = (
    "assist",
    "asist",
    "asyst",
    "ассист",
    "асист",
    "アシスタント",
    "어시스턴트",
    "助理",
    "助手",
    "مساعد",
    "עוזר",
)
_CLOCK = re.compile(r"\d{1,2}[:.]\d\d[:.]\d\d")
#: The longest piece of text that can be a date, in characters.
_MAX_DATE = 120
#: Bytes that are read at a time, and characters of a tag that may wait for its end.
_CHUNK, _MAX_WAITING = 1 << 18, 1 << 20


def is_row(value: Mapping[str, Any]) -> bool:
    """Return whether an object looks like a row of My Activity about speech."""
    if "time" not in value or not ("title" in value or "header" in value):
        return False
    return bool(value.get("audioFiles")) or _by_hotword(value) or _is_assistant(value)


def is_activity(value: Mapping[str, Any]) -> bool:
    """Return whether an object is a row of My Activity, of any product."""
    return "time" in value and "header" in value and "title" in value


def read_row(value: Mapping[str, Any], reading: Reading, zone: tzinfo, *, transcripts: bool) -> None:
    """Add one row to a reading."""
    names = value.get("audioFiles")
    found = (from_audio_name(str(file)) for file in names) if isinstance(names, list) else ()
    audio = next((ns for ns in found if ns is not None), None)
    hotword = _by_hotword(value)
    said = "started by hotword" if hotword else "not started by hotword"
    title = str(value.get("title") or "")[:MAX_TRANSCRIPT] if transcripts else ""
    stated = from_text(str(value["time"]), zone)
    _add(reading, audio, stated, STATED_CLOCK, Meaning.REQUEST if hotword else Meaning.UNKNOWN, said, title)


def _add(
    reading: Reading, audio: int | None, stated: Moment | None, clock: str, meaning: Meaning, said: str, text: str = ""
) -> None:
    if audio is not None:
        reading.add(VendorRow(audio, meaning, said, clock=AUDIO_CLOCK, transcript=text))
    elif stated is not None:
        reading.without_zone += not stated.zoned
        clock = clock if stated.zoned else WORDED_CLOCK
        reading.add(VendorRow(stated.time_ns, meaning, said, clock=clock, also_ns=stated.also_ns, transcript=text))
    else:
        reading.skipped["rows whose date this program cannot read (Takeout offers JSON, whose dates it can)"] += 1


def _is_assistant(value: Mapping[str, Any]) -> bool:
    products = value.get("products")
    named = f"{products if isinstance(products, list) else ''} {value.get('header', '')}".casefold()
    return any(word in named for word in _ASSISTANT)


def _by_hotword(value: Mapping[str, Any]) -> bool:
    details = value.get("details")
    items = details if isinstance(details, list) else []
    texts = [str(item.get("name", "")).casefold() for item in items if isinstance(item, Mapping)]
    return any(word in text for text in texts for word in _HOTWORD)


class _Cells(HTMLParser):
    """Collects, for each entry of the page, its recording, its time and whether a hotword started it."""

    def __init__(self, reading: Reading, zone: tzinfo) -> None:
        super().__init__(convert_charrefs=True)
        self._reading, self._zone = reading, zone
        self._open = False
        self._start()

    def _start(self) -> None:
        self._audio: int | None = None
        self._moment: Moment | None = None
        self._hotword = self._assistant = False

    def finish(self) -> None:
        """Add the entry that ends here."""
        if self._open and (self._assistant or self._audio is not None or self._hotword):
            said = (
                "started by hotword" if self._hotword else "with a recording" if self._audio else "without a recording"
            )
            asked = self._hotword or self._audio is not None
            meaning = Meaning.REQUEST if asked else Meaning.UNKNOWN
            _add(self._reading, self._audio, self._moment, WORDED_CLOCK, meaning, said)
        elif self._open:
            self._reading.skipped["entries of other Google products"] += 1
        self._start()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        if "outer-cell" in values.get("class", ""):
            self.finish()
            self._open = True
        for key in ("href", "src"):
            if self._audio is None:
                self._audio = from_audio_name(values.get(key, ""))

    def handle_data(self, data: str) -> None:
        if not self._open:
            return
        text = data.strip()
        folded = text.casefold()
        self._hotword |= any(word in folded for word in _HOTWORD)
        self._assistant |= len(text) <= _MAX_DATE and any(word in folded for word in _ASSISTANT)
        if self._moment is None and len(text) <= _MAX_DATE and _CLOCK.search(text):
            self._moment = from_text(text, self._zone)


def read_html(stream: Readable, reading: Reading, zone: tzinfo) -> None:
    """Add the entries of an HTML page to a reading. Transcripts are not read out of HTML."""
    cells = _Cells(reading, zone)
    decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
    while chunk := stream.read(_CHUNK):
        cells.feed(decoder.decode(chunk))
        if len(cells.rawdata) > _MAX_WAITING:
            reading.skipped["the rest of the page, which is no HTML"] += 1
            break
    else:
        cells.close()
    cells.finish()
