"""`sniffer evaluate`: score against labelled captures, beside the comparison detectors."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from sniffer.assembly import load_rulebook
from sniffer.commands._common import config_option, effective_config, format_option
from sniffer.errors import CaptureError, UsageError
from sniffer.evaluation import report
from sniffer.evaluation.bursts import find_bursts, score_bursts
from sniffer.evaluation.datasets import ADAPTERS, find_captures
from sniffer.evaluation.play import Played, play
from sniffer.evaluation.score import score
from sniffer.identify.roles import Roles


@click.command()
@click.argument("datasets", nargs=-1, required=True, type=click.Path(path_type=Path))
@config_option
@format_option("text", "json")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Write the distribution of scores (PNG).")
@click.option(
    "--no-names", is_flag=True, help="As if no host name had been seen: what a capture in mid-connection shows."
)
def command(
    datasets: Sequence[Path], config_path: Path | None, output_format: str, plot: Path | None, no_names: bool
) -> None:
    """Score the detector against labelled captures, beside published detectors over the same packets.

    \b
    A set is recognised by how its files are named:
      vcf             question_5_30s.pcap: asked five times (Kennedy et al., CNS 2019)
      cic             echodot1VOICEVOLUMEON_2.pcap: one command; LOCAL, LAN, WAN: none (CIC IoT 2022)
      speakers-study  echodot3a_active_2019-11-16.pcap: one activation (Dubois et al., PETS 2020)
      nemea-siot      *quiet*.json, *init*.json: Cisco Joy flows, nobody spoke
      negatives       anything in folders ndpi/ and iot-sentinel/
      behaviot        train-*.csv: bursts without packets, for the rules that need none
    \b
    Example:
      sniffer evaluate ../shared/data
      sniffer evaluate ../shared/data/cic --format json | jq .together
    """
    config = effective_config(config_path, ())
    rulebook = load_rulebook(config)
    captures = find_captures(datasets)
    tables = find_bursts(datasets)
    if not captures and not tables:
        raise UsageError(f"no labelled captures found; known sets: {', '.join(ADAPTERS)}, behaviot")
    played: list[Played] = []
    with click.progressbar(captures, label="evaluating", file=sys.stderr) as bar:
        for capture in bar:
            try:
                played.append(play(capture, config, rulebook, names=not no_names))
            except CaptureError as error:
                click.echo(f"sniffer: {error}", err=True)
    devices = score(played)
    roles = Roles(rulebook.services)
    bursts = [score_bursts(table, roles) for table in tables]
    if output_format == "json":
        click.echo(json.dumps(report.as_json(devices, bursts)))
    else:
        for line in report.text(devices, bursts):
            click.echo(line)
    if plot is not None:
        try:
            report.plot(devices, plot)
        except ImportError:
            raise UsageError("--plot needs matplotlib: pip install matplotlib") from None
