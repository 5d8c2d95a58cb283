"""Scenes of fourteen seconds: what sounds in a home around an upload that was asked for, or was not.

The upload begins at second 12, so the span that the daemon asks about is the last 8 seconds; before it lie 6 in which
only the background sounds, from which the noise floor is taken.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from sniffer.evaluation.listener.rooms import (
    Random,
    Samples,
    appliance,
    babble,
    clatter,
    in_room,
    leveled,
    music,
    room_noise,
    talk,
    television,
)
from sniffer.evaluation.listener.texts import COMMANDS, CONFUSABLE, SENTENCES, WAKE_WORDS
from sniffer.evaluation.listener.voices import Voice
from sniffer.listener.sound import RATE

#: Seconds of a scene, and when in it the upload begins.
LENGTH_S, UPLOAD_S = 14.0, 12.0
#: How often the background of a home is what, where somebody asks and where nobody does.
BACKGROUNDS = {"quiet": 0.5, "appliance": 0.15, "television": 0.15, "music": 0.1, "babble": 0.1}
#: What happens in the room while a device sends unasked. A silent room is put at a half: a device that sends by itself
#: does so at any hour, and a room is empty or asleep for most of them, so this is the least that may be assumed.
UNASKED = {"silent": 0.5, "talk": 0.2, "television": 0.2, "music": 0.1}
#: dB that a voice stands above the background, from and to, and how often.
NEARNESS = {"near": (20.0, 40.0, 0.5), "across the room": (10.0, 20.0, 0.35), "far, or a loud room": (3.0, 10.0, 0.15)}
#: Effective level of the background of a quiet room and of a loud one, dB relative to full scale.
QUIET_DB, LOUD_DB = (-72.0, -55.0), (-50.0, -30.0)


@dataclass(frozen=True, slots=True)
class Scene:
    """One scene: its sound (16 bit), what happens in it, and who speaks. `asked` is None where a word that sounds
    alike is said: it may fool the speaker as well."""

    model: str
    asked: bool | None
    kind: str
    nearness: str
    engine: str
    sound: bytes


def asked_scenes(voices: Sequence[Voice], count: int, rng: Random) -> Iterator[Scene]:
    """Yield requests: every voice in turn, each wake word, with distances, rooms and backgrounds drawn."""
    others = list(voices)
    for number, (model, voice) in enumerate(_turns(voices, rng)):
        if number == count:
            return
        nearness, snr = _nearness(rng)
        background, name = _background(BACKGROUNDS, others, rng)
        spoken = f"{WAKE_WORDS[model]}, {COMMANDS[int(rng.integers(len(COMMANDS)))]}".strip(", ")
        yield Scene(
            model, True, name, nearness, voice.engine, _mixed(background, name, voice.say(spoken), snr, rng, True)
        )


def unasked_scenes(voices: Sequence[Voice], count: int, rng: Random) -> Iterator[Scene]:
    """Yield what happens in a room while nobody asks."""
    for number, (model, voice) in enumerate(_turns(voices, rng)):
        if number == count:
            return
        kind = _drawn(UNASKED, rng)
        if kind == "silent":
            background, name = _background({"quiet": 0.6, "appliance": 0.2, "clatter": 0.2}, voices, rng)
            yield Scene(model, False, f"silent: {name}", "", "", _mixed(background, name, None, 0.0, rng, False))
        elif kind == "talk":
            background, name = _background({"quiet": 0.7, "appliance": 0.3}, voices, rng)
            nearness, snr = _nearness(rng)
            say = [partial(voice.say, text) for text in SENTENCES]
            sentence = talk(int(10 * RATE), say, rng)
            yield Scene(
                model, False, "talk", nearness, voice.engine, _mixed(background, name, sentence, snr, rng, False)
            )
        else:
            background, name = _background({kind: 1.0}, [voice], rng)
            yield Scene(model, False, kind, "", voice.engine, _mixed(background, name, None, 0.0, rng, False))


def confusable_scenes(voices: Sequence[Voice], count: int, rng: Random) -> Iterator[Scene]:
    """Yield sentences with a word that sounds like the wake word."""
    for number, (model, voice) in enumerate(_turns(voices, rng)):
        if number == count:
            return
        texts = CONFUSABLE[model]
        nearness, snr = _nearness(rng)
        background, name = _background(BACKGROUNDS, voices, rng)
        spoken = voice.say(texts[int(rng.integers(len(texts)))])
        yield Scene(model, None, name, nearness, voice.engine, _mixed(background, name, spoken, snr, rng, True))


def _turns(voices: Sequence[Voice], rng: Random) -> Iterator[tuple[str, Voice]]:
    """Every engine in turn, so that one with many voices does not decide; of each a voice that is drawn."""
    engines: dict[str, list[Voice]] = {}
    for voice in voices:
        engines.setdefault(voice.engine, []).append(voice)
    for turn in itertools.count():
        for speakers in engines.values():
            model = list(WAKE_WORDS)[turn % len(WAKE_WORDS)]
            yield model, speakers[int(rng.integers(len(speakers)))]


def _drawn(shares: Mapping[str, float], rng: Random) -> str:
    return list(shares)[int(rng.choice(len(shares), p=np.array(list(shares.values())) / sum(shares.values())))]


def _nearness(rng: Random) -> tuple[str, float]:
    name = _drawn({name: share for name, (_, _, share) in NEARNESS.items()}, rng)
    low, high, _ = NEARNESS[name]
    return name, float(rng.uniform(low, high))


def _background(shares: Mapping[str, float], voices: Sequence[Voice], rng: Random) -> tuple[Samples, str]:
    name = _drawn(shares, rng)
    length = int(LENGTH_S * RATE)
    speakers = [voices[int(rng.integers(len(voices)))] for _ in SENTENCES]
    say = [partial(voice.say, text) for voice, text in zip(speakers, SENTENCES, strict=True)]
    if name == "television":
        return television(length, say, rng), name
    if name == "babble":
        return babble(length, say, rng), name
    makers = {"quiet": room_noise, "appliance": appliance, "music": music, "clatter": clatter}
    return makers[name](length, rng), name


def _mixed(background: Samples, name: str, spoken: Samples | None, snr_db: float, rng: Random, ends: bool) -> bytes:
    """Put speech into a room over its background, `snr_db` above it.

    A request (`ends`) is spoken so that its wake word ends shortly before the upload; other speech goes on throughout.
    """
    low, high = QUIET_DB if name in ("quiet", "clatter") else LOUD_DB
    ground = 10.0 ** (float(rng.uniform(low, high)) / 20.0)
    floor = 10.0 ** (float(rng.uniform(*QUIET_DB)) / 20.0)
    sound = ground * in_room(background, rng.uniform(0.15, 0.6), rng.uniform(1.0, 3.0), rng)[: len(background)]
    sound = leveled(sound) * ground + floor * room_noise(len(sound), rng)
    if spoken is not None:
        voice = leveled(in_room(_trimmed(spoken), rng.uniform(0.15, 0.6), rng.uniform(0.5, 4.0), rng))
        voice *= max(ground, floor) * 10.0 ** (snr_db / 20.0)
        start = int((UPLOAD_S - rng.uniform(0.8, 2.0) if ends else rng.uniform(3.0, 6.0)) * RATE)
        voice = voice[: len(sound) - start]
        sound[start : start + len(voice)] += voice
    loudest = float(np.abs(sound).max())
    if loudest > 0.95:
        sound *= 0.95 / loudest
    return bytes((sound * 32767.0).astype("<i2").tobytes())


def _trimmed(sound: Samples) -> Samples:
    """Cut the silence that a synthesiser puts before and after."""
    loud = np.flatnonzero(np.abs(sound) > 0.02 * np.abs(sound).max())
    return sound[loud[0] : loud[-1] + 1] if len(loud) else sound
