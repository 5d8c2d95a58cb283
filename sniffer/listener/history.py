"""What the models thought of the last ten minutes, and the testimony about a part of them. No sound, no words."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from sniffer.listener.recognizer import SILENCE_DB, Tenth
from sniffer.model import Testimony
from sniffer.model.clock import SECOND

#: Tenths of a second that are kept: ten minutes.
KEPT = 6000
#: A tenth of a second has a voice where the detector is at least this sure.
VOICE = 0.5
#: The noise floor is the level that this share (%) of the last minute stays under.
NOISE_PERCENTILE = 10
#: Tenths of a second that the noise floor is taken from.
NOISE_TENTHS = 600


class History:
    """A ring of tenths of a second, each with the time of its end. Any thread may ask while another adds."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._times = np.zeros(KEPT, np.int64)
        self._values = np.zeros((KEPT, 2 + len(self._names)), np.float32)
        self._added = 0
        self._grown = threading.Condition()

    def add(self, tenth: Tenth, time_ns: int) -> None:
        """Keep a tenth of a second that ended at a time. One without any movement was not heard, and is left out."""
        with self._grown:
            if not tenth.flat:
                place = self._added % KEPT
                self._times[place] = time_ns
                self._values[place] = (tenth.voice, tenth.level_db, *tenth.scores)
                self._added += 1
            self._grown.notify_all()

    @property
    def newest_ns(self) -> int:
        """When the newest tenth ended, 0 where there is none."""
        with self._grown:
            return self._newest()

    def wait_for(self, time_ns: int, timeout: float) -> None:
        """Wait until a time is reached, at most `timeout` seconds: what was said just now is still in the air."""
        with self._grown:
            self._grown.wait_for(lambda: self._newest() >= time_ns, timeout)

    def testimony(self, from_ns: int, to_ns: int) -> Testimony:
        """Return what was heard between two times; `seconds` is 0 where nothing was."""
        with self._grown:
            length = min(self._added, KEPT)
            times, values = self._times[:length], self._values[:length]
            inside = (times > from_ns) & (times <= to_ns + SECOND // 20)
            heard = values[inside]
            if not len(heard):
                return Testimony(from_ns, to_ns, (), 0.0, SILENCE_DB, SILENCE_DB, 0.0)
            around = values[(times > to_ns - NOISE_TENTHS * SECOND // 10) & (times <= to_ns + SECOND // 20), 1]
            best = heard.max(axis=0)
            return Testimony(
                from_ns,
                to_ns,
                tuple((name, round(float(best[2 + n]), 4)) for n, name in enumerate(self._names)),
                voice=round(float((heard[:, 0] >= VOICE).mean()), 3),
                level_db=round(float(best[1]), 1),
                noise_db=round(float(np.percentile(around, NOISE_PERCENTILE)), 1),
                seconds=round(min(len(heard) / 10, (to_ns - from_ns) / SECOND), 3),
            )

    def noise_db(self) -> float:
        """Return the noise floor of the last minute (dB relative to full scale)."""
        with self._grown:
            last = [(self._added - 1 - back) % KEPT for back in range(min(self._added, NOISE_TENTHS))]
            return float(np.percentile(self._values[last, 1], NOISE_PERCENTILE)) if last else SILENCE_DB

    def _newest(self) -> int:
        return int(self._times[(self._added - 1) % KEPT]) if self._added else 0
