"""`sniffer demo`: the bundled capture through everything, told as a story."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click
import yaml

from sniffer.app.batch_job import OfflineJudge, Outcome
from sniffer.app.build import load_rulebook
from sniffer.app.config import Config
from sniffer.cli._common import program
from sniffer.cli._show import COLOURS, folded, plain, terminal_width
from sniffer.demo import CAPTURE, DEVICES, WAKE_EVENTS
from sniffer.explain.sentences import explain
from sniffer.model import Record
from sniffer.records.codec import from_json
from sniffer.records.types import UploadRecord
from sniffer.settings.base import DeviceSettings
from sniffer.wake.adapters.file import read_events


@click.command()
@click.option("--format", "output_format", type=click.Choice(["text", "jsonl"]), default="text", show_default=True)
@click.option("--open", "page", is_flag=True, help="Show the evening on the page, in a browser, until Ctrl-C.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="With --open: the port (default: any).")
def command(output_format: str, page: bool, port: int) -> None:
    """Three minutes in an invented house: the bundled capture goes through every stage.

    No root, no network, no speaker. `sniffer/demo/README.md` says how the capture was made.

    \b
    Example:  sniffer demo
              sniffer demo --format jsonl | jq .verdict
              sniffer demo --open
    """
    if page:
        _open(port)
        return
    devices = yaml.safe_load(DEVICES.read_text(encoding="utf-8"))
    config = Config(devices=tuple(DeviceSettings.model_validate(device) for device in devices))
    judge = OfflineJudge(config, load_rulebook(config), read_events(WAKE_EVENTS))
    records = list(judge.file(CAPTURE, Outcome("demo.pcap"), lambda done, total: None))
    if output_format == "jsonl":
        for record in records:
            click.echo(json.dumps(record))
        return
    width = terminal_width()
    for line in _story(records):
        click.echo("\n".join(folded(line, width, more_indent=2)))


def _open(port: int) -> None:
    """The daemon over the bundled capture, in a folder that is gone afterwards."""
    import logging
    import signal
    import tempfile
    import webbrowser
    from pathlib import Path

    from sniffer.app.service import Service, open_files
    from sniffer.capture.files.open import open_capture
    from sniffer.capture.files.replay import ReplayCapture, ReplayClock
    from sniffer.model.clock import SystemClock

    logging.basicConfig(format="sniffer: %(message)s", level=logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="sniffer-demo-") as folder, open_capture(CAPTURE) as reader:
        config = Config.model_validate(
            {
                "devices": yaml.safe_load(DEVICES.read_text(encoding="utf-8")),
                "http": {"port": port},
                "store": {"path": f"{folder}/sniffer.db"},
                "sinks": {"event_log": None, "evidence": {"folder": f"{folder}/evidence"}},
            }
        )
        clock = ReplayClock(SystemClock(), None)
        with open_files(config) as (store, event_log):
            service = Service(
                lambda: config,
                ReplayCapture(reader, clock, None),
                "demo.pcap",
                store,
                event_log,
                clock,
                replayed=True,
                deliver=False,
                events=read_events(WAKE_EVENTS),
            )
            signal.signal(signal.SIGINT, lambda number, frame: service.daemon.stop())
            signal.signal(signal.SIGTERM, lambda number, frame: service.daemon.stop())
            service.start()
            try:
                service.daemon.run()
                click.echo(f"The demo evening is at {service.address} until Ctrl-C. Nothing of it is kept.")
                if not Path("/.dockerenv").exists():
                    webbrowser.open(str(service.address))
                service.daemon.wait()
            finally:
                service.close()


def _story(records: list[Record]) -> Iterator[str]:
    yield "An invented house, one evening: two speakers, a phone, and a listener that hears wake words."
    yield "Everything is encrypted. We look only at when packets leave, how many there are and how large they are.\n"
    for record in records:
        if record["event_type"] == "device" and record["microphone"]:
            device = record["device"]
            model = plain(str(device["model"]), 40)
            yield f"  {plain(device['name'], 20)}: {model}, {device['mac']}. It was recognised because:"
            yield from (f"    - {plain(reason, 110)}" for reason in record["reasons"][1:4])
    yield ""
    uploads = [record for record in records if record["event_type"] == "upload"]
    for record in sorted(uploads, key=lambda record: str(record["timestamp"])):
        yield from _upload(record)
    unasked = sum(record["verdict"] == "unexpected" for record in uploads)
    yield f"{len(uploads)} uploads, {unasked} of them not asked for. Now with a capture of your own:"
    steps = {
        program("analyze", "FILE"): "judge it",
        program("run", root=True): "watch your network",
        program("doctor"): "what works here, and what does not",
    }
    width = max(map(len, steps))
    for line, what in steps.items():
        yield f"  {line:{width}}   {what}"


def _upload(record: Record) -> Iterator[str]:
    explanation = explain(from_json(UploadRecord, record))
    verdict = record["verdict"] or "not judged"
    yield click.style(verdict.upper(), fg=COLOURS.get(verdict), bold=verdict == "unexpected")
    yield f"  {plain(explanation.headline, 200)}"
    if verdict == "unexpected":
        yield from (f"    {sentence}" for sentence in explanation.sentences)
        yield "    Evidence:"
        for item in sorted(record["evidence"], key=lambda item: -abs(item["weight"]))[:5]:
            yield f"    {item['weight']:+5.1f}  {plain(item['text'], 120)}"
        if record["rules"]:
            yield f"    Rules: {', '.join(record['rules'])} ({record['level']})"
    yield ""
