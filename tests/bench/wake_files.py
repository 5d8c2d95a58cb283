"""What happens to real uploads where wake files are wrong: events removed, shifted, delayed, doubled.

    python -m tests.bench.wake_files ../shared/data/vcf/haipeng_li --device c4:95:00:e3:93:2f=echo

Each capture's own uploads are taken as asked for, with a wake event each, 0.6 s before its start on average. Then the
events are spoilt, and the uploads are judged again. An *accusation* is a verdict `unexpected`, at any revision.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sniffer.app.batch_job import OfflineJudge, Outcome
from sniffer.app.build import load_rulebook
from sniffer.cli._common import captures_in, effective_config
from sniffer.judge import Judge
from sniffer.judge.settings import JudgeSettings
from sniffer.model import JUDGED_CLASSES, Device, Upload, VerdictKind, WakeEvent
from sniffer.wake.file_sources import file_sources

S = 1_000_000_000
SEED = 20261122


@dataclass(frozen=True)
class Story:
    """One capture: its uploads, and the event that asked for each."""

    name: str
    uploads: tuple[Upload, ...]
    events: tuple[WakeEvent, ...]


@dataclass(frozen=True)
class Told:
    """What a spoilt wake file says, and which uploads it no longer explains."""

    events: Sequence[WakeEvent]
    removed: frozenset[int] = frozenset()


def stories(paths: Sequence[Path], devices: Sequence[str], chance: random.Random) -> list[Story]:
    """The uploads of captures, found by the whole pipeline."""
    config = effective_config(None, devices)
    judge = OfflineJudge(config, load_rulebook(config))
    found = []
    for path in captures_in(paths):
        uploads: list[Upload] = []
        pipeline = judge._pipeline(str(path))
        pipeline.stages.judge.upload = uploads.append  # type: ignore[method-assign]
        judge._pipeline = lambda _, pipeline=pipeline: pipeline  # type: ignore[method-assign, misc]
        for _ in judge.file(path, Outcome(str(path)), lambda done, total: None):
            pass
        del judge._pipeline
        kept = tuple(u for u in sorted(uploads, key=lambda u: u.start_ns) if u.upload_class in JUDGED_CLASSES)
        events = tuple(WakeEvent(u.start_ns - round(chance.gauss(0.6, 0.25) * S), "ear", device="echo") for u in kept)
        if kept:
            found.append(Story(path.stem, kept, events))
    return found


def intact(story: Story, chance: random.Random) -> Told:
    return Told(story.events)


def one_removed(story: Story, chance: random.Random) -> Told:
    gone = chance.randrange(len(story.events))
    return Told([*story.events[:gone], *story.events[gone + 1 :]], frozenset({gone}))


def half_removed(story: Story, chance: random.Random) -> Told:
    gone = frozenset(chance.sample(range(len(story.events)), len(story.events) // 2))
    return Told([event for place, event in enumerate(story.events) if place not in gone], gone)


def all_removed(story: Story, chance: random.Random) -> Told:
    up = WakeEvent(story.uploads[0].start_ns - 60 * S, "ear", kind=_kind("source_up"))
    return Told([up], frozenset(range(len(story.events))))


def shifted(seconds: float) -> Callable[[Story, random.Random], Told]:
    def spoil(story: Story, chance: random.Random) -> Told:
        return Told([_moved(event, seconds) for event in story.events])

    return spoil


def shifted_anyhow(story: Story, chance: random.Random) -> Told:
    return shifted(chance.uniform(-9, 9))(story, chance)


def trembling(story: Story, chance: random.Random) -> Told:
    return Told([_moved(event, chance.uniform(-2.5, 2.5)) for event in story.events])


def delayed(story: Story, chance: random.Random) -> Told:
    late = [(event, round(chance.uniform(3.5, 60) * S)) for event in story.events]
    return Told([replace(event, received_ns=event.time_ns + wait) for event, wait in late])


def doubled(story: Story, chance: random.Random) -> Told:
    twice = [_moved(event, chance.uniform(0, 0.9)) for event in story.events for _ in range(chance.randint(0, 2))]
    return Told([*story.events, *story.events, *twice])


def another_ear(story: Story, chance: random.Random) -> Told:
    other = [replace(_moved(event, chance.uniform(-1, 1)), source="other", device=None) for event in story.events]
    return Told([*story.events, *other])


def another_ear_that_missed_some(story: Story, chance: random.Random) -> Told:
    other = [replace(event, source="other") for event in story.events if chance.random() < 0.7]
    return Told([*story.events, *other])


def words_without_uploads(story: Story, chance: random.Random) -> Told:
    first, last = story.events[0].time_ns, story.events[-1].time_ns
    more = [replace(story.events[0], time_ns=chance.randint(first, last + S)) for _ in range(3)]
    return Told([*story.events, *more])


def removed_and_shifted(story: Story, chance: random.Random) -> Told:
    told = one_removed(story, chance)
    seconds = chance.uniform(-6, 6)
    return Told([_moved(event, seconds) for event in told.events], told.removed)


def in_any_order(story: Story, chance: random.Random) -> Told:
    return Told(chance.sample(story.events, len(story.events)))


def down_meanwhile(story: Story, chance: random.Random) -> Told:
    """The source was down for the middle of the capture, and said so; what was asked then it did not hear."""
    middle = len(story.uploads) // 2
    gone = story.uploads[middle].start_ns
    down = replace(story.events[0], kind=_kind("source_down"), time_ns=gone - 8 * S)
    up = replace(story.events[0], kind=_kind("source_up"), time_ns=gone + 4 * S)
    rest = [e for p, e in enumerate(story.events) if not down.time_ns <= story.uploads[p].start_ns <= up.time_ns]
    return Told([*rest, down, up])


SPOILT: dict[str, Callable[[Story, random.Random], Told]] = {
    "as it was": intact,
    "in any order": in_any_order,
    "every event 5 s early": shifted(-5),
    "every event 5 s late": shifted(5),
    "every event 9 s early": shifted(-9),
    "every event 9 s late": shifted(9),
    "every event off by the same, up to 9 s": shifted_anyhow,
    "each event off by up to 2.5 s": trembling,
    "each event reported 3.5-60 s late": delayed,
    "each event up to four times": doubled,
    "a second ear": another_ear,
    "a second ear that missed 30 %": another_ear_that_missed_some,
    "three words that no upload followed": words_without_uploads,
    "source down for a while": down_meanwhile,
    "one event removed": one_removed,
    "one removed, the others off by up to 6 s": removed_and_shifted,
    "half of the events removed": half_removed,
    "all events removed": all_removed,
}


@dataclass
class Result:
    """Over all captures. `accused` counts uploads that were accused at any time although an event asked for them."""

    uploads: int
    accused: int
    accused_finally: int
    explained: int
    removed: Counter[str]


def measure(found: Sequence[Story], spoil: Callable[[Story, random.Random], Told], chance: random.Random) -> Result:
    """Judge all stories with spoilt events."""
    result = Result(0, 0, 0, 0, Counter())
    for story in found:
        told = spoil(story, chance)
        device = Device(story.uploads[0].key, "echo", vendor="Amazon", kind="speaker", microphone=True)
        judge = Judge(JudgeSettings(), file_sources(told.events), lambda key, device=device: device)
        for event in told.events:
            judge.wake(event)
        for upload in story.uploads:
            judge.upload(upload)
        ever: dict[int, bool] = {}
        last: dict[int, tuple[VerdictKind | None, str]] = {}
        for judged in judge.finish():
            place = story.uploads.index(judged.upload)
            accused = judged.verdict.kind is VerdictKind.UNEXPECTED
            ever[place] = ever.get(place, False) or accused
            last[place] = (judged.verdict.kind, judged.verdict.reason)
        for place in range(len(story.uploads)):
            if place in told.removed:
                result.removed[last[place][1]] += 1
                continue
            result.uploads += 1
            result.accused += ever[place]
            result.accused_finally += last[place][0] is VerdictKind.UNEXPECTED
            result.explained += last[place][0] is VerdictKind.EXPECTED
    return result


def _moved(event: WakeEvent, seconds: float) -> WakeEvent:
    return replace(event, time_ns=event.time_ns + round(seconds * S))


def _kind(name: str) -> object:
    from sniffer.model import WakeKind

    return WakeKind(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--device", action="append", default=[])
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    found = stories(arguments.paths, arguments.device, chance)
    print(f"{len(found)} captures, {sum(len(story.uploads) for story in found)} uploads\n")
    print("| wake file | asked for | accused ever | finally | explained | removed ones |\n|---|---|---|---|---|---|")
    for name, spoil in SPOILT.items():
        r = measure(found, spoil, chance)
        removed = ", ".join(f"{count} {reason}" for reason, count in r.removed.most_common()) or "-"
        print(f"| {name} | {r.uploads} | {r.accused} | {r.accused_finally} | {r.explained} | {removed} |")


if __name__ == "__main__":
    main()
