"""What the listener's tests share: speech, WAV files, models that say what they are told, a daemon that answers."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from sniffer.listener.recognizer import Recognizer
from sniffer.listener.sound import RATE
from sniffer.web.client import Client


def speech(text: str, voice: str = "en", noise: float = 0.0) -> bytes:
    """16 kHz, 16 bit, mono; a second without speech before and after."""
    espeak = shutil.which("espeak-ng")
    if espeak is None:
        pytest.skip("espeak-ng is not installed")
    spoken = subprocess.run([espeak, "-v", voice, "--stdout", text], capture_output=True, check=True).stdout
    with wave.open(io.BytesIO(spoken)) as file:
        rate, frames = file.getframerate(), file.readframes(1 << 24)
    sound = np.frombuffer(frames[: len(frames) // 2 * 2], dtype="<i2").astype(float)
    places = np.arange(int(len(sound) * RATE / rate)) * rate / RATE
    silence = np.zeros(RATE)
    mixed = np.concatenate([silence, 0.5 * np.interp(places, np.arange(len(sound)), sound), silence])
    return (mixed + noise * np.random.default_rng(1).normal(size=len(mixed))).astype("<i2").tobytes()


def room(seconds: float, level: float = 10.0, seed: int = 1) -> bytes:
    """The noise of a room."""
    return np.random.default_rng(seed).normal(0, level, round(RATE * seconds)).astype("<i2").tobytes()


def wav(path: Path, sound: bytes, rate: int = RATE, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(sound)
    return path


class Scripted:
    """A model, the features and a voice detector at once: the first sample of 10 ms of sound is all that counts.

    A sample of n is a score of n / 1000, and a voice where n is 100 or more.
    """

    id, wake_word, probability_cutoff = "yes", "Yes", 0.9

    def process_streaming(self, sound: bytes) -> list[float]:
        return [int.from_bytes(sound[:2], "little", signed=True) / 1000]

    def process_streaming_prob(self, features: float) -> float:
        return features

    def process_10ms(self, audio: bytes) -> float:
        return 1.0 if int.from_bytes(audio[:2], "little", signed=True) >= 100 else 0.0


def scripted() -> Recognizer:
    it = Scripted()
    return Recognizer([it], it, it)


def samples(values: Sequence[int]) -> bytes:
    """Sound that says a value for each 10 ms, and moves."""
    return b"".join(np.array([value, *[value + 1, value] * 79, value + 1], "<i2").tobytes() for value in values)


class Daemon:
    """A daemon that answers as it is told; each answer may be an error, a status, or a `Date` with 202."""

    def __init__(self, *answers: int | Exception | str) -> None:
        self.answers, self.events = list(answers), list[dict[str, Any]]()
        self.stream = b""
        self.requests: list[httpx.Request] = []
        self.http = httpx.Client(transport=httpx.MockTransport(self._answer))

    def client(self, token: str = "t") -> Client:
        return Client("http://router:9877", token, self.http)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        now = self.answers.pop(0) if self.answers else 202
        if isinstance(now, Exception):
            raise now
        if request.url.path == "/api/v1/stream" and now == 202:
            return httpx.Response(200, content=self.stream)
        headers = {"Date": now} if isinstance(now, str) else {}
        status = 202 if isinstance(now, str) else now
        events = json.loads(request.content or b"[]")
        if status == 400 and len(events) == 1 and events[0].get("device") != "bad":
            status = 202
        if status == 202:
            self.events += events
        warnings = [f"no device is called '{e['device']}'" for e in events if e.get("device") == "kitchn"]
        return httpx.Response(status, headers=headers, json={"accepted": [], "warnings": warnings, "error": "because"})
