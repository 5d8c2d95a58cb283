"""Sound in; out the wake words, and what the models thought of each tenth of a second. Nothing of the sound is kept.

The wake-word models are pymicro-wakeword's, the voice activity detector is pymicro-vad; both run in this process.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sniffer import extras
from sniffer.errors import WakeError
from sniffer.listener.sound import RATE, WIDTH

#: Samples that the models take at once: 10 ms.
STEP = RATE // 100
#: Samples of a tenth of a second.
TENTH = RATE // 10
#: dB that a tenth of a second stands above the noise floor where the voice detector looks at it: it takes two thirds of
#: all the work, and below that no voice can be told from the room.
GATE_DB = 4.0
#: Tenths of a second for which it goes on looking, so that it follows a voice through its pauses.
GATE_TENTHS = 15
#: Tenths of a second before that it is shown first, so that it hears how a voice begins.
LEAD_TENTHS = 3
#: dB by which the noise floor follows a rising level, per tenth of a second: a louder room is the floor after 20 s.
FLOOR_RISE_DB = 0.05
#: One word is reported once: seconds after which it may be another.
REFRACTORY = 1.5
#: Models that the package ships.
BUILT_IN = ("alexa", "okay_nabu", "hey_jarvis", "hey_mycroft")
#: The level of digital silence, in dB relative to full scale.
SILENCE_DB = -100.0


class Model(Protocol):
    """A wake-word model: the probability, smoothed over some features, that the word ends in these."""

    id: str
    wake_word: str
    probability_cutoff: float

    def process_streaming_prob(self, features: Any) -> float | None: ...


class Voice(Protocol):
    """A voice activity detector: the probability of a voice in 10 ms of sound, below 0 until it has enough."""

    def process_10ms(self, audio: bytes) -> float: ...


@dataclass(frozen=True, slots=True)
class Word:
    """A wake word, and at which sample since the start of the sound it ended."""

    name: str
    sample: int


@dataclass(frozen=True, slots=True)
class Tenth:
    """What the models thought of a tenth of a second that ended at `sample`.

    `scores` are the best probability of each model, in the models' order; `voice` the best of a voice; `level_db` the
    level relative to full scale. `flat` says that the sound did not move at all: no room is so still, so the
    microphone is muted or unplugged.
    """

    sample: int
    scores: tuple[float, ...]
    voice: float
    level_db: float
    flat: bool


class Gate:
    """Shows sound to the voice detector only where it stands above the noise floor, and a little before and after."""

    def __init__(self, detector: Voice) -> None:
        self._detector = detector
        self._floor_db = 0.0
        self._open = 0
        self._lead: deque[bytes] = deque(maxlen=LEAD_TENTHS)

    def voice(self, tenth: bytes, level: float) -> float:
        """Return the best probability of a voice in a tenth of a second, 0 where there is nothing but the room."""
        self._floor_db = min(level, self._floor_db + FLOOR_RISE_DB)
        if level >= self._floor_db + GATE_DB:
            self._open = GATE_TENTHS
        if not self._open:
            self._lead.append(tenth)
            return 0.0
        self._open -= 1
        for before in self._lead:
            self._look(before)
        self._lead.clear()
        return self._look(tenth)

    def _look(self, tenth: bytes) -> float:
        size = STEP * WIDTH
        looks = (self._detector.process_10ms(tenth[place : place + size]) for place in range(0, len(tenth), size))
        return max(0.0, *looks)


class Recognizer:
    """Feeds sound to models. Its state is what the models hold, about a second of features, and under half a second of
    sound."""

    def __init__(self, models: Sequence[Model], features: Any, voice: Voice) -> None:
        self._models, self._features, self._gate = list(models), features, Gate(voice)
        self._samples = self._flat = 0
        self._rest = b""
        self._last: dict[str, int] = {}
        self._scores = [0.0] * len(self._models)
        self._tenth = bytearray()

    @property
    def names(self) -> tuple[str, ...]:
        """The models' names, in the order of a tenth's scores."""
        return tuple(model.id for model in self._models)

    @property
    def flat_seconds(self) -> float:
        """For how long the sound has not moved at all."""
        return self._flat / RATE

    def hear(self, sound: bytes) -> Iterator[Word | Tenth]:
        """Yield the words that ended in this piece of sound, and each tenth of a second that did, in order."""
        whole = self._rest + sound
        end = len(whole) // (STEP * WIDTH) * (STEP * WIDTH)
        self._rest = whole[end:]
        for start in range(0, end, STEP * WIDTH):
            part = whole[start : start + STEP * WIDTH]
            self._samples += STEP
            self._flat = self._flat + STEP if part == part[:WIDTH] * STEP else 0
            for features in self._features.process_streaming(part):
                for number, model in enumerate(self._models):
                    score = model.process_streaming_prob(features) or 0.0
                    self._scores[number] = max(self._scores[number], score)
                    if score > model.probability_cutoff and self._is_new(model.wake_word):
                        yield Word(model.wake_word, self._samples)
            self._tenth += part
            if len(self._tenth) == TENTH * WIDTH:
                yield self._end_tenth(bytes(self._tenth))

    def _end_tenth(self, sound: bytes) -> Tenth:
        level = level_db(sound)
        voice = self._gate.voice(sound, level)
        scores, self._scores = self._scores, [0.0] * len(self._models)
        self._tenth.clear()
        return Tenth(self._samples, tuple(scores), voice, level, self._flat >= TENTH)

    def _is_new(self, name: str) -> bool:
        last = self._last.get(name)
        if last is not None and self._samples - last < REFRACTORY * RATE:
            return False
        self._last[name] = self._samples
        return True


def level_db(sound: bytes) -> float:
    """Return the level of sound in dB relative to full scale, its mean taken away (microphones have an offset)."""
    deviation = float(np.frombuffer(sound, dtype="<i2").std())
    return max(SILENCE_DB, 20.0 * math.log10(deviation / 32768.0)) if deviation > 0.0 else SILENCE_DB


def load_recognizer(names: Sequence[str]) -> Recognizer:
    """Return a recogniser with built-in models by name, or any microWakeWord model by the path of its JSON.

    Raises WakeError.
    """
    try:
        from pymicro_vad import MicroVad
        from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures
        from pymicro_wakeword import Model as BuiltIn
    except ImportError as error:
        raise WakeError(extras.missing(error.name or "pymicro_wakeword", "listening")) from None
    models = []
    for name in names:
        try:
            if name in BUILT_IN:
                models.append(MicroWakeWord.from_builtin(BuiltIn(name)))
            elif Path(name).suffix == ".json":
                models.append(MicroWakeWord.from_config(name))
            else:
                raise WakeError(
                    f"{name}: no such model; built in are {', '.join(BUILT_IN)}, "
                    "others are given by the path of their .json (the .tflite lies beside it)"
                )
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise WakeError(f"{name}: not a microWakeWord model: {error}") from None
    return Recognizer(models, MicroWakeWordFeatures(), MicroVad())
