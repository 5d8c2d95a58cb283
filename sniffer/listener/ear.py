"""An ear of one's own: sound in, the times at which a wake word was said out. Nothing of the sound is kept.

Sound is 16 kHz, 16 bit, mono. The model is pymicro-wakeword's, run in this process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sniffer import extras
from sniffer.errors import WakeError

RATE, WIDTH = 16_000, 2
#: One word is heard once: seconds after which it may be another.
REFRACTORY = 1.5
#: Models that the package ships.
BUILT_IN = ("alexa", "okay_nabu", "hey_jarvis", "hey_mycroft")


class Model(Protocol):
    """What a wake-word model must do: say whether the word ends in this piece of features."""

    wake_word: str

    def process_streaming(self, features: Any) -> bool | None: ...


@dataclass(frozen=True, slots=True)
class Word:
    """A wake word, and at which sample since the start of the sound it ended."""

    name: str
    sample: int


class Ear:
    """Feeds sound to models. State is what the models hold: about a second of features, never the sound."""

    def __init__(self, models: Sequence[Model], features: Any) -> None:
        self._models, self._features = list(models), features
        self._samples = self._flat = 0
        self._last: dict[str, int] = {}

    @property
    def flat_seconds(self) -> float:
        """For how long the sound has not moved at all. No room is so still: the microphone is muted or unplugged."""
        return self._flat / RATE

    def hear(self, sound: bytes) -> Iterator[Word]:
        """Words that ended in this piece of sound."""
        piece = 160 * WIDTH
        for start in range(0, len(sound), piece):
            part = sound[start : start + piece]
            self._samples += len(part) // WIDTH
            self._flat = self._flat + len(part) // WIDTH if part == part[:WIDTH] * (len(part) // WIDTH) else 0
            for features in self._features.process_streaming(part):
                for model in self._models:
                    if model.process_streaming(features) and self._is_new(model.wake_word):
                        yield Word(model.wake_word, self._samples)

    def _is_new(self, name: str) -> bool:
        last = self._last.get(name)
        if last is not None and self._samples - last < REFRACTORY * RATE:
            return False
        self._last[name] = self._samples
        return True


def load_ear(names: Sequence[str]) -> Ear:
    """The ear with built-in models by name, or any microWakeWord model by the path of its JSON. Raises WakeError."""
    try:
        from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures
        from pymicro_wakeword import Model as BuiltIn
    except ImportError:
        raise WakeError(extras.missing("pymicro_wakeword", "the listener")) from None
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
    return Ear(models, MicroWakeWordFeatures())
