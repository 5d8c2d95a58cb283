"""`sniffer calibrate DEVICE`: five spoken commands and one silence, and what was learned from them."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

from sniffer.app.batch_job import OfflineJudge, Outcome
from sniffer.app.build import load_rulebook
from sniffer.app.config import Config
from sniffer.cli._client import find_token
from sniffer.cli._common import config_option, device_option, effective_config
from sniffer.cli._show import plain
from sniffer.errors import DaemonError, UsageError
from sniffer.model import Record, host_key
from sniffer.sinks.settings import StoreSettings
from sniffer.sinks.storage.store import Store

COMMANDS = 5
#: An utterance, its closing silence, and the hold-off of the wake sources.
_WAIT_SECONDS, _POLL_SECONDS = 25.0, 0.5
#: More uploads than any device sends between two questions.
_NEWEST = 100
_BIN = 0.25

#: Uploads that came since it was called last, the oldest first.
New = Callable[[], list[Record]]


@dataclass
class Lesson:
    """What five commands and one silence showed."""

    commands: list[list[Record]] = field(default_factory=list)  # uploads after each request to speak
    silence: list[Record] | None = None

    @property
    def speech(self) -> list[Record]:
        """One upload of speech for each command that was heard."""
        heard = [[r for r in uploads if r["upload"]["class"] == "speech"] for uploads in self.commands]
        return [uploads[0] for uploads in heard if uploads]


@click.command()
@click.argument("device")
@config_option
@device_option
@click.option("--store", "store_path", type=click.Path(path_type=Path, dir_okay=False), help="The daemon's store.")
@click.option("--url", help="Ask the daemon over HTTP instead of its store.")
@click.option("--token-file", type=click.Path(path_type=Path, dir_okay=False), help="Holds a token with scope `read`, where the daemon wants one.")  # fmt: skip  # noqa: E501
@click.option("--capture", type=click.Path(path_type=Path, dir_okay=False), help="Learn from a capture: every speech in it counts as a command.")  # fmt: skip  # noqa: E501
@click.option("--silence", default=60, show_default=True, type=click.IntRange(10, 3600), help="Seconds of silence.")
def command(
    device: str,
    config_path: Path | None,
    devices: Sequence[str],
    store_path: Path | None,
    url: str | None,
    token_file: Path | None,
    capture: Path | None,
    silence: int,
) -> None:
    """Teach the daemon one device: five spoken commands and one silence.

    DEVICE is a name or a MAC address. The daemon learns while you speak; this guides you, and shows what it learned:
    the pieces, pace and hosts of the speech that this device sends, and that it sends none in silence.

    \b
    Examples:
      sniffer calibrate kitchen
      sniffer calibrate kitchen --url http://router:9877
      sniffer calibrate kitchen --capture capture.pcap --device 68:db:f5:90:19:64=kitchen
    """
    if capture is not None and not devices and _is_address(device):
        devices = (device,)  # who names an address means that device, whatever it looks like
    config = effective_config(config_path, devices)
    if capture is not None:
        lesson = Lesson([[record] for record in _captured(capture, device, config) if _is_speech(record)])
    else:
        if not sys.stdin.isatty():
            raise UsageError("a person has to speak: run it on a terminal, or learn from a capture with --capture")
        with ExitStack() as opened:
            if url is not None:
                daemon = asked(url, device, lambda: find_token(token_file, config_path, "read"))
                uploads = opened.enter_context(daemon)
            else:
                settings = config.store if store_path is None else config.store.model_copy(update={"path": store_path})
                uploads = _stored(settings, device)
            lesson = guided(since_last(uploads), silence, click.getchar)
    for line in learned(device, lesson):
        click.echo(line)
    if capture is not None:
        click.echo("(from a capture: a daemon learns the same from what it hears itself)", err=True)


def learned(device: str, lesson: Lesson) -> Iterator[str]:
    """What was learned, in words."""
    speech = lesson.speech
    yield f"{plain(device, 60)}: {len(speech)} of {len(lesson.commands)} spoken commands were heard"
    if speech:
        uploads = [record["upload"] for record in speech]
        chunks = [u["chunk_bytes"] for u in uploads if u["chunk_bytes"]]
        if chunks:
            commonest = statistics.mode(chunks)
            same = sum(abs(chunk - commonest) <= 2 for chunk in chunks)
            yield f"  in pieces of {commonest} bytes ({same} of {len(uploads)} times)"
        paces = [u["chunks_per_second"] for u in uploads if u["chunks_per_second"]]
        if paces:
            yield f"  {statistics.median(paces):.0f} pieces a second"
        rates = [rate for u in uploads if (rate := _rate(u))]
        if rates:
            least, usual, most = (f"{rate / 1000:.1f}" for rate in (min(rates), statistics.median(rates), max(rates)))
            yield f"  {usual} kB a second ({least} to {most})"
        answered = sum(bool(u["answered"]) for u in uploads)
        yield f"  an answer came back at once {answered} times of {len(uploads)}"
        for host in dict.fromkeys(str(r["service"]["host"] or r["dest_ip"]) for r in speech):
            yield f"  to {plain(host, 80)}"
    if lesson.silence is not None:
        loud = [record for record in lesson.silence if _is_speech(record)]
        others = len(lesson.silence) - len(loud)
        yield f"  in the silence: {len(loud)} times speech, {others} times something else"
        if loud:
            yield "  speech was detected during the silence: `sniffer explain last` says what"
    missing = len(lesson.commands) - len(speech)
    if missing:
        yield f"{missing} were not heard: is this the right device, and are its packets seen? Run `sniffer doctor`"
    elif speech:
        yield "where these habits change, the daemon announces it (`drift`)"


def guided(new: New, silence: float, ask: Callable[[], object], *, commands: int = COMMANDS) -> Lesson:
    """Ask for the commands and the silence. `new` gives the uploads that came since it was asked last; `ask` returns
    after a phrase was spoken."""
    lesson = Lesson()
    new()
    for number in range(1, commands + 1):
        click.echo(f"{number} of {commands}: say the wake word and a short question, then press Enter.", err=True)
        ask()
        uploads = _awaited(new)
        lesson.commands.append(uploads)
        speech = next((record["upload"] for record in uploads if _is_speech(record)), None)
        said = f"{speech['speech_seconds']:.1f} s of speech" if speech else "nothing that was spoken"
        click.echo(f"   heard: {said}", err=True)
    click.echo(f"Now {silence:g} s of silence, please.", err=True)
    time.sleep(silence)
    lesson.silence = new()
    return lesson


def _awaited(new: New) -> list[Record]:
    until = time.monotonic() + _WAIT_SECONDS
    found: list[Record] = []
    while not any(_is_speech(record) for record in found) and time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
        found += new()
    return found


def since_last(uploads: Callable[[], list[Record]]) -> New:
    """Return the uploads that are new: the clock of this machine may differ from the daemon's."""
    known: set[str] = set()

    def new() -> list[Record]:
        found = [record for record in uploads() if record["id"] not in known]
        known.update(record["id"] for record in found)
        return found[::-1]

    return new


def _stored(settings: StoreSettings, device: str) -> Callable[[], list[Record]]:
    with Store(settings, read_only=True):
        pass  # fails at once where there is none

    def uploads() -> list[Record]:
        with Store(settings, read_only=True) as store:
            return list(store.uploads(device, None, None, None, _NEWEST))

    return uploads


@contextmanager
def asked(url: str, device: str, token: Callable[[], str]) -> Iterator[Callable[[], list[Record]]]:
    """Give a function that asks the daemon at `url` for the newest uploads of a device; `token` is called only where
    the daemon wants one. Raises UsageError, DaemonError."""
    from sniffer.web.client import Client

    with ExitStack() as clients:
        client = clients.enter_context(Client(url))
        try:
            found = client.get("/api/v1/devices")
        except DaemonError as error:
            if error.status not in (401, 403):
                raise
            client = clients.enter_context(Client(url, token()))
            found = client.get("/api/v1/devices")
        devices = [record["device"] for record in found if isinstance(record, dict) and "device" in record]
        names = [str(one["name"]) for one in devices]
        if device.lower() not in {name.lower() for one in devices for name in (str(one["name"]), str(one["mac"]))}:
            raise UsageError(f"the daemon knows no device '{device}', only: {', '.join(names) or 'none yet'}")
        query = {"device": device, "limit": str(_NEWEST)}
        yield lambda: [r for r in client.get("/api/v1/uploads", query) if isinstance(r, dict) and "upload" in r]


def _captured(path: Path, device: str, config: Config) -> list[Record]:
    outcome = Outcome(str(path))
    judge = OfflineJudge(config, load_rulebook(config))
    records = [r for r in judge.file(path, outcome, lambda done, total: None) if r["event_type"] == "upload"]
    mine = [r for r in records if device.lower() in (str(r["device"]["name"]).lower(), str(r["device"]["mac"]).lower())]
    if not mine and device not in {host.name for host in outcome.watched}:
        known = ", ".join(host.name for host in outcome.watched) or "none"
        raise UsageError(
            f"no uploads of '{device}' in {path}; devices that were recognised: {known} (--device names one)"
        )
    return mine


def _is_address(text: str) -> bool:
    try:
        host_key(text)
    except ValueError:
        return False
    return True


def _is_speech(record: Record) -> bool:
    return bool(record["upload"]["class"] == "speech")


def _rate(upload: Record) -> float | None:
    """Bytes a second of the steady part: of its median quarter second, as what came before may reach into it."""
    body, bins = upload.get("body"), upload.get("bins") or ()
    if not body or body[1] - body[0] < 3:
        return None
    inner = bins[body[0] + 1 : body[1] - 1]  # the first and last are cut
    return statistics.median(inner) / _BIN if inner else None
