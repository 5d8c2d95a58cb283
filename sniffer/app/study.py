"""Many captures of many houses: what is done with each, as functions of values, whoever calls them.

A study has three steps, each a map over captures: `digest` (what is in the file), `survey` (what its hosts show of
themselves) and `judge`. Between the steps the facts of each house are put together. Whatever maps a function over
values can do the steps: the processes of this machine (`sniffer.app.parallel`) or a cluster (`sniffer.app.cluster`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from sniffer import __version__
from sniffer.app.batch_job import OfflineJudge, Outcome
from sniffer.app.places import local
from sniffer.capture.files.open import open_capture
from sniffer.errors import CaptureError
from sniffer.model import Fact, Record

#: Bytes that are read at a time when a file is hashed.
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Item:
    """One capture of a study: where it is (a path or a URL), and in which house it was made."""

    capture: str
    house: str = ""


@dataclass(frozen=True, slots=True)
class Digest:
    """What identifies the content of a capture: its SHA-256 as hexadecimal digits; or why it cannot be read."""

    item: Item
    sha256: str = ""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """What the hosts of one capture show of themselves, and the time of its first packet; nothing where it cannot be
    read."""

    item: Item
    facts: tuple[Fact, ...] = ()
    first_ns: int = 0


@dataclass(slots=True)
class Judged:
    """One capture after it was judged: its records, and what is known of it; or why it cannot be read. Where it was
    `lost` on the way, another attempt may succeed."""

    item: Item
    records: list[Record] = field(default_factory=list)
    outcome: Outcome | None = None
    error: str | None = None
    lost: bool = False


@dataclass(frozen=True)
class Study:
    """The three steps with one configuration: an object that can be sent to other processes and machines. `rules` is
    the hash of the rules in force (`rules_hash`)."""

    judge: OfflineJudge
    rules: str

    def digest(self, item: Item) -> Digest:
        """Hash the content of a capture."""
        try:
            with _opened(item) as path, path.open("rb") as stream:
                sha256 = hashlib.sha256()
                while chunk := stream.read(CHUNK_BYTES):
                    sha256.update(chunk)
        except CaptureError as error:
            return Digest(item, error=str(error))
        except OSError as error:
            return Digest(item, error=f"{item.capture}: cannot be read: {error.strerror or error}")
        return Digest(item, sha256.hexdigest())

    def survey(self, item: Item) -> Survey:
        """Learn what the hosts of a capture show of themselves."""
        try:
            with _opened(item) as path:
                facts = replace(self.judge, facts={}).facts_of(path)
                return Survey(item, tuple(facts), first_moment(path))
        except CaptureError:
            return Survey(item)  # the error is reported when the capture is judged

    def judged(self, task: tuple[Item, Sequence[Fact]]) -> Judged:
        """Judge a capture, with the facts that all captures of its house show."""
        item, facts = task
        judge = replace(self.judge, facts={})
        judge.learn(facts)
        found = Judged(item, outcome=Outcome(item.capture))
        assert found.outcome is not None
        try:
            with _opened(item) as path:
                found.records = list(judge.file(path, found.outcome, lambda done, total: None))
        except CaptureError as error:
            found.error = str(error)
        return found

    def identity(self, digest: Digest, facts: Sequence[Fact]) -> str:
        """Return what identifies a judgement: the content of the capture, the house and its facts, this version, its
        configuration, its rules and the wake events. Where one of them is another, the capture is judged again."""
        told = sorted((fact.key, fact.kind, fact.value, fact.time_ns) for fact in facts)
        return _hash(digest.item.house, Path(digest.item.capture).name, digest.sha256, repr(told), self.fingerprint)

    @property
    def fingerprint(self) -> str:
        """The same for all captures: version, configuration, rules and wake events, as a hash."""
        return _hash(__version__, self.judge.config.model_dump_json(), self.rules, repr(self.judge.events))


def first_moment(path: Path) -> int:
    """Return the time (ns) of a capture's first packet; 0 where there is none, or it cannot be read."""
    try:
        with open_capture(path) as reader:
            return next((int(block.time_ns[0]) for block in reader if len(block)), 0)
    except CaptureError:
        return 0


def rules_hash(folders: Sequence[Path]) -> str:
    """Hash all files of rules."""
    files = sorted((file for folder in folders for file in folder.rglob("*") if file.is_file()), key=str)
    return _hash(*(text for file in files for text in (file.name, hashlib.sha256(file.read_bytes()).hexdigest())))


def houses(items: Sequence[Item], surveys: Sequence[Survey]) -> dict[str, list[Fact]]:
    """Put together what the captures of each house show, each fact once."""
    found: dict[str, dict[tuple[int, str, str], Fact]] = {item.house: {} for item in items}
    for survey in surveys:
        known = found[survey.item.house]
        for fact in survey.facts:
            known.setdefault((fact.key, fact.kind, fact.value), fact)
    return {house: list(facts.values()) for house, facts in found.items()}


def shard(items: Sequence[Item], number: int, count: int) -> list[Item]:
    """Return the share of one job (`number` from 1 to `count`): whole houses, by a hash of their names; where all
    captures are of one house, the captures by a hash of their names."""
    together = len({item.house for item in items}) > 1
    names = ((item, item.house if together else item.capture) for item in items)
    return [item for item, name in names if int(_hash(name)[:8], 16) % count == number - 1]


@contextmanager
def _opened(item: Item) -> Iterator[Path]:
    with local(item.capture) as path:
        yield path


def _hash(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode(errors="surrogatepass")).hexdigest()
