"""`sniffer uploads`: what was sent, out of the store of a daemon, also while that is running."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from sniffer.cli._common import config_option, effective_config, format_option, nothing_of
from sniffer.cli._show import header, row
from sniffer.cli._times import Moment
from sniffer.sinks.storage.store import Store


@click.command()
@config_option
@click.option("--device", help="Only this one: its name or MAC address.")
@click.option(
    "--verdict", type=click.Choice(["expected", "unexpected", "inconclusive", "none"]), help="Only these (none: what a "
    "device does by itself)."
)  # fmt: skip
@click.option("--since", type=Moment(), help="From then on: 2h, yesterday, 2026-11-22, 2026-11-22T18:00.")
@click.option("--until", type=Moment(), help="Up to then.")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=100,
    show_default=True,
    help="The number of uploads shown.",
)
@click.option("--all", "everything", is_flag=True, help="Also what could hold no speech.")
@format_option("table", "jsonl")
@click.option("--store", "store_path", type=click.Path(path_type=Path, dir_okay=False), help="The store (SQLite).")
def command(
    config_path: Path | None,
    device: str | None,
    verdict: str | None,
    since: int | None,
    until: int | None,
    limit: int,
    everything: bool,
    output_format: str,
    store_path: Path | None,
) -> None:
    """What was sent, from the store of a daemon, the newest last.

    \b
    Examples:
      sniffer uploads --since yesterday --verdict unexpected
      sniffer uploads --device kitchen --since 2h --format jsonl | jq .upload.speech_seconds
    """
    settings = effective_config(config_path, ()).store
    if store_path is not None:
        settings = settings.model_copy(update={"path": store_path})
    wanted = verdict or (None if everything else "judged")
    with Store(settings, read_only=True) as store:
        found = store.uploads(device, wanted, since, until, limit)
        why = "" if found else nothing_of(device, store) or "; `--all` also shows uploads that could hold no speech"
    if output_format == "jsonl":
        for record in reversed(found):
            click.echo(json.dumps(record))
        return
    if not found:
        click.echo(f"no such uploads{why}", err=True)
        return
    click.echo(header())
    for record in reversed(found):
        click.echo(row(record, colour=sys.stdout.isatty()))
    where = "" if store_path is None else f" --store {store_path}"
    many = "1 upload" if len(found) == 1 else f"{len(found)} uploads"
    click.echo(f"{many}; why: sniffer explain {found[0]['id']}{where}", err=True)
