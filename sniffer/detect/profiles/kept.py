"""The profiles of all devices, and what uploads taught them lately, for when that has to be taken back."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sniffer.detect.flows.flow import Flow
from sniffer.detect.profiles.profile import DeviceProfile
from sniffer.model.clock import SECOND

#: How long what an upload taught can be taken back, and how many lessons of a device are kept for that.
_LESSON_NS, _MAX_LESSONS = 120 * SECOND, 8
#: Devices whose profiles are kept: more than a house has.
_MAX_DEVICES = 1024


@dataclass(frozen=True, slots=True)
class _Lesson:
    """What a device's profile was before an upload of a connection taught it something."""

    connection: int
    time_ns: int
    before: dict[str, Any]


class Profiles:
    """At most `_MAX_DEVICES`. Where there are too many, the oldest that never spoke is evicted."""

    def __init__(self, learned: Mapping[int, DeviceProfile]) -> None:
        self._profiles = dict(learned)
        self._lessons: dict[int, deque[_Lesson]] = {}

    def copies(self) -> dict[int, DeviceProfile]:
        """The profile of each device, as values of their own."""
        return {key: DeviceProfile.from_dict(value.to_dict()) for key, value in self._profiles.items()}

    def known(self, key: int) -> DeviceProfile | None:
        """What is known of a device."""
        return self._profiles.get(key)

    def of(self, key: int) -> DeviceProfile:
        """The profile of a device, begun where there is none."""
        profile = self._profiles.get(key)
        if profile is None:
            if len(self._profiles) >= _MAX_DEVICES:
                silent = (known for known, other in self._profiles.items() if not other.speech)
                gone = next(silent, next(iter(self._profiles)))
                del self._profiles[gone]
                self._lessons.pop(gone, None)
            profile = self._profiles[key] = DeviceProfile()
        return profile

    def note(self, flow: Flow, at_ns: int) -> None:
        """An upload of this connection is about to teach its device something."""
        lessons = self._lessons.setdefault(flow.key, deque(maxlen=_MAX_LESSONS))
        lessons.append(_Lesson(flow.connection, at_ns, self.of(flow.key).to_dict()))

    def unlearn(self, flow: Flow, at_ns: int) -> None:
        """Take back what uploads of this connection taught: it turned out to be a stream."""
        lessons = self._lessons.get(flow.key)
        if not lessons:
            return
        for place, lesson in enumerate(lessons):
            if lesson.connection == flow.connection and at_ns - lesson.time_ns <= _LESSON_NS:
                self._profiles[flow.key] = DeviceProfile.from_dict(lesson.before)
                while len(lessons) > place:
                    lessons.pop()
                return
