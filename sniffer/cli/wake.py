"""`sniffer wake`: report a request to the daemon."""

from __future__ import annotations

from pathlib import Path

import click

from sniffer.cli._client import find_token, find_url, token_option, url_option
from sniffer.cli._common import config_option
from sniffer.errors import UsageError
from sniffer.model import WakeKind
from sniffer.model.clock import SystemClock, timestamp
from sniffer.wake.events import parse_event, parse_time

#: The microphone's own switch, which records and the API call `mute`; alerts are muted by `sniffer mute`.
RENAMED = {"mic_off": "mute", "mic_on": "unmute"}
#: What a person or an automation can report; the other kinds are a listener's own.
KINDS = [
    next((name for name, old in RENAMED.items() if old == kind), str(kind))
    for kind in WakeKind
    if str(kind) not in ("testimony", "answer", "misdated")
]


@click.command(name="wake")
@click.argument("device", required=False)
@config_option
@url_option
@token_option("wake")
@click.option(
    "--kind", type=click.Choice([*KINDS, "mute", "unmute"]), default=str(WakeKind.WAKE), show_default=True,
    metavar="[" + "|".join(KINDS) + "]",
    help="What happened. `mic_off`: the microphone was switched off (`sniffer mute` is something else: no alerts).",
)  # fmt: skip
@click.option("--at", "when", metavar="TIME", help="When it happened: ISO-8601 or seconds since 1970. Now, if absent.")
def command(
    device: str | None, config_path: Path | None, url: str | None, token_file: Path | None, kind: str, when: str | None
) -> None:
    """Report to the daemon that DEVICE (a configured name or a MAC) was asked; without DEVICE, any speaker.

    \b
    Examples:  sniffer wake kitchen --url http://router:9877 --token-file ~/.sniffer-token
               sniffer wake kitchen --kind mic_off
               sniffer wake door --kind view_start
    """
    from sniffer.web.client import Client

    token = find_token(token_file, config_path, "wake")
    now_ns = SystemClock().now_ns()
    time_ns = now_ns if when is None else parse_time(moment(when), "--at")
    if kind in ("mute", "unmute"):
        word = next(name for name, old in RENAMED.items() if old == kind)
        click.echo(f"sniffer: --kind {kind} is now called --kind {word}", err=True)
    event = {"timestamp": timestamp(time_ns), "device": device, "kind": RENAMED.get(kind, kind)}
    parse_event(event, now_ns, source="us")  # a mistake is reported before anything is sent
    with Client(find_url(url, config_path), token) as client:
        answer = client.post("/api/v1/wake", [event])
    if answer["warnings"]:
        raise UsageError(f"{answer['warnings'][0]}; the event explains nothing")
    for record in answer["accepted"]:
        name = record["device"]["name"] if record["device"] else "every speaker"
        click.echo(f"{record['timestamp']}  {record['kind']}  {name}  {record['source']}")


def moment(text: str) -> str | float:
    """Return what was typed as seconds since 1970 where it is a number, else as it is."""
    try:
        return float(text)
    except ValueError:
        return text
