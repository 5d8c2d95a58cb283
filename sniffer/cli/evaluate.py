"""`sniffer evaluate`: score against labelled captures, beside the comparison detectors."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import click

from sniffer.app.build import Rulebook, load_rulebook
from sniffer.app.config import Config
from sniffer.app.parallel import in_order
from sniffer.cli._common import config_option, effective_config, format_option
from sniffer.errors import CaptureError, UsageError
from sniffer.evaluation import report, trained
from sniffer.evaluation.bursts import find_bursts, score_bursts
from sniffer.evaluation.datasets import LabelledCapture
from sniffer.evaluation.discover import Found, find
from sniffer.evaluation.plot import draw
from sniffer.evaluation.run import Played, play
from sniffer.evaluation.score import DeviceScore, score


@click.command()
@click.argument("datasets", nargs=-1, required=True, type=click.Path(path_type=Path))
@config_option
@format_option("text", "json")
@click.option(
    "--plot", type=click.Path(path_type=Path, dir_okay=False), help="Draw scores and reliability (PNG, SVG, PDF)."
)
@click.option(
    "--no-names", is_flag=True, help="As if no host name had been seen: what a capture in mid-connection shows."
)
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Captures at a time; 0 is one a core.",
)
@click.option(
    "--scheduler",
    metavar="tcp://HOST:PORT",
    help="Play captures on the workers of this Dask scheduler (extra `cluster`).",
)
def command(
    datasets: Sequence[Path],
    config_path: Path | None,
    output_format: str,
    plot: Path | None,
    no_names: bool,
    jobs: int,
    scheduler: str | None,
) -> None:
    """Score the detector against labelled captures, beside published detectors over the same packets.

    \b
    Captures of your own: a labels.csv beside them says what was spoken.
      capture,device,commands,start,end
      kitchen.pcap,68:db:f5:90:19:64,5,,        five commands, times unknown
      night.pcap,68:db:f5:90:19:64,0,,          nobody spoke
      evening.pcap,68:db:f5:90:19:64,,12.5,16   from 12.5 s to 16 s after the first packet; or ISO 8601

    \b
    Published sets are recognised by how their files are named:
      vcf             question_5_30s.pcap: asked five times (Kennedy et al., CNS 2019)
      cic             echodot1VOICEVOLUMEON_2.pcap: one command; LOCAL, LAN, WAN: none (CIC IoT 2022)
      speakers-study  echodot3a_active_2019-11-16.pcap: one activation (Dubois et al., PETS 2020)
      moniotr         echodot/local_voice/2019-04-25_19:28:50.30s.pcap: one command (Ren et al., IMC 2019)
      nemea-siot      *quiet*.json, *init*.json: Cisco Joy flows, nobody spoke
      negatives       anything in folders ndpi/ and iot-sentinel/
      behaviot        train-*.csv: bursts without packets, for the rules that need none

    \b
    Example:
      sniffer evaluate ../shared/data --plot scores.png
      sniffer evaluate ../shared/data/cic --format json | jq .together
    """
    config = effective_config(config_path, ())
    rulebook = load_rulebook(config)
    found = find(datasets)
    tables = find_bursts(datasets)
    _check(found, bool(tables), datasets)
    played: list[Played] = []
    with ExitStack() as stack:
        work = (config, rulebook, not no_names)
        results = _played(stack, work, found.captures, jobs or len(os.sched_getaffinity(0)), scheduler)
        bar = stack.enter_context(
            click.progressbar(length=len(found.captures), label="evaluating", file=sys.stderr, item_show_func=_shown)
        )
        for capture, (result, error) in zip(found.captures, results, strict=True):
            bar.update(1, capture)
            if result is not None:
                played.append(result)
            else:
                click.echo(f"sniffer: {error}", err=True)
    if found.captures and not played:
        raise CaptureError("none of the labelled captures could be read")
    trained.judge(played)
    devices = score(played)
    roles = rulebook.services
    bursts = [score_bursts(table, roles) for table in tables]
    if output_format == "json":
        click.echo(json.dumps(report.as_json(devices, bursts)))
    else:
        for line in report.text(devices, bursts):
            click.echo(line)
    if plot is not None:
        _plot(devices, plot)


def _played(
    stack: ExitStack,
    work: tuple[Config, Rulebook, bool],
    captures: Sequence[LabelledCapture],
    jobs: int,
    scheduler: str | None,
) -> Iterator[tuple[Played | None, str]]:
    """What comes of each capture, in order, or why it cannot be read: by processes of this machine, or a cluster."""
    if scheduler is None:
        return in_order(partial(_one, work), captures, jobs)
    from sniffer.app.cluster import connected

    cluster = stack.enter_context(connected(scheduler))
    return cluster.in_order(_one, work, captures, lambda capture, reason: (None, f"{capture.path}: {reason}"))


def _one(work: tuple[Config, Rulebook, bool], capture: LabelledCapture) -> tuple[Played | None, str]:
    config, rulebook, names = work
    try:
        return play(capture, config, rulebook, names=names), ""
    except CaptureError as error:
        return None, str(error)


def _check(found: Found, tables: bool, datasets: Sequence[Path]) -> None:
    """Say what is left out; raise UsageError where nothing is left."""
    if found.captures or tables:
        if found.unlabelled:
            some = ", ".join(path.name for path in found.unlabelled[:3])
            more = ", ..." if len(found.unlabelled) > 3 else ""
            click.echo(f"sniffer: left out, as nothing says what was spoken: {some}{more}", err=True)
        return
    where = ", ".join(str(path) for path in datasets)
    if not found.unlabelled:
        raise UsageError(f"{where}: no captures there")
    number = len(found.unlabelled)
    raise UsageError(
        f"{where}: nothing says what was spoken in {'the capture' if number == 1 else f'the {number} captures'} there: "
        "write a labels.csv (`sniffer evaluate --help`)"
    )


def _shown(capture: LabelledCapture | None) -> str | None:
    return capture.path.name if capture else None


def _plot(devices: Sequence[DeviceScore], path: Path) -> None:
    pieces = [piece for device in devices for piece in device.pieces if math.isfinite(piece.scores["sniffer"])]
    spoken, silent = ([p.scores["sniffer"] for p in pieces if p.spoken is said] for said in (True, False))
    draw(spoken, silent, report.curve(pieces), path)
