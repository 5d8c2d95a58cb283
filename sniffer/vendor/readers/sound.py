"""Recordings: the time in the name, and how long the sound lasts. The sound itself is not read."""

from __future__ import annotations

import wave
from datetime import tzinfo
from pathlib import PurePosixPath
from typing import IO

from sniffer.vendor.rows import Meaning, Reading, VendorRow
from sniffer.vendor.times import from_audio_name, from_file_name

SUFFIXES = frozenset({".wav", ".mp3", ".ogg", ".m4a", ".flac", ".aac", ".opus"})
CLOCK = "recording"
#: Bit rates in kbit/s of MPEG audio layer III by their index: of MPEG 1, and of MPEG 2 and 2.5 (ISO 11172-3, 13818-3).
_RATES_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_RATES_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
#: Bytes at the beginning of a file that are looked at.
_HEAD = 4096


def read_sound(shown: str, stream: IO[bytes], size: int, reading: Reading, zone: tzinfo) -> None:
    """Add one recording to a reading."""
    file = PurePosixPath(shown).name
    moment = from_file_name(file, zone)
    if moment is None:
        reading.skipped["recordings without a time in their name"] += 1
        return
    reading.without_zone += not moment.zoned
    meaning = Meaning.REQUEST if from_audio_name(file) is not None else Meaning.UNKNOWN
    clock = CLOCK if moment.zoned else f"{CLOCK}, times without a zone"
    length = seconds(file, stream, size)
    reading.add(VendorRow(moment.time_ns, meaning, "recording", clock=clock, also_ns=moment.also_ns, seconds=length))


def seconds(file: str, stream: IO[bytes], size: int) -> float | None:
    """Return how long a recording lasts by its header and `size` in bytes, where it is WAV or MP3 of a constant
    rate."""
    if file.lower().endswith(".wav"):
        try:
            with wave.open(stream) as sound:
                return float(min(sound.getnframes() / sound.getframerate(), 3600.0))
        except (wave.Error, EOFError, ZeroDivisionError, OSError):
            return None
    if not file.lower().endswith(".mp3"):
        return None
    head = stream.read(_HEAD)
    tag = 0
    if head[:3] == b"ID3" and len(head) >= 10:
        tag = 10 + sum((head[6 + place] & 0x7F) << 7 * (3 - place) for place in range(4))
    frame = head[tag : tag + 4]
    if len(frame) < 4 or frame[0] != 0xFF or frame[1] & 0xE6 != 0xE2:
        return None
    rate = (_RATES_1 if frame[1] & 0x18 == 0x18 else _RATES_2)[frame[2] >> 4]
    return (size - tag) * 8 / (rate * 1000) if rate else None
