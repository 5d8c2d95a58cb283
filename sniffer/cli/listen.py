"""`sniffer listen`: an ear of one's own, on any machine with a microphone."""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from sniffer.cli.wake import read_token, token_option, url_option
from sniffer.errors import UsageError
from sniffer.listener.client import Reporter
from sniffer.listener.ear import RATE, load_ear
from sniffer.listener.sound import MicrophoneSound, Sound, StreamSound, WavSound
from sniffer.model.clock import SECOND, SystemClock, timestamp
from sniffer.wake.events import parse_time

#: A microphone that gives the very same value for so long hears nothing.
FLAT_SECONDS = 10.0


@click.command(name="listen")
@url_option
@token_option
@click.option(
    "--input", "source", default="microphone", show_default=True, metavar="microphone|NAME|FILE.wav|-",
    help="The default microphone, another by name or number, a WAV file, or raw PCM on standard input "
    "(16 kHz, signed 16 bit, mono).",
)  # fmt: skip
@click.option(
    "--model", "models", multiple=True, default=("alexa",), show_default=True,
    help="A built-in wake word (alexa, okay_nabu, hey_jarvis, hey_mycroft), or the .json of a microWakeWord model. "
    "Repeatable.",
)  # fmt: skip
@click.option("--device", help="The speaker it listens beside; without it, every speaker in the house.")
@click.option("--start", metavar="TIME", help="When a WAV file began. It ended just now, if absent.")
@click.option(
    "--heartbeat", type=click.FloatRange(5, 600), default=20.0, show_default=True,
    help="Seconds between signs of life. The source's `heartbeat` in the configuration is three times this.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only print what is heard; report nothing, need no token.")
def command(
    url: str, token_file: Path | None, source: str, models: tuple[str, ...], device: str | None, start: str | None,
    heartbeat: float, dry_run: bool,
) -> None:  # fmt: skip
    """Hear wake words and report them to the daemon on the router. No sound is kept or sent.

    Each word is printed with its time, and reported with it; while the router cannot be reached, words wait.

    \b
    Examples:  sniffer listen --url http://router:9877 --token-file ~/.sniffer-token
               arecord -q -f S16_LE -r 16000 -c 1 -t raw | sniffer listen --input - --dry-run
               sniffer listen --input speech.wav --dry-run
    """
    logging.basicConfig(level=logging.WARNING, format="sniffer: %(message)s", stream=sys.stderr)
    token = "" if dry_run else read_token(token_file)
    ear = load_ear(models)
    clock = SystemClock()
    sound = _sound(source, start, clock)
    live = not isinstance(sound, WavSound)
    reporter = None if dry_run else Reporter(url, token, clock, heartbeat=heartbeat if live else None)
    if reporter is not None:
        reporter.start()
    before = signal.signal(signal.SIGTERM, _end)
    try:
        for piece in sound.pieces():
            for word in ear.hear(piece):
                time_ns = sound.start_ns + word.sample * SECOND // RATE
                click.echo(f"{timestamp(time_ns)}  {word.name}  {device or 'every speaker'}")
                sys.stdout.flush()
                if reporter is not None:
                    reporter.add(_event(time_ns, device))
            if reporter is not None and live:
                reporter.hearing(ear.flat_seconds < FLAT_SECONDS)
    finally:
        signal.signal(signal.SIGTERM, before)
        lost = reporter.close() if reporter is not None else 0
    if lost:
        raise UsageError(f"{lost} wake words could not be reported")


def _end(signum: int, frame: object) -> NoReturn:
    """Asked to end (by systemd): what waits is still sent, and the router told that nobody listens any more."""
    raise SystemExit(0)


def _event(time_ns: int, device: str | None) -> dict[str, Any]:
    return {"timestamp": time_ns / SECOND, "device": device, "kind": "wake"}


def _sound(source: str, start: str | None, clock: SystemClock) -> Sound:
    if source == "-":
        return StreamSound(sys.stdin.buffer, clock)
    if source.lower().endswith(".wav"):
        return WavSound(Path(source), clock, None if start is None else parse_time(_time(start), "--start"))
    return MicrophoneSound(None if source == "microphone" else source, clock)


def _time(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text
