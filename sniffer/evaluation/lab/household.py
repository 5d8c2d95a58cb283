"""The wake sources and the person of one simulated house, live: they report, testify when asked, and answer."""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Callable, Sequence

import numpy as np

from sniffer.evaluation.lab.contenders import seconds
from sniffer.evaluation.lab.ears import COVERED_S, Ear, Setup, _ns
from sniffer.evaluation.lab.listeners import Scene, draw_scene, testify
from sniffer.evaluation.lab.months import DAY, Truth
from sniffer.evaluation.lab.score import MARGIN
from sniffer.judge import Judge
from sniffer.judge.settings import JudgeSettings
from sniffer.judge.testimony import Table
from sniffer.model import Device, Judged, Trust, Upload, WakeEvent, WakeKind
from sniffer.model.clock import SECOND

#: Seconds between two signs of life of a listener; a real one gives one every 20 s.
HEARTBEAT_S = 3600.0
#: The judge is asked for verdicts this long after an upload (a daemon asks it every second), so that a person is asked
#: while they remember.
LOOKS_NS = (5 * SECOND, 90 * SECOND)
#: A request is to be heard beside an upload that began within this time of it; later parts of a dialogue have none.
SAME_SCENE_NS = 4 * SECOND


class Household:
    """One setup over one month. `questions` counts what the person was asked."""

    def __init__(
        self,
        setup: Setup,
        truths: Sequence[Truth],
        days: int,
        seed: int,
        table: Table,
        device: Callable[[int], Device],
    ) -> None:
        self._setup, self._days = setup, days
        self._luck = np.random.default_rng([seed, 77])
        self._truths = sorted(truths, key=lambda truth: truth.begin)
        self._macs = sorted({truth.mac for truth in truths})
        sources = [ear.source() for ear in setup.ears]
        self._judge = Judge(JudgeSettings(), sources, device, table=table, identify=_identifier)
        self._serial = 0
        self._waiting: list[tuple[int, int, Upload | WakeEvent | None]] = []
        self.questions = 0

    def run(self, uploads: Sequence[Upload]) -> list[Judged]:
        """Play everything in the order of its arrival; return the verdicts."""
        for ear in self._setup.ears:
            for event in ear.events(self._luck, self._truths, self._days, self._macs):
                self._push(event.received_ns, event)
            if ear.room is not None:
                self._beat(ear)
        scenes: dict[float, Scene] = {}
        for upload in uploads:
            self._push(upload.final_ns, upload)
            for later_ns in LOOKS_NS:
                self._push(upload.final_ns + later_ns, None)
            asked = self._asked(upload)
            when = seconds(upload.start_ns) if asked is None else asked
            if when not in scenes:
                scenes[when] = draw_scene(asked is not None, self._luck)
            for ear in self._setup.ears:
                if ear.room is not None:
                    self._testify(ear, upload, scenes[when], asked)
        found: list[Judged] = []
        now = 0
        while self._waiting:
            now, _, item = heapq.heappop(self._waiting)
            if isinstance(item, Upload):
                self._judge.upload(item)
            elif item is not None:
                self._judge.wake(item)
            found += self._ask(self._judge.advance(now - 1))
        return found + self._judge.finish()

    def _push(self, time_ns: int, item: Upload | WakeEvent | None) -> None:
        self._serial += 1
        heapq.heappush(self._waiting, (time_ns, self._serial, item))

    def _beat(self, ear: Ear) -> None:
        for number in range(round(self._days * DAY / HEARTBEAT_S)):
            at = _ns(number * HEARTBEAT_S)
            claimed = at + round(ear.skew * SECOND)
            self._push(at, WakeEvent(claimed, ear.name, WakeKind.SOURCE_UP, received_ns=at))

    def _testify(self, ear: Ear, upload: Upload, scene: Scene, asked: float | None) -> None:
        """Testify about an upload. A wake word above the cut-off is a wake event as well."""
        assert ear.room is not None
        start = upload.start_ns
        covered = ear.covered and seconds(start) > COVERED_S
        heard_here = asked is None or abs(start - _ns(asked)) < SAME_SCENE_NS
        mine = scene if heard_here else Scene(False, "speech")
        said = testify(ear.room, mine, start, self._luck, covered=covered, late_s=ear.skew)
        if said.best >= 0.9 and not covered:
            word = seconds(start) - 0.5 if asked is None or not heard_here else asked
            stamp = _ns(word + ear.skew + self._luck.normal(0, ear.jitter))
            arrived = _ns(word + self._luck.uniform(*ear.late))
            self._push(arrived, WakeEvent(stamp, ear.name, received_ns=max(arrived, stamp)))
        arrived = upload.final_ns + SECOND // 2
        self._push(arrived, WakeEvent(said.to_ns, ear.name, WakeKind.TESTIMONY, received_ns=arrived, testimony=said))

    def _ask(self, found: list[Judged]) -> list[Judged]:
        """Ask the person where the judge would; an answer comes within ten minutes."""
        person = self._setup.person
        if person is None:
            return found
        for judged in found:
            if self._judge.question(judged) is None:
                continue
            self.questions += 1
            answer = person.answer(self._asked(judged.upload) is not None, self._luck)
            if answer is not None:
                at = judged.verdict.time_ns + round(self._luck.uniform(5, 600) * SECOND)
                name = _identifier(judged.upload)
                event = WakeEvent(at, "page", WakeKind.ANSWER, None, Trust.PERSON, at, upload=name, answer=answer)
                self._push(at, event)
        return found

    def _asked(self, upload: Upload) -> float | None:
        """Return when the request of an upload was made, None if there was none."""
        begin = seconds(upload.start_ns)
        first = bisect.bisect_left(self._truths, begin - 120.0, key=lambda truth: truth.begin)
        for truth in self._truths[first:]:
            if truth.begin > begin + MARGIN:
                break
            if truth.mac == upload.key and truth.asked is not None and truth.end > begin - MARGIN:
                return truth.asked
        return None


def _identifier(upload: Upload) -> str:
    return f"{upload.key}-{upload.start_ns}"
