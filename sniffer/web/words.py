"""The words, numbers and times of the page in the reader's language. The texts are in `locale/LANGUAGE.yml`."""

from __future__ import annotations

import datetime
import functools
import zoneinfo
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sniffer.errors import LocatedError
from sniffer.model.clock import SECOND, parse_timestamp
from sniffer.settings.yaml import built

LOCALE = Path(__file__).parent / "locale"
LANGUAGES = ("en", "de")
DEFAULT_LANGUAGE = "en"
#: Characters of a name that are shown; a network can call itself anything.
MAX_NAME = 60
#: Keeps a number and its unit in one line.
NARROW = "\N{NO-BREAK SPACE}"
#: Separators of a number in German, from those of English.
_GERMAN = str.maketrans(",.", ".,")


class Words:
    """Texts by key, and values in words. A key that a language lacks is shown in English."""

    def __init__(self, language: str, zone: datetime.tzinfo) -> None:
        self.language, self.zone = language, zone
        self._texts = texts(language)
        self._english = texts(DEFAULT_LANGUAGE)

    def __call__(self, key: str, **values: Any) -> str:
        """The text of a key with its values filled in; with `n`, the key's `one` or `many`."""
        if "n" in values and f"{key}.one" in self._english:
            key = f"{key}.one" if values["n"] == 1 else f"{key}.many"
        text = self._texts.get(key) or self._english[key]
        return text.format(**values) if values else text

    def known(self, key: str) -> bool:
        """Whether there is a text of this key."""
        return key in self._english

    def either(self, key: str, otherwise: str) -> str:
        """The text of a key, or `otherwise` where there is none."""
        return self(key) if self.known(key) else otherwise

    # --- values ---

    def number(self, value: float, digits: int = 0) -> str:
        """A number with the separators of the language."""
        text = f"{value:,.{digits}f}"
        return text.translate(_GERMAN) if self.language == "de" else text

    def duration(self, seconds: float) -> str:
        """Some time: `3.4 s`, `12 min`, `5.5 h`, `3 days`."""
        if seconds < 90:
            return f"{self.number(seconds, 1 if 0 < seconds < 10 else 0)}{NARROW}s"
        if seconds < 5400:
            return f"{self.number(seconds / 60)}{NARROW}min"
        if seconds < 48 * 3600:
            return f"{self.number(seconds / 3600, 1)}{NARROW}h"
        return self("unit.days", n=round(seconds / 86400), days=self.number(seconds / 86400))

    def size(self, amount: float) -> str:
        """An amount of bytes: `812 bytes`, `46 kB`, `1.2 MB`."""
        if amount < 1000:
            return f"{self.number(amount)} {self('unit.bytes')}"
        if amount < 1_000_000:
            return f"{self.number(amount / 1000)}{NARROW}kB"
        if amount < 1_000_000_000:
            return f"{self.number(amount / 1_000_000, 1)}{NARROW}MB"
        return f"{self.number(amount / 1_000_000_000, 1)}{NARROW}GB"

    def percent(self, share: float) -> str:
        """A share: `97 %`."""
        if share > 0.99:
            return self("unit.over", value=f"99{NARROW}%")
        return f"{self.number(share * 100)}{NARROW}%"

    # --- times ---

    def local(self, time: int | str) -> datetime.datetime:
        """A time (nanoseconds, or ISO-8601) in the zone of the page."""
        time_ns = parse_timestamp(time) if isinstance(time, str) else time
        try:
            moment = datetime.datetime.fromtimestamp(time_ns // SECOND, self.zone)
            return moment.replace(microsecond=time_ns % SECOND // 1000)
        except (OverflowError, OSError, ValueError):
            return datetime.datetime.fromtimestamp(0, datetime.UTC)

    def time(self, time: int | str, form: str = "full") -> str:
        """A time in words. `form`: `clock` 18:04, `second` 18:04:05, `day` Sat 21 Nov, `short` 21 Nov 18:04, or
        `full` Sat 21 Nov 2026, 18:04:05 CET."""
        at = self.local(time)
        if form == "clock":
            return f"{at.hour:02}:{at.minute:02}"
        if form == "second":
            return f"{at.hour:02}:{at.minute:02}:{at.second:02}"
        day, month = self(f"day.{at.weekday()}"), self(f"month.{at.month}")
        if form == "short":
            return self("time.short", weekday=day, day=at.day, month=month, clock=f"{at:%H:%M}")
        date = self("time.day", weekday=day, day=at.day, month=month, year=at.year)
        return date if form == "day" else f"{date}, {at:%H:%M:%S} {self.zone_name(at)}"

    def zone_name(self, at: datetime.datetime | None = None) -> str:
        """What the zone is called at a time (`CET`)."""
        name = (at or datetime.datetime.now(self.zone)).tzname() or "UTC"
        return self._texts.get(f"zone.{name}", name)

    @property
    def zone_key(self) -> str:
        """The zone's name in the time zone database, or nothing where it has none."""
        return self.zone.key if isinstance(self.zone, zoneinfo.ZoneInfo) else ""

    def ago(self, seconds: float) -> str:
        """How long ago: `3 min ago`."""
        return self("time.now") if seconds < 2 else self("time.ago", duration=self.duration(seconds))

    # --- uploads ---

    def amount(self, upload_class: str, seconds: float, duration: float = 0.0) -> str:
        """What left: `3.4 s of speech`, `a live stream of 4 min`."""
        if upload_class == "media":
            return self("amount.media", duration=self.duration(duration))
        return self(f"amount.{upload_class}", duration=self.duration(seconds))

    def why(self, reason: str) -> str:
        """A reason of a verdict, as a sentence."""
        return self.either(f"reason.{reason}", reason.replace("_", " "))

    def change(self, reason: str) -> str:
        """What would have changed the verdict; empty where nothing is to be said."""
        return self.either(f"remedy.{reason}", "")

    def rule(self, rule_id: str, part: str, otherwise: str) -> str:
        """A part of a rule's text (`title`, `description`, or `triage.1` and so on) in the reader's language, or as the
        rule has it."""
        return self._texts.get(f"rule.{rule_id}.{part}") or otherwise

    def evidence(self, item: Mapping[str, Any]) -> str:
        """An item of evidence, in the reader's language where it has words for it."""
        key = f"evidence.{item.get('name')}"
        side = "for" if float(item.get("weight") or 0) >= 0 else "against"
        text = self._texts.get(key) or self._texts.get(f"{key}.{side}")
        if text is None:
            return str(item.get("text") or "")
        value = float(item.get("value") or 0)
        return text.format(
            value=self.number(value, 1),
            whole=self.number(value),
            percent=self.percent(value) if value <= 1 else f"{self.number(100 * value)}{NARROW}%",
            kilobytes=self.number(value / 1000, 1 if value < 10_000 else 0),
        )


def plain(text: object, width: int = MAX_NAME) -> str:
    """A name from the network as printable characters, at most `width`; no character changes the direction of text."""
    shown = str(text)[: 4 * width]
    if not shown.isprintable():
        shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in shown)
    return shown if len(shown) <= width else shown[: width - 1] + "\N{HORIZONTAL ELLIPSIS}"


def choose_language(header: str, cookie: str | None = None) -> str:
    """The language of a reader, by a choice of theirs or what the browser says (`Accept-Language`)."""
    if cookie in LANGUAGES:
        return str(cookie)
    wanted = []
    for part in header[:500].split(","):
        tag, _, parameters = part.strip().partition(";")
        try:
            quality = float(parameters.strip().removeprefix("q=") or 1)
        except ValueError:
            quality = 0.0
        wanted.append((-quality, tag.partition("-")[0].lower()))
    return next((tag for _, tag in sorted(wanted, key=lambda pair: pair[0]) if tag in LANGUAGES), DEFAULT_LANGUAGE)


@functools.cache
def texts(language: str) -> dict[str, str]:
    """The texts of a language: keys with dots, such as `now.title`."""
    file = LOCALE / f"{language}.yml"
    found = built(file.read_text(encoding="utf-8"), file.name, LocatedError, lambda document, _: document)
    flat: dict[str, str] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{prefix}.{key}" if prefix else str(key), inner)
        else:
            flat[prefix] = str(value)

    walk("", found)
    return flat
