"""A real adapter and a real judge in one house: somebody may have asked, an upload leaves, what is the verdict?

Time is a clock that the scene sets forward in steps. Between them the adapter gets the real moments that its sockets
need.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sniffer.judge import Judge
from sniffer.judge.settings import JudgeSettings
from sniffer.model import FlowKey, Service, Upload, UploadClass, Verdict
from sniffer.wake.session import Source
from sniffer.wake.settings import HomeAssistantSource, SourceSettings
from tests.judge.story import DEVICES, KEYS, START, S
from tests.wake.ears import Heard

#: A source's word holds for a minute: time goes on in steps that a living source bridges.
STEP = 40.0


class Steps:
    """A clock that stands still until it is set forward."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def forward(self, seconds: float) -> None:
        self._seconds += seconds

    def now_ns(self) -> int:
        return START + round(self._seconds * S)

    def monotonic(self) -> float:
        return self._seconds


class Scene(Heard):
    """A source at work. `settings` must make it an ear that misses nothing, so that only its right to speak counts."""

    def __init__(self, settings: SourceSettings, source: Source) -> None:
        self.clock = Steps()
        also = (settings.vendor_name,) if isinstance(settings, HomeAssistantSource) and settings.has_vendor else ()
        super().__init__(source, clock=self.clock, also=also)
        specs = settings.specs() if isinstance(settings, HomeAssistantSource) else (settings.spec(),)
        self.judge = Judge(JudgeSettings(), specs, DEVICES.__getitem__)
        self._given = 0

    @property
    def problem(self) -> str:
        return self.session.status().problem or ""

    def heard(self) -> int:
        return len(self.wakes())

    def later(self, seconds: float = 120.0) -> None:
        """Time passes. A source that lives says so in each step; one that does not had its chance."""
        while seconds > 0:
            step = min(STEP, seconds)
            self.clock.forward(step)
            seconds -= step
            self._sign()

    def _sign(self) -> None:
        before = len(self.events)
        end = time.monotonic() + 0.8
        while len(self.events) == before and time.monotonic() < end:
            time.sleep(0.01)

    def upload(self, device: str = "kitchen", what: UploadClass = UploadClass.SPEECH) -> Verdict:
        """Three seconds of speech leave that nothing explains; the first verdict on them."""
        start = self.clock.now_ns()
        self.clock.forward(1.5)
        self.session.ask()
        self._sign()
        self.clock.forward(3.0)
        end = start + 3 * S
        flow = FlowKey((0, KEYS[device]), 4000, (0, 99), 443, 6)
        self.judge.upload(
            Upload(
                KEYS[device], (flow,), Service(), start, end, end + S, what, 5.0, 0.99, 40_000, 9_000, 60, 437, 20.0,
                3.0, answered=False,
            )
        )  # fmt: skip
        self.later(120.0)
        (verdict,) = self.verdicts()
        return verdict

    def verdicts(self) -> list[Verdict]:
        """Those that are new up to now."""
        new, self._given = self.events[self._given :], len(self.events)
        for event in new:
            self.judge.wake(event)
        return [judged.verdict for judged in self.judge.advance(self.clock.now_ns())]

    def until(self, ready: Callable[[], object], seconds: float = 10.0) -> None:
        """Wait for a thread of ours."""
        end = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < end, f"waited in vain; {self.session.status()}"
            time.sleep(0.01)
