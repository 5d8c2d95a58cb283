"""`sniffer listen`: a microphone beside the speaker, on any machine of one's own."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from sniffer.cli._client import find_token, find_url, token_option, url_option
from sniffer.cli._common import config_option, format_option
from sniffer.cli.wake import moment
from sniffer.errors import UsageError
from sniffer.listener.history import History
from sniffer.listener.recognizer import Recognizer, Tenth, load_recognizer
from sniffer.listener.selftest import TRIES, SelfTest, advice
from sniffer.listener.session import Session
from sniffer.listener.sound import RATE, MicrophoneSound, Sound, StreamSound, WavSound
from sniffer.listener.unit import NAME, install, unit_text
from sniffer.model.clock import SECOND, SystemClock, timestamp
from sniffer.wake.events import parse_time

#: Seconds of one constant value after which a microphone counts as dead.
FLAT_SECONDS = 10.0


@click.command(name="listen")
@config_option
@url_option
@token_option("wake")
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
@format_option("text", "jsonl")
@click.option("--test", "self_test", is_flag=True, help="Say the wake word five times: is this a good place to listen?")
@click.option("--install", "installs", is_flag=True, help="Run it as a systemd user service from now on.")
@click.option("--print", "prints", is_flag=True, help="With --install: only print the unit.")
def command(
    config_path: Path | None, url: str | None, token_file: Path | None, source: str, models: tuple[str, ...],
    device: str | None, start: str | None, heartbeat: float, dry_run: bool, output_format: str, self_test: bool,
    installs: bool, prints: bool,
) -> None:  # fmt: skip
    """Hear wake words and report them to the daemon on the router. No sound is kept or sent.

    Each word is printed with its time, and reported with it; while the router cannot be reached, words wait. When the
    daemon sees an upload that could be a voice, it asks what was heard around it, and gets the models' best scores,
    whether there was a voice, and how loud it was: kept for ten minutes, in memory only.

    \b
    Examples:  sniffer listen --url http://router:9877 --token-file ~/.sniffer-token
               sniffer listen --test
               sniffer listen --install --url http://router:9877 --token-file ~/.sniffer-token
               arecord -q -f S16_LE -r 16000 -c 1 -t raw | sniffer listen --input - --dry-run
               sniffer listen --input speech.wav --dry-run --format jsonl   # a line per tenth of a second
    """
    logging.basicConfig(level=logging.WARNING, format="sniffer: %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    if output_format == "jsonl" and not dry_run:
        raise UsageError("--format jsonl goes with --dry-run")
    if prints and not installs:
        raise UsageError("--print goes with --install")
    if installs:
        _install(config_path, url, token_file, source, models, device, heartbeat, prints)
        return
    token = "" if dry_run or self_test else find_token(token_file, config_path, "wake")
    recognizer = load_recognizer(models)
    clock = SystemClock()
    sound = _sound(source, start, clock)
    if self_test:
        _test(recognizer, sound, models)
    elif dry_run:
        _print(recognizer, sound, device, as_json=output_format == "jsonl")
    else:
        live = not isinstance(sound, WavSound)
        address = find_url(url, config_path)
        session = Session(address, token, clock, recognizer.names, device, heartbeat if live else None)
        _listen(recognizer, sound, device, session)


def _listen(recognizer: Recognizer, sound: Sound, device: str | None, session: Session) -> None:
    session.start()
    before = signal.signal(signal.SIGTERM, _end)
    try:
        for piece in sound.pieces():
            for heard in recognizer.hear(piece):
                time_ns = sound.start_ns + heard.sample * SECOND // RATE
                if isinstance(heard, Tenth):
                    session.history.add(heard, time_ns)
                    continue
                time_ns += session.reporter.offset_ns
                click.echo(f"{timestamp(time_ns)}  {heard.name}  {device or 'every speaker'}")
                sys.stdout.flush()
                session.reporter.add({"timestamp": time_ns / SECOND, "device": device, "kind": "wake"})
            if session.live:
                session.reporter.hearing(recognizer.flat_seconds < FLAT_SECONDS)
    finally:
        signal.signal(signal.SIGTERM, before)
        lost = session.close()
    if lost:
        raise UsageError(f"{lost} events could not be reported")


def _print(recognizer: Recognizer, sound: Sound, device: str | None, *, as_json: bool) -> None:
    """Print the words; as JSON, what would be kept of each tenth of a second, and the words in it."""
    history = History(recognizer.names)
    words: list[str] = []
    for piece in sound.pieces():
        for heard in recognizer.hear(piece):
            time_ns = sound.start_ns + heard.sample * SECOND // RATE
            if not isinstance(heard, Tenth):
                words.append(heard.name)
                if not as_json:
                    click.echo(f"{timestamp(time_ns)}  {heard.name}  {device or 'every speaker'}")
                    sys.stdout.flush()
                continue
            history.add(heard, time_ns)
            if as_json:
                click.echo(json.dumps(_line(heard, time_ns, recognizer.names, history.noise_db(), words)))
            words = []


def _line(tenth: Tenth, time_ns: int, names: tuple[str, ...], noise_db: float, words: list[str]) -> dict[str, Any]:
    return {
        "timestamp": timestamp(time_ns),
        "scores": {name: round(score, 4) for name, score in zip(names, tenth.scores, strict=True)},
        "voice": round(max(0.0, tenth.voice), 3),
        "level_db": round(tenth.level_db, 1),
        "noise_db": round(noise_db, 1),
        "heard": not tenth.flat,
        "words": words,
    }


def _test(recognizer: Recognizer, sound: Sound, models: tuple[str, ...]) -> None:
    """Ask for the wake word five times, show the scores live, and say where the microphone should stand."""
    word = Path(models[0]).stem.replace("_", " ")
    test, asked, live = SelfTest(), False, sys.stderr.isatty()
    click.echo("Quiet for two seconds, please: the noise of the room is measured.", err=True)
    for piece in sound.pieces():
        for heard in recognizer.hear(piece):
            if not isinstance(heard, Tenth) or test.done:
                continue
            ended = test.feed(heard)
            if live:
                best = max(heard.scores, default=0.0)
                click.echo(f"\r  {'#' * round(40 * best):40} {best:.2f}  {heard.level_db:6.1f} dB ", nl=False, err=True)
            if ended is not None:
                number = len(test.tries)
                result = f"best score {ended.score:.2f}, {ended.level_db - ended.noise_db:.0f} dB above the noise"
                click.echo(("\r" if live else "") + f"{number} of {TRIES}: {result if ended.voice else 'no voice'}")
                asked = False
            if test.settled and not asked and not test.done:
                click.echo(f'{len(test.tries) + 1} of {TRIES}: say "{word}" as you would to the speaker.', err=True)
                asked = True
        if test.done:
            break
    for sentence in advice(test.tries):
        click.echo(sentence)
    if len(test.tries) < TRIES:
        raise UsageError(f"the sound ended after {len(test.tries)} of {TRIES} words")


def _install(
    config_path: Path | None, url: str | None, token_file: Path | None, source: str, models: tuple[str, ...],
    device: str | None, heartbeat: float, prints: bool,
) -> None:  # fmt: skip
    if token_file is None and config_path is None:
        raise UsageError("--install needs --token-file FILE (or -c FILE): a service has no environment of yours")
    if source == "-" or source.lower().endswith(".wav"):
        raise UsageError("--install needs a microphone: a service has no standard input, and a file ends")
    find_token(token_file, config_path, "wake")
    words = [sys.executable, "-m", "sniffer", "listen", "--url", find_url(url, config_path)]
    if token_file is not None:
        words += ["--token-file", str(token_file.absolute())]
    elif config_path is not None:
        words += ["--config", str(config_path.absolute())]
    for name in models:
        words += ["--model", str(Path(name).absolute()) if name.endswith(".json") else name]
    words += [] if source == "microphone" else ["--input", source]
    words += [] if device is None else ["--device", device]
    words += ["--heartbeat", f"{heartbeat:g}"]
    certificate = os.environ.get("SSL_CERT_FILE")
    text = unit_text(words, {"SSL_CERT_FILE": str(Path(certificate).absolute())} if certificate else {})
    if prints:
        click.echo(text, nl=False)
        return
    path = install(text)
    click.echo(f"{path} is written; {NAME} runs, and starts with your session.")
    click.echo("To start it at boot, without a login:  loginctl enable-linger")


def _end(signum: int, frame: object) -> NoReturn:
    """End (as systemd asks): what waits is still sent, and the daemon learns that this source is down."""
    raise SystemExit(0)


def _sound(source: str, start: str | None, clock: SystemClock) -> Sound:
    if source == "-":
        return StreamSound(sys.stdin.buffer, clock)
    if source.lower().endswith(".wav"):
        return WavSound(Path(source), clock, None if start is None else parse_time(moment(start), "--start"))
    return MicrophoneSound(None if source == "microphone" else source, clock)
