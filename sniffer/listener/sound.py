"""Where sound comes from: a microphone, a WAV file, or raw PCM on a stream. Pieces of it, and when each was heard."""

from __future__ import annotations

import queue
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from sniffer import extras
from sniffer.errors import WakeError
from sniffer.model.clock import SECOND, Clock

#: All sound is sampled at this rate (Hz), with this many bytes a sample (signed, little endian), mono.
RATE = 16_000
WIDTH = 2
#: Samples of a piece: 80 ms.
PIECE = 1280
#: Pieces of a microphone that wait to be fetched, before the oldest are lost: 4 s.
MAX_PENDING = 50
#: Where the count of samples lags the clock by more than this, sound was lost, and counting begins anew.
GAP_NS = 3 * SECOND
#: A microphone that gives no piece for this many seconds is gone.
SILENT_SECONDS = 10


class Sound(Protocol):
    """Pieces of sound. `start_ns` is when its first sample was heard, as known by now."""

    start_ns: int

    def pieces(self) -> Iterator[bytes]: ...


class SampleClock:
    """When the first sample of a live stream was heard, from when its samples arrive.

    Sound arrives late, never early: the least delay seen in this or the last five seconds is the truth. So a machine
    that is busy for a moment does not make words late, lost sound shifts them for ten seconds at most, and a sound card
    whose clock is slightly wrong is followed.
    """

    #: Samples of five seconds.
    WINDOW = 5 * RATE

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._samples, self._counted = 0, 0
        self._least: list[int] = []
        self.start_ns = clock.now_ns()

    def arrived(self, samples: int) -> int:
        """Count samples that arrived just now; return when the first of all was heard (ns)."""
        self._samples += samples
        began = self._clock.now_ns() - self._samples * SECOND // RATE
        if not self._least or began - self.start_ns > GAP_NS or self.start_ns - began > GAP_NS:
            self._least, self._counted = [began], 0  # the first sound, a gap, or a clock that was set
        else:
            self._least[-1] = min(self._least[-1], began)
        self._counted += samples
        if self._counted >= self.WINDOW:
            self._least, self._counted = [self._least[-1], began], 0
        self.start_ns = min(self._least)
        return self.start_ns


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
            raise WakeError(f"{path}: not a WAV file that can be read: {str(error) or 'it ends too early'}") from None
        if form != (RATE, WIDTH, 1):
            raise WakeError(f"{path}: {form[0]} Hz, {8 * form[1]} bit, {form[2]} channels; needed: 16000 Hz, 16 bit, 1")
        self._path = path
        self.start_ns = clock.now_ns() - frames * SECOND // RATE if start_ns is None else start_ns

    def pieces(self) -> Iterator[bytes]:
        """Yield the whole file, as fast as it is taken."""
        with wave.open(str(self._path), "rb") as file:
            while piece := file.readframes(PIECE):
                yield piece[: len(piece) // WIDTH * WIDTH]


class StreamSound:
    """Raw PCM (16 kHz, signed 16 bit little endian, mono) that arrives while it is spoken."""

    def __init__(self, stream: BinaryIO, clock: Clock) -> None:
        self._stream, self._samples = stream, SampleClock(clock)
        self.start_ns = self._samples.start_ns

    def pieces(self) -> Iterator[bytes]:
        """Yield what has arrived. Time stays with the clock: a sender that pauses does not make the past longer."""
        rest = b""
        read = getattr(self._stream, "read1", self._stream.read)
        while data := read(PIECE * WIDTH):
            whole = rest + data
            cut = len(whole) - len(whole) % WIDTH
            rest = whole[cut:]
            self.start_ns = self._samples.arrived(cut // WIDTH)
            if cut:
                yield whole[:cut]


class MicrophoneSound:
    """A microphone, by name or number; the default one where none is given."""

    def __init__(self, device: str | None, clock: Clock) -> None:
        try:
            import sounddevice
        except ImportError:
            raise WakeError(extras.missing("sounddevice", "the microphone")) from None
        except OSError as error:
            raise WakeError(f"the microphone needs PortAudio ({error}): apt-get install libportaudio2") from None
        self._sounddevice, self._clock = sounddevice, clock
        self._device = int(device) if device is not None and device.isdigit() else device
        self.start_ns = clock.now_ns()

    def pieces(self) -> Iterator[bytes]:
        """Yield pieces while the microphone lasts. Raises WakeError where it cannot be opened, or gives no more."""
        pending: queue.Queue[bytes] = queue.Queue(MAX_PENDING)

        def heard(data: bytes, frames: int, time: object, status: object) -> None:
            if pending.full():
                pending.get_nowait()
            pending.put_nowait(bytes(data))

        try:
            with self._sounddevice.RawInputStream(
                samplerate=RATE, blocksize=PIECE, device=self._device, dtype="int16", channels=1, callback=heard
            ):
                samples = SampleClock(self._clock)
                while True:
                    piece = pending.get(timeout=SILENT_SECONDS)
                    self.start_ns = samples.arrived(len(piece) // WIDTH)
                    yield piece
        except queue.Empty:
            raise WakeError("the microphone gives no sound any more") from None
        except (self._sounddevice.PortAudioError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise WakeError(f"no microphone can be opened ({reason}); `arecord -l` lists what is there") from None
