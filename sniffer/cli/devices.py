"""`sniffer devices`: who is on the network, or in a capture, and why we think so."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from sniffer.app.build import load_rulebook
from sniffer.cli._common import captures_in, config_option, device_option, effective_config, format_option
from sniffer.cli._show import plain
from sniffer.cli._who import Observer, ordered, what
from sniffer.errors import RuleError, StoreError, UsageError
from sniffer.identify.oui import compact, read_assignments
from sniffer.identify.rules import read_large, read_oui
from sniffer.identify.traffic_volume import Amount
from sniffer.model import Device, address_text, key_text
from sniffer.model.clock import timestamp
from sniffer.records import build as records
from sniffer.resources import shipped
from sniffer.sinks.settings import StoreSettings
from sniffer.sinks.storage.store import Store

#: A table that goes into a pipe is not folded to a terminal that is not there.
PIPE_WIDTH = 200
#: Columns of a terminal that a table needs; a narrower one gets a few lines for each device.
TABLE_WIDTH = 140


@click.command()
@click.argument("paths", nargs=-1, metavar="[FILE|FOLDER|-]...")
@device_option
@config_option
@format_option("table", "jsonl")
@click.option("--store", "store_path", type=click.Path(path_type=Path, dir_okay=False), help="The store (SQLite).")
@click.option("--why", is_flag=True, help="All reasons and facts, not only the first.")
@click.option(
    "--refresh-oui",
    "oui_files",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Take prefixes from this list (IEEE oui.csv, mam.csv, oui36.csv, oui.txt, or Wireshark's manuf).",
)
@click.option(
    "--oui-output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the refreshed table goes (default: the one that ships). Your own rule folder may have an oui.tsv too.",
)
def command(
    paths: Sequence[str],
    devices: Sequence[str],
    config_path: Path | None,
    output_format: str,
    store_path: Path | None,
    why: bool,
    oui_files: Sequence[Path],
    oui_output: Path | None,
) -> None:
    """Who is in these captures; without one, whom the daemon has seen. Why we think so, and how sure we are.

    \b
    Examples:
      sniffer devices evening.pcap
      sniffer devices --why --format table captures/
      sniffer devices -c sniffer.yaml
      sniffer devices --refresh-oui oui.csv --refresh-oui mam.csv
    """
    if oui_files:
        _refresh(oui_files, oui_output or shipped("rules") / "oui.tsv")
        return
    config = effective_config(config_path, devices)
    observer = Observer(config, load_rulebook(config))
    capture = "store"
    if paths:
        found = [Path("-")] if list(paths) == ["-"] else list(captures_in(map(Path, paths)))
        capture = str(found[0]) if len(found) == 1 else ", ".join(paths)
        observer.captures(found, _say)
    else:
        settings = config.store if store_path is None else config.store.model_copy(update={"path": store_path})
        observer.identifier.restore(_remembered(settings))
    everybody = ordered(observer.identifier.devices())
    if not everybody:
        _say("no hosts in there" if paths else "the daemon has seen no host yet")
    amounts = observer.traffic.hosts()
    if output_format == "jsonl":
        for device in everybody:
            click.echo(json.dumps(as_record(device, capture, amounts.get(device.key))))
    elif everybody:
        _print(everybody, observer.identifier.watched(), amounts, why)


def as_record(device: Device, capture: str, amount: Amount | None) -> dict[str, Any]:
    """Return the event `device`, with the facts beside the reasons, and how much the device sent and received."""
    times = [fact.time_ns for fact in device.facts]
    traffic = (
        None
        if amount is None
        else {
            "packets_sent": amount.packets_sent,
            "bytes_sent": amount.bytes_sent,
            "packets_received": amount.packets_received,
            "bytes_received": amount.bytes_received,
            "connections": amount.connections,
            "first": timestamp(amount.first_ns),
            "last": timestamp(amount.last_ns),
        }
    )
    seen_ns = amount.last_ns if amount else max(times, default=device.since_ns)
    return records.device_listing(device, capture, seen_ns, traffic)


def _remembered(settings: StoreSettings) -> dict[str, Any]:
    if not settings.path.exists():
        raise UsageError(f"{settings.path}: no daemon has run here; give a capture: sniffer devices FILE")
    store = Store(settings, read_only=True)
    try:
        return store.state_get("stage.identify") or {}
    finally:
        store.close()


def _print(devices: Sequence[Device], watched: Collection[int], amounts: Mapping[int, Amount], why: bool) -> None:
    terminal = Console()
    width = terminal.width if terminal.is_terminal else PIPE_WIDTH
    rows = [_row(device, watched, amounts, why) for device in devices]
    if width >= TABLE_WIDTH:
        (terminal if terminal.is_terminal else Console(width=PIPE_WIDTH)).print(_table(rows, bool(amounts)))
    else:
        for row in rows:
            terminal.print(_block(row, bool(amounts)))


@dataclass(frozen=True, slots=True)
class _Row:
    """What is shown of one device."""

    host: str
    address: str
    name: str
    what: str
    sure: str
    judged: str
    amounts: tuple[str, str]
    why: tuple[str, ...]
    style: str


def _row(device: Device, watched: Collection[int], amounts: Mapping[int, Amount], why: bool) -> _Row:
    amount = amounts.get(device.key)
    told = device.reasons if why else device.reasons[:2]
    return _Row(
        host=key_text(device.key),
        address=address_text(*device.address) if device.address else "-",
        name=plain(device.name, 40),
        what=plain(what(device), 60),
        sure=f"{device.confidence:.0%}" if device.confidence else "-",
        judged=_judged(device, watched),
        amounts=(_size(amount.bytes_sent), _size(amount.bytes_received)) if amount else ("-", "-"),
        why=tuple(plain(line, 300 if why else 120) for line in told or (_facts(device),)),
        style="bold" if device.microphone else "",
    )


def _table(rows: Sequence[_Row], measured: bool) -> Table:
    """One line a device, where there is room for it."""
    how_much = (Column("sent", justify="right", no_wrap=True), Column("received", justify="right", no_wrap=True))
    columns = (Column("host", no_wrap=True), Column("address", no_wrap=True), Column("name", no_wrap=True), "what",
               Column("sure", justify="right"), "judged", *(how_much if measured else ()), "why")  # fmt: skip
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        cells = [row.host, row.address, row.name, row.what, row.sure, row.judged, *(row.amounts if measured else ())]
        table.add_row(*(Text(cell, row.style) for cell in cells), Text("\n".join(row.why)))
    return table


def _block(row: _Row, measured: bool) -> Text:
    """A few lines a device, for a narrow terminal: each breaks between words."""
    sure = f" ({row.sure} sure)" if row.sure != "-" else ""
    judged = {"yes": "judged", "no": "not judged", "listed": "listed, never accused"}[row.judged]
    lines = [f"{row.name}: {row.what}{sure}, {judged}"]
    sent, received = row.amounts
    lines.append(f"  {row.host}  {row.address}")
    if measured:
        lines.append(f"  sent {sent}, received {received}")
    text = Text("\n".join(lines) + "\n", row.style)
    for reason in filter(None, row.why):
        text.append(f"  {reason}\n", "")
    return text


def _size(amount: float) -> str:
    """Bytes, in about three digits."""
    units = ["GB", "MB", "kB", "B"]
    while amount >= 1_000 and len(units) > 1:
        amount /= 1_000
        units.pop()
    return f"{amount:.0f} {units[-1]}" if amount >= 100 else f"{amount:.3g} {units[-1]}"


def _judged(device: Device, watched: Collection[int]) -> str:
    """`listed`: its uploads are listed and never unexpected, since it only probably has a microphone."""
    return "yes" if device.microphone else "listed" if device.key in watched else "no"


def _facts(device: Device) -> str:
    """What a host showed that no rule knows."""
    return ", ".join(f"{fact.kind} {fact.value}" for fact in device.facts[:3])


def _refresh(files: Sequence[Path], output: Path) -> None:
    known = dict(read_oui(output).items()) if output.exists() else {}
    before = len(known)
    for file in files:
        new = dict(read_assignments(read_large(file).decode("utf-8", "replace")))
        if not new:
            raise RuleError(
                "no prefixes in there: expected a list of the IEEE (csv or txt) or Wireshark's manuf", file=file
            )
        known |= new
    try:
        temporary = output.with_name(output.name + ".new")
        temporary.write_text(compact(known.items()), encoding="utf-8")
        temporary.replace(output)
    except OSError as error:
        raise StoreError(
            f"{output}: cannot be written: {error.strerror}; give --oui-output in a folder of yours"
        ) from None
    click.echo(f"{output}: {len(known)} prefixes ({len(known) - before} new)")


def _say(text: str) -> None:
    click.echo(f"sniffer: {text}", err=True)
