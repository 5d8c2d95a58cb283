"""What `sniffer analyze` shows while it works, and what its exit status needs to know."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO

from sniffer import __version__
from sniffer.app.batch_job import OfflineJudge, Outcome
from sniffer.app.config import Config
from sniffer.app.config_lint import unknown_name
from sniffer.app.parallel import in_order
from sniffer.app.study import Item, Judged, Study, first_moment
from sniffer.cli import _study
from sniffer.cli._progress import Bar
from sniffer.cli._show import header, plain, row
from sniffer.errors import CaptureError, UsageError
from sniffer.identify.configured import Unseen
from sniffer.model import Device, Fact, Record, key_text

#: Hosts that are listed where no device with a microphone was recognised.
MAX_HOSTS = 20


class Report:
    """Shows results while they come, and remembers what the exit status needs."""

    def __init__(self, stack: ExitStack, output_format: str, output: Path | None, show_all: bool, quiet: bool) -> None:
        self._json = output_format == "jsonl"
        self._show_all, self._quiet = show_all, quiet
        self._out: IO[str] = sys.stdout
        if output is not None:
            try:
                self._out = stack.enter_context(output.open("w", encoding="utf-8"))
            except OSError as error:
                raise UsageError(f"{output}: cannot be written: {error.strerror}") from None
        self._bar = Bar(stack, wanted=not quiet)
        self._headed = self._several = False
        self.read = self.bad = self.undecoded = 0
        self.verdicts: Counter[str] = Counter()
        self._watched: set[int] = set()
        self._nobody: list[Outcome] = []
        self._known: set[str] = set()
        self._seen: set[str] = set()
        self._unseen: dict[str, Unseen] = {}
        self._kept: list[Record] | None = [] if output_format == "html" else None
        self._outcomes: list[Outcome] = []

    def files(self, judge: OfflineJudge, captures: Sequence[Path], jobs: int) -> None:
        jobs = min(jobs, len(captures))
        self._several = len(captures) > 1
        captures = sorted(captures, key=first_moment)
        if len(captures) > 1:
            # Who is who, in all captures together. A capture that cannot be read is reported when its turn comes.
            found = in_order(partial(_facts, judge), captures, jobs)
            self._bar.begin("who is who", len(captures))
            for done, facts in enumerate(found, 1):
                judge.learn(facts)
                self._bar.reach(done)
        self._bar.begin("judging", len(captures))
        if jobs > 1:
            self._side_by_side(judge, captures, jobs)
        else:
            for path in captures:
                self._one(judge, path)
        self._bar.end()
        self._sum_up()

    def study(self, run: _study.Engine, study: Study, items: Sequence[Item]) -> None:
        """The captures of several houses, or on a cluster; each one's results are shown when it is its turn."""
        self._several = len(items) > 1
        self._bar.begin("who is who", len(items))
        order, known = _study.surveyed(run, study, items)
        self._bar.begin("judging", len(items))

        def failed(task: tuple[Item, Sequence[Fact]], reason: str) -> Judged:
            return Judged(task[0], error=f"{task[0].capture}: {reason}")

        for judged in run(_study.judge, [(item, known[item.house]) for item in order], failed):
            if judged.error is not None or judged.outcome is None:
                self._show(judged.records)
                self._failed(CaptureError(judged.error or ""))
            else:
                self._take(judged.records, judged.outcome)
            self._bar.reach(self.read + self.bad)
        self._bar.end()
        self._sum_up()

    def _one(self, judge: OfflineJudge, path: Path) -> None:
        """One capture, its results shown as they come."""
        outcome, done = Outcome(str(path)), self.read + self.bad

        def advance(bytes_read: int, total: int) -> None:
            self._bar.reach(done + min(1.0, bytes_read / total if total else 0))

        self._bar.reach(done, plain(path.name, 40))
        try:
            self._take(judge.file(path, outcome, advance), outcome)
        except CaptureError as error:
            self._failed(error)
        self._bar.reach(self.read + self.bad)

    def _side_by_side(self, judge: OfflineJudge, captures: Sequence[Path], jobs: int) -> None:
        """Several captures at a time, each one's results shown when it is its turn."""
        for records, outcome, error in in_order(
            partial(_judged, judge, self._show_all or self._kept is not None), captures, jobs
        ):
            if error is not None:
                self._show(records)
                self._failed(error)
            else:
                self._take(records, outcome)
            self._bar.reach(self.read + self.bad)

    def _failed(self, error: CaptureError) -> None:
        self._say(str(error))
        self.bad += 1

    def stream(self, judge: OfflineJudge) -> None:
        self._bar.end()
        outcome = Outcome("-")
        self._take(judge.stream(sys.stdin.buffer, outcome), outcome)
        self._sum_up()

    def _take(self, records: Iterable[Record], outcome: Outcome) -> None:
        """Show the records of one capture. Raises CaptureError where it cannot be read."""
        self._show(records)
        self.read += 1
        self._outcomes.append(outcome)
        self.undecoded += outcome.undecoded
        for problem in outcome.problems:
            self._say(f"{outcome.capture}: {problem}")
        seen = {device.name for device in outcome.hosts} - {unseen.name for unseen in outcome.unseen}
        self._seen |= seen
        self._unseen.update({unseen.name: unseen for unseen in outcome.unseen})
        self._watched |= {device.key for device in outcome.watched} - {unseen.key for unseen in outcome.unseen}
        self._known.update(name for device in outcome.hosts for name in (device.name, key_text(device.key)))
        if not outcome.watched:
            self._nobody.append(outcome)

    def _show(self, records: Iterable[Record]) -> None:
        for record in records:
            if self._kept is not None:
                self._keep(record)
            elif record["event_type"] == "upload":
                self._upload(record)
            elif self._json and self._show_all:
                self._line(json.dumps(record))

    def _keep(self, record: Record) -> None:
        """Hold a record for the report, which is written at the end."""
        assert self._kept is not None
        if record["event_type"] in ("upload", "loss", "device", "wake"):
            self._kept.append(record)
        if record["event_type"] == "upload" and record["verdict"] and record["revision"] == 0:
            self.verdicts[record["verdict"]] += 1

    def html(self, config: Config, config_path: Path | None, wake_files: Sequence[Path], language: str) -> None:
        """Write the report of all captures. Raises UsageError where an input cannot be read again."""
        from sniffer.app.page import zone_of
        from sniffer.cli.report import command_line, hashed
        from sniffer.web.report import report
        from sniffer.web.words import Words

        inputs = [
            dataclasses.replace(
                hashed(Path(outcome.capture)),
                packets=outcome.packets,
                first_ns=outcome.first_ns or None,
                last_ns=outcome.last_ns or None,
                undecoded=outcome.undecoded,
                devices=len(outcome.hosts),
                watched=len(outcome.watched),
                problems=tuple(outcome.problems),
            )
            for outcome in self._outcomes
        ]
        self._line(
            report(
                self._kept or (),
                inputs,
                Words(language, zone_of(config)),
                version=__version__,
                made_ns=time.time_ns(),
                command=command_line(),
                configuration=hashed(config_path) if config_path else None,
                wake=[hashed(file) for file in wake_files],
            )
        )

    def _upload(self, record: Record) -> None:
        if record["verdict"] is None and not self._show_all:
            return
        if record["revision"] == 0:
            self.verdicts[record["verdict"] or "not judged"] += 1
        if self._json:
            self._line(json.dumps(record))
            return
        if not self._headed:
            self._headed = True
            self._line(header(captures=self._several))
        self._line(row(record, colour=self._out.isatty(), captures=self._several))

    def _line(self, text: str) -> None:
        with self._bar.aside():
            self._out.write(text + "\n")
            self._out.flush()

    def _say(self, text: str) -> None:
        self._bar.say(f"sniffer: {text}")

    def unknown(self, named: Iterable[str], known: set[str]) -> None:
        """A wake event for a device that is nowhere explains nothing, and what was asked for looks unasked."""
        for name in sorted(named):
            remedy = unknown_name(name, self._known | known)
            if remedy is not None and self.read:
                self._say(f"wake events for '{plain(name, 64)}' explain nothing: no device is called so; {remedy}")

    def _sum_up(self) -> None:
        if self.read:
            for name, unseen in self._unseen.items():
                if name not in self._seen:
                    self._say(f"{unseen} in {'this capture' if self.read == 1 else 'any of these captures'}")
        if self._nobody and not self._watched:
            self._say_nobody(self._nobody)
        elif self._nobody and not self._quiet:
            self._say(f"{len(self._nobody)} captures hold no device with a microphone that we recognise")
        if self._quiet or self.read == 0:
            return
        counts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(self.verdicts.items())) or "no uploads"
        captures = "1 capture" if self.read == 1 else f"{self.read} captures"
        bad = f", {self.bad} could not be read" if self.bad else ""
        devices = "1 device" if len(self._watched) == 1 else f"{len(self._watched)} devices"
        self._say(f"{captures}{bad}; {devices} watched; {counts}")

    def _say_nobody(self, outcomes: Sequence[Outcome]) -> None:
        packets = sum(outcome.packets for outcome in outcomes)
        if not packets:
            self._say("no packets in there")
            return
        self._say("no device with a microphone was recognised. Hosts that were seen:")
        hosts = {device.key: device for outcome in outcomes for device in outcome.hosts}
        for device in list(hosts.values())[:MAX_HOSTS]:
            self._say(f"  {_describe(device)}")
        if len(hosts) > MAX_HOSTS:
            self._say(f"  and {len(hosts) - MAX_HOSTS} more (sniffer devices FILE lists all)")
        example = key_text(next(iter(hosts))) if hosts else "68:db:f5:90:19:64"
        self._say(f"If one of them is a speaker, name it: --device {example}=kitchen")


def _facts(judge: OfflineJudge, path: Path) -> list[Fact]:
    try:
        return judge.facts_of(path)
    except CaptureError:
        return []


def _judged(judge: OfflineJudge, everything: bool, path: Path) -> tuple[list[Record], Outcome, CaptureError | None]:
    """One capture, in a process of its own: what is shown of it, and what was wrong."""
    outcome = Outcome(str(path))
    records: list[Record] = []
    try:
        found = judge.file(path, outcome, lambda done, total: None)
        records.extend(record for record in found if everything or record["event_type"] == "upload")
    except CaptureError as error:
        return records, outcome, error
    return records, outcome, None


def _describe(device: Device) -> str:
    guess = " ".join(part for part in (device.vendor, device.model) if part)
    kind = f", {device.kind}" if device.kind != "unknown" else ""
    return plain(f"{key_text(device.key)}  {guess or 'unknown'}{kind}", 100)
