"""`sniffer doctor`: what works here, what does not, and the remedy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from sniffer.app import checks, checks_wake
from sniffer.app.build import load_rulebook
from sniffer.app.checks import Check
from sniffer.app.config import Config, load_config
from sniffer.app.config_lint import remarks
from sniffer.capture.live.privileges import may_capture
from sniffer.capture.source_settings import InterfaceSource
from sniffer.cli._common import config_option
from sniffer.errors import LocatedError
from sniffer.model.clock import SystemClock

MARKS = {
    "ok": ("ok", "green"),
    "warning": ("warning", "yellow"),
    "fail": ("fail", "red"),
    "skipped": ("skipped", "cyan"),
}
CAPTURING = ("privilege", "interface", "source", "traffic", "visibility", "hidden")


@click.command()
@config_option
@click.option("-i", "--interface", help="Look at this interface instead of the configured one.")
@click.option("--seconds", type=click.FloatRange(0, 3600), default=10.0, show_default=True, help="How long to look.")
@click.option("--format", "form", type=click.Choice(["table", "jsonl"]), default="table", show_default=True)
@click.pass_context
def command(context: click.Context, config_path: Path | None, interface: str | None, seconds: float, form: str) -> None:
    """What works here, what does not, and the remedy: one line a check.

    Works without root, and says what it could not check then. Ends with 0 where nothing failed, 2 where the
    configuration is wrong, 3 where packets cannot be captured.

    \b
    Example:  sniffer doctor -i br-lan
    """
    failed = set()
    for check in _all(config_path, interface, seconds):
        if check.status == "fail":
            failed.add(check.name)
        click.echo(json.dumps(asdict(check)) if form == "jsonl" else _line(check))
    if failed & {*CAPTURING}:
        context.exit(3)
    if failed:
        context.exit(2)


def _all(path: Path | None, interface: str | None, seconds: float) -> Iterator[Check]:
    """Yield each check when it is done: those that capture packets take a while."""
    config, read = Config(), None
    if path is not None:
        try:
            loaded = load_config(path)
            rulebook = load_rulebook(loaded)
            config, read = loaded, path
            yield Check("configuration", "ok", f"{path} is OK")
            for remark in remarks(config, rulebook, path):
                yield Check("configuration", "warning", remark.message, remark.remedy)
        except LocatedError as error:
            yield Check("configuration", "fail", str(error), "correct it; the checks below use the defaults")
    else:
        yield Check("configuration", "ok", "none was given: the defaults are used")
    senders = () if interface else tuple(s for s in config.capture.sources if not isinstance(s, InterfaceSource))
    if interface or config.capture.interfaces:
        yield from _here(interface, config, seconds)
    for source in senders if seconds > 0 else ():
        yield from checks.sender(source, config.capture, seconds)
    yield from checks.clock()
    yield from checks.secrets(config, read)
    yield from checks.store(config)
    yield from checks.port(config)
    yield from checks.devices(config)
    yield from checks_wake.wake(config)
    yield from checks_wake.heard(config)
    yield from checks_wake.hearing(config, SystemClock().now_ns())
    yield from checks_wake.sources(config)
    yield from checks.receivers(config)


def _here(interface: str | None, config: Config, seconds: float) -> Iterator[Check]:
    """Checks of the interfaces of this machine."""
    yield from checks.privilege()
    yield from checks.forwarding()
    chosen = (interface,) if interface else config.capture.interfaces
    names, found = checks.choice(chosen)
    yield from found
    if names:
        yield from checks.hidden(names)
    if not names or not may_capture():
        yield Check("traffic", "skipped", "packets were not looked at: what others send, DNS, merging are unknown")
    elif seconds > 0:
        yield from checks.traffic(names, config.capture, seconds)


def _line(check: Check) -> str:
    mark, colour = MARKS[check.status]
    line = f"{click.style(f'{mark:<8}', fg=colour)} {check.name:<14} {check.message}"
    return line if check.remedy is None else f"{line} -> {check.remedy}"
