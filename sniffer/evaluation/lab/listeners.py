"""Listeners and people of a simulated house: what a listener testifies about an upload, and what a person answers.

The shares are those that were measured with the shipped wake word model in simulated rooms (docs/wake.md); the rest is
assumed and stated here: why a speaker sends unasked (nothing at all, ordinary speech, a word that sounds alike), and
how people err.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sniffer.model import Answer, Testimony
from sniffer.model.clock import SECOND

#: Classes of scores: nothing alike, a little alike, almost heard, heard.
CLASSES = ((0.0, 0.02), (0.02, 0.3), (0.3, 0.9), (0.9, 1.0))
#: Where scores of the first class lie, in a silent room and beside a voice: shares of 68 and 45 scenes, measured with
#: `python -m sniffer.evaluation.listener --asked 60 --unasked 120 --confusable 40 --seed 5`.
NOTHING_ALIKE = ((0.0, 0.005), (0.005, 0.01), (0.01, 0.02))
NOTHING_IN_SILENCE, NOTHING_BESIDE_VOICES = (0.84, 0.10, 0.06), (0.77, 0.11, 0.12)


@dataclass(frozen=True)
class Room:
    """Where a listener stands. `asked` are the shares of requests in each class of scores, `speech` those of ordinary
    sentences, `alike` those of words that sound like the wake word. `voice` is the share of the time in which somebody
    talks anyway, `snr` the signal-to-noise ratio (dB) of a voice and its spread, `elsewhere` the share of requests that
    are made out of the listener's hearing, where the room stays silent."""

    asked: tuple[float, float, float, float]
    speech: tuple[float, float, float, float]
    alike: tuple[float, float, float, float]
    voice: float
    snr: tuple[float, float]
    elsewhere: float = 0.0


#: What is not the wake word is measured (docs/listener.md: 127 scenes of talk, 135 of television, 100 words that sound
#: alike; silence left no trace in 360 of 360). Of requests the natural voices are taken (piper: 95 % heard, 0 of 140
#: without a trace), with 3 in 1000 that leave none; the share of faint ones beside a television or in a loud room is
#: assumed to be larger, as for the other voices.
_ALIKE = (0.54, 0.22, 0.14, 0.10)
QUIET = Room((0.003, 0.007, 0.04, 0.95), (0.92, 0.07, 0.01, 0.0), _ALIKE, 0.1, (27.0, 5.0))
TELEVISION = Room((0.006, 0.024, 0.12, 0.85), (0.93, 0.06, 0.01, 0.0), _ALIKE, 0.9, (17.0, 4.0))
#: All measured voices and accents at the model `alexa` (350 requests: 69 % heard, 91 % over 0.1, 2 % without a trace).
ACCENTS = Room((0.02, 0.11, 0.18, 0.69), (0.92, 0.07, 0.01, 0.0), _ALIKE, 0.1, (27.0, 5.0))
#: Assumed: one request in thirty is made in another room, where the speaker hears it and the listener hears nothing.
ELSEWHERE = replace(QUIET, elsewhere=1 / 30)
LOUD = Room((0.02, 0.06, 0.22, 0.70), (0.93, 0.06, 0.01, 0.0), _ALIKE, 0.8, (9.0, 3.0))

#: Why a speaker sends unasked: no voice at all (a fault, a command over the network), ordinary speech, a word alike.
CAUSES = ("nothing", "speech", "alike")
CAUSE_SHARES = (0.4, 0.35, 0.25)


@dataclass(frozen=True)
class Scene:
    """What was to be heard beside an upload."""

    asked: bool
    cause: str = ""


def draw_scene(asked: bool, luck: np.random.Generator) -> Scene:
    """Draw what was to be heard."""
    return Scene(True) if asked else Scene(False, str(luck.choice(CAUSES, p=CAUSE_SHARES)))


def testify(
    room: Room, what: Scene, start_ns: int, luck: np.random.Generator, *, covered: bool = False, late_s: float = 0.0
) -> Testimony:
    """Return what a listener testifies about an upload: from 6 s before it to 2 s after it. `late_s`: its clock is
    wrong by that, so it speaks of other seconds, in which nothing was said."""
    talking = luck.random() < room.voice
    shares = room.speech if talking else (1.0, 0.0, 0.0, 0.0)
    if covered:
        shares, talking = (1.0, 0.0, 0.0, 0.0), False
    elif abs(late_s) < 5:
        if what.asked and luck.random() < room.elsewhere:
            pass
        elif what.asked:
            shares, talking = room.asked, True
        elif what.cause == "speech":
            shares, talking = room.speech, True
        elif what.cause == "alike":
            shares, talking = room.alike, True
    low, high = CLASSES[int(luck.choice(4, p=shares))]
    if low == 0.0:
        where = NOTHING_BESIDE_VOICES if talking else NOTHING_IN_SILENCE
        low, high = NOTHING_ALIKE[int(luck.choice(3, p=where))]
    score = round(float(luck.uniform(low, high)), 4)
    snr = max(3.0, float(luck.normal(*room.snr))) if talking else float(luck.uniform(2.0, 8.0))
    voice = round(float(luck.uniform(0.2, 0.8)), 3) if talking else 0.0
    start, end = start_ns - 6 * SECOND, start_ns + 2 * SECOND
    return Testimony(start, end, (("word", score),), voice, round(-60.0 + snr, 1), -60.0, 8.0)


@dataclass(frozen=True)
class Person:
    """Somebody who is asked. `answers` is the share of questions that are answered, `wrong_if_asked` the share of
    requests that they deny, `wrong_if_unasked` the share of unasked uploads that they claim, `unsure` the share of
    answers "not sure"."""

    answers: float = 0.5
    wrong_if_asked: float = 0.03
    wrong_if_unasked: float = 0.15
    unsure: float = 0.1

    def answer(self, asked: bool, luck: np.random.Generator) -> Answer | None:
        """Return what they say to a question, None if they do not answer."""
        if luck.random() >= self.answers:
            return None
        if luck.random() < self.unsure:
            return Answer.UNSURE
        wrong = luck.random() < (self.wrong_if_asked if asked else self.wrong_if_unasked)
        return Answer.YES if asked != wrong else Answer.NO


#: Somebody who always says "I asked".
PLEASER = Person(1.0, 0.0, 1.0, 0.0)
