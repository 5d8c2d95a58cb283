"""`sniffer analyze`: captures to verdicts."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from sniffer import extras
from sniffer.app.batch_job import OfflineJudge
from sniffer.app.build import load_rulebook
from sniffer.app.places import is_url
from sniffer.app.results import Results
from sniffer.app.study import Study, rules_hash
from sniffer.cli import _study
from sniffer.cli._common import config_option, device_option, effective_config, format_option
from sniffer.cli._progress import Bar
from sniffer.cli._results import Report
from sniffer.errors import CaptureError, UsageError
from sniffer.resources import shipped
from sniffer.wake.adapters.file import read_events
from sniffer.web.words import LANGUAGES


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="FILE|FOLDER|GLOB|URL|@LIST|-...")
@click.option(
    "--wake",
    "wake_files",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Wake events (JSON Lines): who asked, and when.",
)
@device_option
@config_option
@click.option("--all", "show_all", is_flag=True, help="Also show uploads that are not judged: telemetry, sync, other.")
@format_option("table", "jsonl", "html", "parquet")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write results to this file.")
@click.option("--language", type=click.Choice(LANGUAGES), help="The language of an html report (default: en).")
@click.option("--fail-on", type=click.Choice(["unexpected"]), help="Exit with status 1 where such an upload is found.")
@click.option(
    "--strict", is_flag=True, help="Exit with status 3 if any capture cannot be read, or any packet cannot be decoded."
)
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Captures that are judged at the same time, each on a core; 0 is one a core. Results keep their order.",
)
@click.option(
    "--scheduler", metavar="tcp://HOST:PORT", help="Judge on the workers of this Dask scheduler (extra `cluster`)."
)
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write results into this folder, by house and day, as --format jsonl or parquet; what is in there already "
    "is not judged again.",
)
@click.option("--by-house", is_flag=True, help="Each PATH is a house of its own, named as its folder is.")
@click.option("--shard", metavar="I/N", help="Only the I-th of N shares of the captures: for job arrays.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary on standard error.")
def command(
    paths: Sequence[str],
    wake_files: Sequence[Path],
    devices: Sequence[str],
    config_path: Path | None,
    show_all: bool,
    output_format: str,
    output: Path | None,
    language: str | None,
    fail_on: str | None,
    strict: bool,
    jobs: int,
    scheduler: str | None,
    results: Path | None,
    by_house: bool,
    shard: str | None,
    quiet: bool,
) -> int:
    """Judge captures: when was something sent that could be a voice, and had anybody asked?

    \b
    Examples:
      sniffer analyze evening.pcap --wake asked.jsonl --device 68:db:f5:90:19:64=kitchen
      sniffer analyze captures/ --format jsonl
      sniffer analyze evening.pcap --format html -o report.html
      sniffer analyze houses/* --by-house --results study --format parquet --scheduler tcp://head:8786
      ssh router tcpdump -i br-lan -U -w - 'ether host 68:db:f5:90:19:64' | sniffer analyze -
    """
    config = effective_config(config_path, devices)
    events = [event for file in wake_files for event in read_events(file)]
    judge = OfflineJudge(config, load_rulebook(config), events)
    jobs = jobs or len(os.sched_getaffinity(0))
    share = _study.parse_share(shard)
    _check_study(output_format, results, output, paths, by_house=by_house)
    with ExitStack() as stack:
        if results is not None:
            return _into(stack, judge, paths, results, output_format, scheduler, jobs, share, fail_on, strict,
                         by_house=by_house, quiet=quiet)  # fmt: skip
        report = Report(stack, output_format, output, show_all, quiet)
        if output_format == "html" and "-" in paths:
            raise UsageError("--format html needs files: a report names its inputs with their SHA-256")
        if language is not None and output_format != "html":
            raise UsageError("--language goes with --format html")
        if "-" in paths:
            if len(paths) > 1:
                raise UsageError("- (standard input) stands alone")
            if sys.stdin.isatty():
                raise UsageError("standard input is a terminal: pipe a capture into it, for example from tcpdump -w -")
            report.stream(judge)
        else:
            items = _study.items_of(paths, by_house=by_house, share=share)
            if not items:
                raise CaptureError(f"{', '.join(paths)}: no capture in here (pcap, pcapng, also gzipped)")
            if scheduler or by_house or any(is_url(item.capture) for item in items):
                if output_format == "html":
                    raise UsageError("--format html needs local files of one house, and no --scheduler")
                study = _study_of(judge)
                report.study(_study.engine(stack, study, scheduler, jobs), study, items)
            else:
                report.files(judge, [Path(item.capture) for item in items], jobs)
        own = {device.name for device in config.devices}
        report.unknown({event.device for event in events if event.device}, own)
        if output_format == "html":
            report.html(config, config_path, wake_files, language or "en")
    if report.read == 0 or (strict and (report.bad or report.undecoded)):
        return 3
    return 1 if fail_on and report.verdicts["unexpected"] else 0


def _study_of(judge: OfflineJudge) -> Study:
    return Study(judge, rules_hash([shipped("rules"), *judge.config.judge.rules.folders]))


def _check_study(
    output_format: str, results: Path | None, output: Path | None, paths: Sequence[str], *, by_house: bool
) -> None:
    """Raise UsageError where options do not go together."""
    if output_format == "parquet" and results is None:
        raise UsageError("--format parquet needs a folder: --results FOLDER")
    if results is not None and (output_format not in ("jsonl", "parquet") or output is not None):
        raise UsageError("--results needs --format jsonl or parquet, and no --output")
    if "-" in paths and (results is not None or by_house):
        raise UsageError("- (standard input) is one capture: no --results and no --by-house")


def _into(
    stack: ExitStack, judge: OfflineJudge, paths: Sequence[str], results: Path, output_format: str,
    scheduler: str | None, jobs: int, share: tuple[int, int] | None, fail_on: str | None, strict: bool,
    *, by_house: bool, quiet: bool,
) -> int:  # fmt: skip
    """Judge captures into a folder of results; return the exit status."""
    if output_format == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise UsageError(extras.missing("pyarrow", "Parquet"))
    items = _study.items_of(paths, by_house=by_house, share=share)
    if not items and share is None:
        raise CaptureError(f"{', '.join(paths)}: no capture in here (pcap, pcapng, also gzipped)")
    study, bar = _study_of(judge), Bar(stack, wanted=not quiet)
    run = _study.engine(stack, study, scheduler, jobs)

    def say(text: str) -> None:
        bar.say(f"sniffer: {text}")

    summary = _study.into_folder(run, study, items, Results(results, output_format), say, bar.begin, bar.reach)
    bar.end()
    if not quiet:
        say(f"{summary.sentence()}; results in {results}")
    if items and (summary.judged + summary.before == 0 or (strict and summary.failed)):
        return 3
    return 1 if fail_on and summary.uploads["unexpected"] else 0
