"""Where sound comes from: a microphone, a WAV file, or raw PCM on a stream. Pieces of it, and when each was heard."""

from __future__ import annotations

import queue
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from sniffer import extras
from sniffer.errors import WakeError
from sniffer.listener.ear import RATE, WIDTH
from sniffer.model.clock import SECOND, Clock

#: Samples a piece: 80 ms. A microphone's pieces that nobody fetched, before the oldest are lost: 4 s.
PIECE, MAX_PENDING = 1280, 50
#: Where the count of samples and the clock differ by more than this, the clock is right.
DRIFT_NS = SECOND // 2


class Sound(Protocol):
    """Pieces of sound. `start_ns` is when its first sample was heard, as known by now."""

    start_ns: int

    def pieces(self) -> Iterator[bytes]: ...


class WavSound:
    """A WAV file, as if it had ended just now; or from a time on."""

    def __init__(self, path: Path, clock: Clock, start_ns: int | None = None) -> None:
        try:
            with wave.open(str(path), "rb") as file:
                form = (file.getframerate(), file.getsampwidth(), file.getnchannels())
                frames = file.getnframes()
        except OSError as error:
            raise WakeError(f"{path}: cannot be read: {error.strerror}") from None
        except (EOFError, wave.Error) as error:
            raise WakeError(f"{path}: not a WAV file that can be read: {error}") from None
        if form != (RATE, WIDTH, 1):
            raise WakeError(f"{path}: {form[0]} Hz, {8 * form[1]} bit, {form[2]} channels; needed: 16000 Hz, 16 bit, 1")
        self._path = path
        self.start_ns = clock.now_ns() - frames * SECOND // RATE if start_ns is None else start_ns

    def pieces(self) -> Iterator[bytes]:
        """All of it, as fast as it is taken."""
        with wave.open(str(self._path), "rb") as file:
            while piece := file.readframes(PIECE):
                yield piece


class StreamSound:
    """Raw PCM (16 kHz, signed 16 bit little endian, mono) that arrives while it is spoken."""

    def __init__(self, stream: BinaryIO, clock: Clock) -> None:
        self._stream, self._clock = stream, clock
        self.start_ns = clock.now_ns()

    def pieces(self) -> Iterator[bytes]:
        """What has arrived. Time stays with the clock: a sender that pauses does not make the past longer."""
        samples, rest = 0, b""
        read = getattr(self._stream, "read1", self._stream.read)
        while data := read(PIECE * WIDTH):
            whole = rest + data
            cut = len(whole) - len(whole) % WIDTH
            rest = whole[cut:]
            samples += cut // WIDTH
            began = self._clock.now_ns() - samples * SECOND // RATE
            if abs(began - self.start_ns) > DRIFT_NS:
                self.start_ns = began
            if cut:
                yield whole[:cut]


class MicrophoneSound:
    """A microphone, by name or number; the default one where none is given."""

    def __init__(self, device: str | None, clock: Clock) -> None:
        try:
            import sounddevice
        except (ImportError, OSError) as error:
            hint = extras.missing("sounddevice", "A microphone (besides the Debian package libportaudio2)")
            raise WakeError(f"no microphone can be opened ({error}). {hint}") from None
        self._sounddevice, self._clock = sounddevice, clock
        self._device = int(device) if device is not None and device.isdigit() else device
        self.start_ns = clock.now_ns()

    def pieces(self) -> Iterator[bytes]:
        """While it lasts. Raises WakeError where it cannot be opened, or falls silent for good."""
        pending: queue.Queue[bytes] = queue.Queue(MAX_PENDING)

        def heard(data: bytes, frames: int, time: object, status: object) -> None:
            if pending.full():
                pending.get_nowait()
            pending.put_nowait(bytes(data))

        try:
            with self._sounddevice.RawInputStream(
                samplerate=RATE, blocksize=PIECE, device=self._device, dtype="int16", channels=1, callback=heard
            ):
                samples = 0
                self.start_ns = self._clock.now_ns()
                while True:
                    piece = pending.get(timeout=10)
                    samples += len(piece) // WIDTH
                    began = self._clock.now_ns() - samples * SECOND // RATE
                    if abs(began - self.start_ns) > DRIFT_NS:
                        self.start_ns = began
                    yield piece
        except queue.Empty:
            raise WakeError("the microphone gives no sound any more") from None
        except (self._sounddevice.PortAudioError, ValueError) as error:
            raise WakeError(f"the microphone cannot be opened: {' '.join(str(error).split())}") from None
