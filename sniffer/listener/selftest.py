"""The self-test: the wake word is said five times, and where the microphone should stand follows from the scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median

from sniffer.listener.history import VOICE
from sniffer.listener.recognizer import SILENCE_DB, Tenth

#: How often the word is said.
TRIES = 5
#: Tenths of a second: of silence that end a word, of the longest word, and that are waited for one at all.
PAUSE, LONGEST, PATIENCE = 10, 40, 150
#: Tenths of a second at the start, in which only the noise floor is measured.
SETTLE = 20
#: Scores: below the first a word leaves no trace, from the second on it explains a request.
FAINT, CLEAR = 0.1, 0.5
#: dB: a voice should stand this far above the noise, and the noise floor of a room stays under this level.
GOOD_SNR_DB, LOUD_ROOM_DB = 15.0, -45.0
#: dB relative to full scale: above this the microphone overdrives.
OVERDRIVEN_DB = -6.0


@dataclass(frozen=True, slots=True)
class Try:
    """One spoken word: its best score (0 to 1), its loudest tenth and the noise floor before it (dB)."""

    score: float
    level_db: float
    noise_db: float
    voice: bool


@dataclass
class SelfTest:
    """Takes tenths of a second, and finds in them the words that are said."""

    tries: list[Try] = field(default_factory=list)
    _noise: list[float] = field(default_factory=list)
    _word: list[Tenth] = field(default_factory=list)
    _quiet: int = 0
    _waited: int = 0

    @property
    def done(self) -> bool:
        """Whether all words were said, or waited for in vain."""
        return len(self.tries) >= TRIES

    @property
    def settled(self) -> bool:
        """Whether the noise floor is known, so that the first word may be said."""
        return len(self._noise) >= SETTLE

    def feed(self, tenth: Tenth) -> Try | None:
        """Take a tenth of a second; return the try that ended with it."""
        voice = tenth.voice >= VOICE
        if not self._word and (not voice or not self.settled):
            self._noise = [*self._noise[-99:], tenth.level_db]
            self._waited += self.settled
            if self._waited < PATIENCE:
                return None
            return self._end(Try(0.0, max(self._noise), self._floor(), False))
        self._word.append(tenth)
        self._quiet = 0 if voice else self._quiet + 1
        if self._quiet < PAUSE and len(self._word) < LONGEST:
            return None
        best = max(max(part.scores, default=0.0) for part in self._word)
        return self._end(Try(best, max(part.level_db for part in self._word), self._floor(), True))

    def _floor(self) -> float:
        return sorted(self._noise)[len(self._noise) // 10] if self._noise else SILENCE_DB

    def _end(self, result: Try) -> Try:
        self.tries.append(result)
        self._word, self._quiet, self._waited = [], 0, 0
        return result


def advice(tries: list[Try]) -> Iterator[str]:
    """Yield what the tries mean, in sentences: how well the word is heard, and what to change."""
    spoken = [one for one in tries if one.voice]
    clear = sum(one.score >= CLEAR for one in spoken)
    faint = sum(FAINT <= one.score < CLEAR for one in spoken)
    yield f"{clear} of {len(tries)} words were heard clearly, {faint} faintly, {len(tries) - clear - faint} not at all."
    if not spoken:
        yield "No voice arrived. Is this the right microphone (--input NAME), and is it switched on?"
        return
    level = median(one.level_db for one in spoken)
    noise = median(one.noise_db for one in spoken)
    if level > OVERDRIVEN_DB:
        yield "The voice overdrives the microphone: turn its gain down, or move it away."
    elif level - noise < GOOD_SNR_DB:
        yield f"The voice is only {level - noise:.0f} dB above the noise: move the microphone nearer to people."
    if noise > LOUD_ROOM_DB:
        yield f"The room is loud ({noise:.0f} dB): move the microphone away from fans and televisions."
    if clear == len(tries):
        yield "This is a good place for the microphone."
    elif level - noise >= GOOD_SNR_DB and clear + faint < (len(tries) + 1) // 2:
        yield "The voice is loud enough, but the model does not recognise the word: try another --model."
    elif clear < len(tries):
        yield "Faint words still explain a request, with less confidence. Half a metre nearer usually helps."
