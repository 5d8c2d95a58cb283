"""Files, streams, and when their samples were heard."""

from __future__ import annotations

from pathlib import Path

import pytest

from sniffer.errors import WakeError
from sniffer.listener.sound import RATE, SampleClock, StreamSound, WavSound
from sniffer.testing import ManualClock
from tests.listener.listening import room, wav

S = 1_000_000_000


@pytest.mark.parametrize(
    ("rate", "channels", "reason"), [(44_100, 1, "44100 Hz, 16 bit, 1 channels"), (16_000, 2, "2 channels")]
)
def test_a_wav_of_another_form(tmp_path: Path, rate: int, channels: int, reason: str) -> None:
    with pytest.raises(WakeError, match=reason):
        WavSound(wav(tmp_path / "a.wav", b"\0" * 400, rate, channels), ManualClock())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"RIFFxxxx", "not a WAV file"),
        (b"", "not a WAV file that can be read: it ends too early"),
        (b"\0" * 500, "not a WAV file"),
        (None, "cannot be read: No such file or directory$"),
    ],
)
def test_what_is_no_wav(tmp_path: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(WakeError, match=reason):
        WavSound(tmp_path / "a.wav", ManualClock())


def test_a_wav_that_is_cut_off_is_read_to_its_end(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", room(2))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2 + 1])
    heard = b"".join(WavSound(path, ManualClock()).pieces())
    assert len(heard) % 2 == 0
    assert len(heard) == pytest.approx(RATE * 2, abs=100)


def test_a_streams_time_stays_with_the_clock() -> None:
    clock = ManualClock(1000 * S)

    class Pausing:
        def __init__(self) -> None:
            self.left = 3

        def read(self, size: int) -> bytes:
            self.left -= 1
            clock.advance(10.0)
            return b"\0" * size if self.left >= 0 else b""

    sound, heard = StreamSound(Pausing(), clock), 0  # type: ignore[arg-type]
    for piece in sound.pieces():
        heard += len(piece) // 2
        assert sound.start_ns + heard * S // RATE == pytest.approx(clock.now_ns(), abs=S // 2)


def arrivals(clock: ManualClock, samples: SampleClock, delays: list[float]) -> list[float]:
    """Pieces of 80 ms that arrive late by these seconds; how late each was taken to be heard."""
    now, late, heard = 0.0, [], 0
    for number, delay in enumerate(delays, 1):
        arrives = number * 0.08 + delay
        clock.advance(arrives - now)
        now = arrives
        heard += 1280
        start = samples.arrived(1280)
        late.append((start + heard * S // RATE - (clock.now_ns() - round(delay * S))) / S)
    return late


def test_a_busy_machine_does_not_make_words_late() -> None:
    clock = ManualClock(1000 * S)
    late = arrivals(clock, SampleClock(clock), [0.01] * 50 + [0.9, 0.83, 0.76, 0.69, 0.1] + [0.05] * 20 + [0.01] * 50)
    assert max(late[1:]) == pytest.approx(0.01, abs=0.001)


def test_a_sound_card_whose_clock_is_wrong_is_followed() -> None:
    clock = ManualClock(1000 * S)
    slow = [0.01 + 200e-6 * 0.08 * number for number in range(3 * 3600)]  # 200 ppm, for 14 minutes: 0.17 s
    late = arrivals(clock, SampleClock(clock), slow)
    assert late[-1] + slow[-1] == pytest.approx(slow[-1], abs=0.2)
    assert slow[-1] - late[-1] < 0.04, "the pieces arrive later and later, and are taken to be heard later"


def test_a_gap_is_no_delay() -> None:
    clock = ManualClock(1000 * S)
    samples = SampleClock(clock)
    arrivals(clock, samples, [0.0] * 10)
    clock.advance(30)
    assert samples.arrived(1280) + 11 * 1280 * S // RATE == pytest.approx(clock.now_ns(), abs=S // 100)


def test_lost_sound_shifts_what_follows_for_a_few_seconds_only() -> None:
    """A second of sound is lost: until it is clear that this is no delay, what follows seems to be heard too early."""
    clock = ManualClock(1000 * S)
    late = arrivals(clock, SampleClock(clock), [0.01] * 100 + [1.01] * 150)
    assert late[120] == pytest.approx(0.01, abs=0.01)
    assert late[-1] == pytest.approx(1.01, abs=0.01)
