"""`sniffer setup`: look who is there, ask what is what, write a configuration, try the notifications."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import click
from pydantic import TypeAdapter, ValidationError

from sniffer.app.build import load_rulebook
from sniffer.app.config import Config, load_config, parse_config, read_secret
from sniffer.capture.live.interfaces import resolve
from sniffer.capture.live.live import LiveCapture
from sniffer.capture.source_settings import AnyPacketSource
from sniffer.capture.sources import open_source
from sniffer.cli._common import count, program, write_whole
from sniffer.cli._routers import ROUTERS, Place, ask_router, ask_source, source_lines
from sniffer.cli._secrets import write_secret
from sniffer.cli._show import plain
from sniffer.cli._who import Observer, ordered, what
from sniffer.cli.service import CONFIG
from sniffer.errors import CaptureError, UsageError
from sniffer.model import Device, address_text, key_text
from sniffer.model.clock import Clock, SystemClock
from sniffer.settings.base import Url, display_name

MAX_ASKED = 40
#: Bytes kept of each packet while looking around: names are in the first ones, and hellos have up to two segments.
WHOLE = 2048


@click.command()
@click.option("--capture", type=click.Path(path_type=Path), help="Read this capture instead of watching.")
@click.option("-i", "--interface", help="Watch here (default: the LAN side).")
@click.option(
    "--router", type=click.Choice(list(ROUTERS)), help="Whose packets are watched; asked for where it is not given."
)
@click.option("--seconds", type=click.FloatRange(min=1, max=86_400), default=60.0, show_default=True, help="How long.")
@click.option("--yes", is_flag=True, help="Ask nothing: watch what was recognised, under the names we made.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), default=Path("sniffer.yaml"), show_default=True
)
@click.option("--force", is_flag=True, help="Write over a configuration that is there.")
@click.option(
    "--test", "only_test", is_flag=True, help="Only send a test notification to what the configuration names."
)
def command(
    capture: Path | None,
    interface: str | None,
    router: str | None,
    seconds: float,
    yes: bool,
    output: Path,
    force: bool,
    only_test: bool,
) -> int:
    """Look who is on the network, ask what is what, and write a commented configuration.

    \b
    Examples:
      sniffer setup
      sniffer setup -i br-lan
      sniffer setup --router fritzbox
      sniffer setup --capture evening.pcap --yes -o sniffer.yaml
      sniffer setup --test -o sniffer.yaml
    """
    if only_test:
        return try_targets(load_config(output), SystemClock())
    if not force and says_something(output):
        raise UsageError(f"{output}: is there already; --force writes over it, -o names another, --test tries it")
    folder = output.absolute().parent
    if not os.access(folder, os.W_OK):  # now, and not after all the answers
        raise UsageError(
            f"{folder}: {'cannot be written to' if folder.is_dir() else 'no such folder'}; -o names another"
        )
    if not yes and not has_terminal():
        raise UsageError("no terminal to ask on: --yes takes what was recognised")
    if yes and router not in (None, "here"):
        raise UsageError("--router asks for what the router needs: leave --yes out")
    config = Config()
    observer = Observer(config, load_rulebook(config))
    source = None
    if capture is None and interface is None and not yes:
        source = ask_source(router or ask_router(), Place(output))
    if source is not None:
        _observe_source(observer, config, source, seconds)
    used = None if source is not None else _observe(observer, config, capture, interface, seconds)
    found = [device for device in ordered(observer.identifier.devices()) if device.kind != "router"]
    chosen = _ask(found, yes)
    receiver = None if yes else _ask_receiver()
    webhook = receiver is not None
    secret = output.with_name(f"{output.stem}-webhook.secret").absolute()
    text = configuration(chosen, found, used, receiver, secret, source)
    parse_config(text, output)
    if receiver is not None and receiver.secret:
        readers = write_secret(secret, receiver.url + "\n")
        click.echo(f"{secret}: the address is a secret, and is kept here, {readers}")
    write_whole(output, text, 0o644)
    ours = output.absolute() == CONFIG and Path("/run/systemd/system").is_dir()
    start = (
        "systemctl enable sniffer && systemctl restart sniffer"
        if ours
        else program("run", "-c", str(output), root=True)
    )
    click.echo(f"{output}: written, {count(len(chosen), 'device')}. Next: {start}")
    return try_targets(load_config(output), SystemClock()) if webhook else 0


def says_something(path: Path) -> bool:
    """Whether a configuration is there that holds more than comments, as the one that comes with the service does."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    return any(line.strip() and not line.lstrip().startswith("#") for line in lines)


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where alerts go: an address, how its messages are spelled, and whether the address itself is a secret."""

    url: str
    format: str = "standard"
    secret: bool = False


def receiver_of(address: str) -> Receiver:
    """Recognise a service by its address. Raises ValueError, with what is wrong, where it is no URL."""
    address = address.strip()
    if "://" not in address and "." in address.partition("/")[0]:
        address = f"https://{address}"
    url = TypeAdapter(Url).validate_python(address)
    parts = urlsplit(url)
    host, path = parts.hostname or "", parts.path.strip("/")
    if host == "hooks.slack.com":
        return Receiver(url, "slack", secret=True)
    if host.endswith(("discord.com", "discordapp.com")) and path.startswith("api/webhooks/"):
        return Receiver(url, "discord", secret=True)
    if path.startswith("api/webhook/"):  # a webhook trigger of Home Assistant, which gets the record as JSON
        return Receiver(url, secret=True)
    if host == "ntfy.sh" or host.startswith("ntfy."):
        if not path or "/" in path:
            raise ValueError("an ntfy address ends with the topic, such as https://ntfy.sh/my-secret-topic")
        return Receiver(url, "ntfy")
    return Receiver(url)


def _ask_receiver() -> Receiver | None:
    click.echo(
        "\nWhere shall alerts go? Give the address of an ntfy topic (https://ntfy.sh/my-secret-topic), of a Slack,\n"
        "Discord or Home Assistant webhook, or of any other webhook. An empty answer: nowhere, for now."
    )
    while answer := str(click.prompt("Address", default="", show_default=False)).strip():
        try:
            found = receiver_of(answer)
        except ValidationError as error:
            click.echo(f"  {error.errors()[0]['msg'].removeprefix('Value error, ')}; please try again")
        except ValueError as error:
            click.echo(f"  {error}; please try again")
        else:
            click.echo(f"  messages are written for: {found.format}")
            return found
    return None


def has_terminal() -> bool:
    """Whether questions can be asked: standard input is a terminal."""
    return sys.stdin.isatty()


def _observe(
    observer: Observer, config: Config, capture: Path | None, interface: str | None, seconds: float
) -> str | None:
    """Fill the observer; the interface that was watched."""
    if capture is not None:
        observer.captures([capture], lambda text: click.echo(f"sniffer: {text}", err=True))
        return interface
    names, why = resolve(interface or "auto")
    click.echo(f"watching {', '.join(names)}{f' ({why})' if why else ''} for {seconds:.0f} seconds; "
               "switch a speaker off and on to have it recognised best", err=True)  # fmt: skip
    clock = SystemClock()
    settings = config.capture.model_copy(update={"snap_length": WHOLE})
    with closing(LiveCapture(names, settings, None, clock=clock)) as source, click.progressbar(
        length=int(seconds), label="looking around", file=sys.stderr
    ) as bar:  # fmt: skip
        observer.live(source, seconds, clock, lambda passed: bar.update(int(passed) - bar.pos))
    return names[0]


def _observe_source(observer: Observer, config: Config, settings: AnyPacketSource, seconds: float) -> None:
    """Fill the observer from another machine. Raises CaptureError where nothing arrives."""
    clock = SystemClock()
    click.echo(f"connecting to {settings.label}, and watching for {seconds:.0f} seconds; "
               "switch a speaker off and on to have it recognised best", err=True)  # fmt: skip
    with closing(open_source(settings, config.capture, clock, read_secret)) as source, click.progressbar(
        length=int(seconds), label="looking around", file=sys.stderr
    ) as bar:  # fmt: skip
        source.watch(None)
        observer.live(source, seconds, clock, lambda passed: bar.update(int(passed) - bar.pos))
        said = source.events()
    for line in said:
        click.echo(f"sniffer: {line}", err=True)
    if not observer.packets:
        raise CaptureError(
            f"{settings.label}: no packet arrived in {seconds:.0f} seconds; no configuration was written"
        )


def _ask(found: Sequence[Device], yes: bool) -> list[tuple[Device, str]]:
    """Who is watched, under which name."""
    recognised = [device for device in found if device.microphone]
    if yes:
        return [(device, device.name) for device in recognised]
    rest = [device for device in found if not device.microphone][:MAX_ASKED]
    for number, device in enumerate((*recognised, *rest), 1):
        mark = "*" if device.microphone else " "
        where = address_text(*device.address) if device.address else "-"
        click.echo(f"{mark}{number:3}  {key_text(device.key):17}  {where:15}  {plain(what(device), 40):40}"
                   f"  {f'{device.confidence:.0%}' if device.confidence else ''}")  # fmt: skip
    if recognised:
        click.echo("* probably has a microphone, and so is watched unless you say otherwise.\n")
    else:
        click.echo(
            "No speaker was recognised. It may have been silent: switch it off and on, and run this again with a "
            "larger --seconds;\nor its traffic does not pass this machine: see `sniffer doctor`. You can name one.\n"
        )
    chosen: list[tuple[Device, str]] = []
    for device in recognised:
        name = _name(
            f"{key_text(device.key)}, {plain(what(device), 40)}: what do you call it? (- if it shall not be watched)",
            device.name,
            chosen,
        )
        if name:
            chosen.append((device, name))
    everybody = {str(number): device for number, device in enumerate((*recognised, *rest), 1)}
    while rest and (
        answer := click.prompt(
            "Is there another one with a microphone? Give its number, or press Enter", default="", show_default=False
        )
    ):
        other = everybody.get(answer.strip())
        if other is None or any(other is device for device, _ in chosen):
            click.echo("  that is no number of the list, or it is chosen already; please try again")
        elif name := _name("What do you call it?", other.name, chosen):
            chosen.append((other, name))
    return chosen


def _name(question: str, default: str, taken: Sequence[tuple[Device, str]]) -> str:
    while True:
        name = str(click.prompt(question, default=default)).strip()
        if name in ("", "-"):
            return ""
        try:
            name = display_name(name)
        except ValueError as error:
            click.echo(f"  {error}; please try again")
            continue
        if name.casefold() not in {other.casefold() for _, other in taken}:
            return name
        click.echo(f"  another device is called '{name}' already; please try again")


def configuration(
    chosen: Sequence[tuple[Device, str]],
    found: Sequence[Device],
    interface: str | None,
    receiver: Receiver | None = None,
    secret: Path = Path("webhook.secret"),
    source: AnyPacketSource | None = None,
) -> str:
    """A commented configuration that holds what was found; `secret` is the file that holds a secret address."""
    lines = ["# Written by `sniffer setup`. `sniffer config schema` says what else can be set.", ""]
    if source is not None:
        lines += [*source_lines(source), ""]
    elif interface:
        lines += ["capture:", f"  interface: {_quoted(interface)}", ""]
    else:
        lines += ["# capture:", "#   interface: br-lan   # default: the LAN side of this machine", ""]
    chosen_keys = {device.key for device, _ in chosen}
    left_out = [device for device in found if device.microphone and device.key not in chosen_keys]
    if chosen or left_out:
        lines.append("devices:")
        for device, name in chosen:
            reason = f"  # {_comment(device.reasons[0])}" if device.reasons else ""
            lines.append(f"  - mac: {_quoted(key_text(device.key))}{reason}")
            lines.append(f"    name: {_quoted(name)}")
            if device.microphone:
                lines.append(f"    kind: {_quoted(device.kind)}")
                lines += [
                    f"    {key}: {_quoted(value)}"
                    for key, value in (("vendor", device.vendor), ("model", device.model))
                    if value
                ]
        for device in left_out:
            address = _quoted(key_text(device.key))
            lines += [f"  - mac: {address}  # {_comment(what(device))}", f"    name: {address}", "    watch: false"]
    else:
        lines += [
            "# No device with a microphone was recognised. Name one:",
            "# devices:",
            '#   - mac: "68:db:f5:90:19:64"',
            "#     name: kitchen",
        ]
    named = {*chosen_keys, *(device.key for device in left_out)}
    left = [device for device in found if device.key not in named and not device.key >> 63][:MAX_ASKED]
    if left:
        lines += [
            "",
            "# Also seen; give one a name under `devices` to have it judged, or `watch: false` to leave it out:",
        ]
        lines += [f"#   {key_text(device.key)}  {_comment(what(device))}" for device in left]
    lines += [
        "",
        "# What reports wake words? Without a source every upload is inconclusive. `sniffer listen` on a machine with",
        "# a microphone is one; docs/wake.md lists the others.",
        "# wake:",
        "#   sources: []",
        "",
    ]
    if receiver is not None:
        url = f"{{file: {_quoted(str(secret))}}}" if receiver.secret else _quoted(receiver.url)
        lines += [
            "sinks:",
            "  webhooks:",
            "    - name: setup",
            f"      url: {url}",
            f"      format: {receiver.format}",
            "",
        ]
    else:
        lines += [
            "# Where alerts go:",
            "# sinks:",
            "#   webhooks:",
            "#     - name: phone",
            "#       url: https://example.com/hook",
            "",
        ]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _comment(text: str) -> str:
    return plain(text, 80)


def try_targets(config: Config, clock: Clock) -> int:
    """Send a test to every receiver; 0 where all accepted it."""
    from sniffer.app.trial import try_targets as tried

    results = tried(config, clock, read_secret)
    for name, error in results:
        if error is None:
            click.echo(f"{name}: accepted the test notification")
        else:
            click.echo(f"{name}: did not accept the test notification: {error}", err=True)
    if not results:
        click.echo("no receiver of alerts is configured (sinks)", err=True)
    return 1 if any(error for _, error in results) else 0
