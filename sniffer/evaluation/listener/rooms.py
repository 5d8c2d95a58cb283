"""Rooms and what sounds in them: echo, distance, and the noises of a home, as sound at 16 kHz with a level of 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, sosfilt

from sniffer.listener.sound import RATE

Samples = NDArray[np.float64]
Random = np.random.Generator


def leveled(sound: Samples) -> Samples:
    """Return sound with an effective value of 1; silence stays silence."""
    level = float(np.sqrt(np.mean(sound**2))) if len(sound) else 0.0
    return sound / level if level > 0.0 else sound


def in_room(sound: Samples, echo_s: float, distance_m: float, rng: Random) -> Samples:
    """Return sound as a microphone hears it: the direct sound, weaker with distance, and a decaying echo.

    `echo_s` is the time in which the echo falls by 60 dB; at one metre direct sound and echo are about equally strong
    in a room of 0.4 s (a critical distance of one metre).
    """
    length = int(echo_s * RATE)
    tail = rng.normal(0.0, 1.0, length) * 10.0 ** (-3.0 * np.arange(length) / length)
    tail[: RATE // 200] = 0.0
    tail *= np.sqrt(echo_s / 0.4) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0 / distance_m
    return np.asarray(fftconvolve(sound, tail), dtype=float)


def room_noise(length: int, rng: Random) -> Samples:
    """Return the noise of a quiet room: more at low frequencies, with a little hum."""
    spectrum = np.fft.rfft(rng.normal(0.0, 1.0, length))
    frequencies = np.fft.rfftfreq(length, 1 / RATE)
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(frequencies, 20.0)), length)
    hum = np.sin(2 * np.pi * rng.choice([50.0, 60.0]) * np.arange(length) / RATE)
    return leveled(leveled(pink) + rng.uniform(0.0, 0.5) * hum)


def appliance(length: int, rng: Random) -> Samples:
    """Return a fan, a cooker hood or a dishwasher: noise in a band, slowly swelling."""
    low = rng.uniform(80, 400)
    band = sosfilt(
        butter(2, [low, low * rng.uniform(4, 12)], "bandpass", fs=RATE, output="sos"), rng.normal(size=length)
    )
    swell = 1.0 + 0.3 * np.sin(2 * np.pi * rng.uniform(0.1, 0.6) * np.arange(length) / RATE)
    return leveled(np.asarray(band, dtype=float) * swell)


def clatter(length: int, rng: Random) -> Samples:
    """Return dishes, doors and steps: short, loud, decaying sounds on a quiet ground."""
    sound = 0.02 * rng.normal(size=length)
    for start in rng.integers(0, length, max(2, length // (RATE * 2))):
        size = min(int(rng.uniform(0.03, 0.25) * RATE), length - int(start))
        ring = np.sin(2 * np.pi * rng.uniform(300, 4000) * np.arange(size) / RATE) + rng.normal(size=size)
        sound[start : start + size] += rng.uniform(0.3, 1.0) * ring * np.exp(-6.0 * np.arange(size) / size)
    return leveled(sound)


def music(length: int, rng: Random) -> Samples:
    """Return chords, a bass, a beat and a melody in one key."""
    beat = int(RATE * 60 / rng.uniform(70, 140))
    key, scale = rng.uniform(110, 220), (0, 2, 4, 5, 7, 9, 11, 12)
    sound = np.zeros(length + 4 * beat)
    for bar in range(0, length, beat):
        chord = [int(rng.integers(0, 8)) + step for step in (0, 2, 4)] if (bar // beat) % 4 == 0 else [0, 2, 4]
        for note in [*chord, int(rng.integers(7, 14))]:
            pitch = key * 2 ** (note // 7 + scale[note % 7] / 12)
            times = np.arange(beat) / RATE
            tone = sum(np.sin(2 * np.pi * pitch * overtone * times) / overtone**1.5 for overtone in range(1, 6))
            sound[bar : bar + beat] += tone * np.exp(-2.0 * times) * rng.uniform(0.3, 1.0)
        hit = int(0.08 * RATE)
        sound[bar : bar + hit] += 1.5 * rng.normal(size=hit) * np.exp(-8.0 * np.arange(hit) / hit)
    return leveled(sound[:length])


def talk(length: int, say: Sequence[Callable[[], Samples]], rng: Random, pause_s: float = 0.6) -> Samples:
    """Return sentences one after the other, each from one of `say`, with pauses."""
    sound = np.zeros(length)
    place = int(rng.uniform(0, 0.5) * RATE)
    while place < length:
        sentence = leveled(say[int(rng.integers(len(say)))]())[: length - place]
        sound[place : place + len(sentence)] += sentence
        place += len(sentence) + int(rng.uniform(0.2, 2 * pause_s) * RATE)
    return leveled(sound)


def babble(length: int, say: Sequence[Callable[[], Samples]], rng: Random) -> Samples:
    """Return six people who talk at once."""
    return leveled(np.sum([talk(length, say, rng, 0.2) for _ in range(6)], axis=0))


def television(length: int, say: Sequence[Callable[[], Samples]], rng: Random) -> Samples:
    """Return one voice over music, through a small loudspeaker."""
    both = talk(length, say, rng) + rng.uniform(0.1, 0.6) * music(length, rng)
    return leveled(np.asarray(sosfilt(butter(2, [150, 6000], "bandpass", fs=RATE, output="sos"), both), dtype=float))
