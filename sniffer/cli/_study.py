"""A study from the command line: captures of many houses through the three steps, by processes or by a cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sniffer.app.parallel import in_order
from sniffer.app.places import below, is_url, spelled_out
from sniffer.app.results import Results
from sniffer.app.study import Digest, Item, Judged, Study, Survey, houses, shard
from sniffer.cli._common import captures_in, looks_like_capture
from sniffer.errors import UsageError

Thing = TypeVar("Thing")
Result = TypeVar("Result")


class Engine(Protocol):
    """What maps a step over things, and gives the results in their order."""

    def __call__(
        self, step: Callable[[Study, Thing], Result], things: Sequence[Thing], failed: Callable[[Thing, str], Result]
    ) -> Iterator[Result]: ...


def digest(study: Study, item: Item) -> Digest:
    """The first step."""
    return study.digest(item)


def survey(study: Study, item: Item) -> Survey:
    """The second step."""
    return study.survey(item)


def judge(study: Study, task: tuple[Item, Sequence[Any]]) -> Judged:
    """The third step."""
    return study.judged(task)


def engine(stack: ExitStack, study: Study, scheduler: str | None, jobs: int) -> Engine:
    """The workers of a scheduler, or processes of this machine. Raises UsageError where there is no scheduler."""
    if scheduler is None:

        def here(step: Any, things: Sequence[Any], failed: Any) -> Iterator[Any]:
            return in_order(lambda thing: step(study, thing), things, jobs)

        return here
    from sniffer.app.cluster import connected

    cluster = stack.enter_context(connected(scheduler))

    def there(step: Any, things: Sequence[Any], failed: Any) -> Iterator[Any]:
        return cluster.in_order(step, study, things, failed)

    return there


def items_of(places: Sequence[str], *, by_house: bool, share: tuple[int, int] | None) -> list[Item]:
    """Return the captures at these places, each once; with `by_house` each place is a house of its own, named as its
    folder is. Raises UsageError where two houses have one name."""
    found: dict[str, Item] = {}
    named: dict[str, str] = {}
    for place in spelled_out(places):
        house = Path(place.rstrip("/")).name if by_house else ""
        if named.setdefault(house, place) != place and by_house:
            raise UsageError(f"two houses are called '{house}': {named[house]} and {place}")
        if is_url(place):
            one = below(place)
            captures = [url for url in one if url == place or looks_like_capture(Path(url))]
        else:
            captures = [str(path) for path in captures_in([Path(place)])]
        for capture in captures:
            found.setdefault(capture, Item(capture, house))
    items = list(found.values())
    return shard(items, *share) if share else items


def surveyed(run: Engine, study: Study, items: Sequence[Item]) -> tuple[list[Item], dict[str, list[Any]]]:
    """Learn who is who in each house; return the captures in the order of time, and the facts of each house."""
    surveys = list(run(survey, items, lambda item, reason: Survey(item)))
    order = sorted(surveys, key=lambda found: (found.item.house, found.first_ns))
    return [found.item for found in order], houses(items, order)


@dataclass
class Summary:
    """What came of a study: captures judged now, judged before, and not readable; uploads by verdict."""

    judged: int = 0
    before: int = 0
    failed: int = 0
    undecoded: int = 0
    uploads: Counter[str] = field(default_factory=Counter)

    def note(self, note: dict[str, Any], say: Callable[[str], None], *, again: bool) -> None:
        """Count one capture; report what was wrong with it, once."""
        if note["error"]:
            self.failed += 1
        elif again:
            self.before += 1
        else:
            self.judged += 1
        self.uploads.update(note["uploads"])
        if note["error"] and not again:
            say(str(note["error"]))

    def sentence(self) -> str:
        """Say it in one line."""
        counts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(self.uploads.items())) or "no uploads"
        before = f", {self.before} judged before" if self.before else ""
        bad = f", {self.failed} could not be read" if self.failed else ""
        return f"{self.judged} captures judged{before}{bad}; {counts}"


def into_folder(
    run: Engine, study: Study, items: Sequence[Item], results: Results,
    say: Callable[[str], None], begin: Callable[[str, int], None], reach: Callable[[float], None],
) -> Summary:  # fmt: skip
    """Judge what is not judged yet, and write each capture's results when they are there."""
    summary = Summary()
    digests: list[Digest] = []
    begin("reading", len(items))
    hashed = run(digest, items, lambda item, reason: Digest(item, error=f"{item.capture}: {reason}"))
    for done, found in enumerate(hashed, 1):
        digests.append(found)
        reach(done)
    readable = [found for found in digests if not found.error]
    for found in digests:
        if found.error:
            summary.failed += 1
            say(found.error)
    surveys = _surveys(run, study, readable, results, begin, reach)
    known = houses([found.item for found in readable], surveys)
    for facts in known.values():
        facts.sort(key=lambda fact: (fact.time_ns, fact.key, fact.kind, fact.value))
    wanted: list[tuple[Item, Sequence[Any]]] = []
    identities: list[str] = []
    for found in readable:
        identity = study.identity(found, known[found.item.house])
        note = results.done(identity)
        if note is not None:
            summary.note(dict(note), say, again=True)
            continue
        wanted.append((found.item, known[found.item.house]))
        identities.append(identity)
    begin("judging", len(wanted))

    def failed(task: tuple[Item, Sequence[Any]], reason: str) -> Judged:
        return Judged(task[0], error=f"{task[0].capture}: {reason}", lost=True)

    for done, (identity, judged) in enumerate(zip(identities, run(judge, wanted, failed), strict=True), 1):
        summary.note(results.keep(identity, judged), say, again=False)
        reach(done)
    return summary


def _surveys(
    run: Engine, study: Study, digests: Sequence[Digest], results: Results,
    begin: Callable[[str, int], None], reach: Callable[[float], None],
) -> list[Survey]:  # fmt: skip
    """What the hosts of each capture show: remembered, or learned now."""
    found: list[Survey] = []
    missing: list[Digest] = []
    for one in digests:
        facts = results.survey(study.identity(one, ()))
        if facts is None:
            missing.append(one)
        else:
            found.append(Survey(one.item, facts))
    begin("who is who", len(missing))
    told = run(survey, [one.item for one in missing], lambda item, reason: Survey(item))
    for done, (one, learned) in enumerate(zip(missing, told, strict=True), 1):
        results.keep_survey(study.identity(one, ()), learned.facts)
        found.append(learned)
        reach(done)
    return found


def parse_share(text: str | None) -> tuple[int, int] | None:
    """`3/20`: the third of twenty. Raises UsageError."""
    if text is None:
        return None
    number, slash, count = text.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise UsageError(f"--shard {text}: expected I/N with I from 1 to N, for example 3/20")
    return int(number), int(count)
