"""`sniffer setup`: look who is there, ask what is what, write a configuration, try the notifications."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import click

from sniffer.app.build import load_rulebook
from sniffer.app.config import Config, load_config, parse_config, read_secret
from sniffer.capture.live.interfaces import resolve
from sniffer.capture.live.live import LiveCapture
from sniffer.cli._show import plain
from sniffer.cli._who import Observer, ordered, what
from sniffer.errors import UsageError
from sniffer.model import Device, address_text, key_text
from sniffer.model.clock import Clock, SystemClock

MAX_ASKED = 40
#: Bytes kept of each packet while looking around: names are in the first ones, and hellos have up to two segments.
WHOLE = 2048
NAME = re.compile(r"[\w .:-]{1,64}")


@click.command()
@click.option("--capture", type=click.Path(path_type=Path), help="Read this capture instead of watching.")
@click.option("-i", "--interface", help="Watch here (default: the LAN side).")
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
    seconds: float,
    yes: bool,
    output: Path,
    force: bool,
    only_test: bool,
) -> int:
    """Look who is on the network, ask what is what, and write a commented configuration.

    \b
    Examples:
      sudo sniffer setup
      sniffer setup --capture evening.pcap --yes -o sniffer.yaml
      sniffer setup --test -o sniffer.yaml
    """
    if only_test:
        return try_targets(load_config(output), SystemClock())
    if output.exists() and not force:
        raise UsageError(f"{output}: is there already; --force writes over it, -o names another, --test tries it")
    if not yes and not has_terminal():
        raise UsageError("no terminal to ask on: --yes takes what was recognised")
    config = Config()
    observer = Observer(config, load_rulebook(config))
    used = _observe(observer, config, capture, interface, seconds)
    found = [device for device in ordered(observer.identifier.devices()) if device.kind != "router"]
    chosen = _ask(found, yes)
    webhook = (
        ""
        if yes
        else click.prompt("Where shall alerts go? (URL of a webhook, empty: nowhere)", default="", show_default=False)
    )
    text = configuration(chosen, found, used, webhook)
    parse_config(text, output)
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error.strerror}") from None
    devices = "1 device" if len(chosen) == 1 else f"{len(chosen)} devices"
    click.echo(f"{output}: written, {devices}. Next: sudo sniffer run -c {output}")
    return try_targets(load_config(output), SystemClock()) if webhook else 0


def has_terminal() -> bool:
    """Somebody can be asked."""
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
    click.echo("* has a microphone, we think")
    chosen: list[tuple[Device, str]] = []
    for device in recognised:
        name = _name(
            f"{key_text(device.key)} ({plain(what(device), 40)}) is called (-: do not watch)", device.name, chosen
        )
        if name:
            chosen.append((device, name))
    everybody = {str(number): device for number, device in enumerate((*recognised, *rest), 1)}
    while rest and (
        answer := click.prompt(
            "Another one that has a microphone? Its number (empty: no)", default="", show_default=False
        )
    ):
        other = everybody.get(answer.strip())
        if other is None or any(other is device for device, _ in chosen):
            click.echo("a number from the list, not chosen yet")
        elif name := _name("It is called", other.name, chosen):
            chosen.append((other, name))
    return chosen


def _name(question: str, default: str, taken: Sequence[tuple[Device, str]]) -> str:
    while True:
        name = str(click.prompt(question, default=default)).strip()
        if name in ("", "-"):
            return ""
        if NAME.fullmatch(name) and name.casefold() not in {"all", *(other.casefold() for _, other in taken)}:
            return name
        click.echo("letters, digits, spaces and . : - only, at most 64, each name once, and not `all`; - for none")


def configuration(
    chosen: Sequence[tuple[Device, str]], found: Sequence[Device], interface: str | None, webhook: str = ""
) -> str:
    """A commented configuration that holds what was found."""
    lines = ["# Written by `sniffer setup`. `sniffer config schema` says what else can be set.", ""]
    if interface:
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
        "# Who asked? Without a source of wake events every upload is inconclusive. `sniffer listen` is an ear of",
        "# one's own; docs/wake.md names the others.",
        "# wake:",
        "#   sources: []",
        "",
    ]
    if webhook:
        lines += ["sinks:", "  webhooks:", "    - name: setup", f"      url: {_quoted(webhook)}", ""]
    else:
        lines += [
            "# Who is told:",
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
    """Send a test to everybody who is to be told; 0 where all took it."""
    from sniffer.app.trial import try_targets as tried

    results = tried(config, clock, read_secret)
    for name, error in results:
        if error is None:
            click.echo(f"{name}: took the test notification")
        else:
            click.echo(f"{name}: did not take the test notification: {error}", err=True)
    if not results:
        click.echo("nobody to tell is configured (sinks)", err=True)
    return 1 if any(error for _, error in results) else 0
