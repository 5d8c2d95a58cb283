"""`sniffer report`: what a daemon found in a time, as one HTML file."""

from __future__ import annotations

import hashlib
import itertools
import shlex
import sys
import time
from pathlib import Path

import click

from sniffer import __version__
from sniffer.app.page import zone_of
from sniffer.cli._common import config_option, effective_config
from sniffer.cli._times import Moment
from sniffer.errors import UsageError
from sniffer.sinks.storage.store import Store
from sniffer.web.report import Input, report
from sniffer.web.words import LANGUAGES, Words

_CHUNK = 1 << 20


@click.command()
@click.option("--from", "since", type=Moment(), required=True, help="Beginning: 7d, yesterday, 2026-11-22T18:00.")
@click.option("--to", "until", type=Moment(), default="now", show_default=True, help="End.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), default=Path("report.html"),
              show_default=True, help="The file to write.")  # fmt: skip
@click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True)
@config_option
@click.option("--store", "store_path", type=click.Path(path_type=Path, dir_okay=False), help="The store (SQLite).")
def command(
    since: int, until: int, output: Path, language: str, config_path: Path | None, store_path: Path | None
) -> None:
    """Write what was found in a time as one HTML file, to print or to send.

    It needs no network to be read: a table, a picture of each upload, method and limits in plain words.

    \b
    Examples:
      sniffer report --from 7d
      sniffer report --from 2026-11-01 --to 2026-12-01 -o november.html --language de
    """
    if since >= until:
        raise UsageError("--from is after --to")
    config = effective_config(config_path, ())
    settings = config.store if store_path is None else config.store.model_copy(update={"path": store_path})
    with Store(settings, read_only=True) as store:
        records = itertools.chain(
            store.records(("device",)), store.walk(("upload", "loss", "wake"), None, since, until)
        )
        html = report(
            records,
            [Input(str(settings.path), None, settings.path.stat().st_size)],
            Words(language, zone_of(config)),
            version=__version__,
            made_ns=time.time_ns(),
            command=command_line(),
            configuration=hashed(config_path) if config_path else None,
            since_ns=since,
            until_ns=until,
        )
    write(output, html)
    click.echo(f"{output}: written", err=True)


def command_line() -> str:
    """The command that is running, to repeat it."""
    return shlex.join(["sniffer", *sys.argv[1:]])


def hashed(path: Path) -> Input:
    """A file with its size and SHA-256. Raises UsageError."""
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    return Input(str(path), digest.hexdigest(), size)


def write(output: Path, html: str) -> None:
    """Write a report. Raises UsageError."""
    try:
        output.write_text(html, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error.strerror}") from None
