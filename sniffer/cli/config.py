"""`sniffer config`: is this configuration right, and what can be set."""

from __future__ import annotations

import json
from pathlib import Path

import click
import yaml

from sniffer.app.build import load_rulebook
from sniffer.app.config import Config, load_config
from sniffer.app.config_lint import remarks
from sniffer.app.overlay import OverlaidConfig, overlay_path
from sniffer.app.validation import problems
from sniffer.cli._common import count
from sniffer.errors import ConfigError


@click.group()
def command() -> None:
    """Check a configuration, or print its schema.

    \b
    Example:  sniffer config check sniffer.yaml
              sniffer config schema > sniffer.schema.json
    """


@command.command()
@click.argument("file", type=click.Path(path_type=Path), default=Path("sniffer.yaml"))
@click.option("--effective", is_flag=True, help="Print the configuration with what was changed on the page.")
def check(file: Path, effective: bool) -> None:
    """Check FILE (default: sniffer.yaml) and its rules.

    An error names line and column, and the exit status is 2; so it is where the daemon could not start here with this
    configuration (a secret that cannot be read, an interface or a folder that does not exist). Settings that are valid
    but suspicious, such as a name that no device has, are warnings.

    \b
    Example:  sniffer config check /etc/sniffer/sniffer.yaml
              sniffer config check --effective /etc/sniffer/sniffer.yaml
    """
    config = load_config(file)
    if effective:
        settings = OverlaidConfig(lambda: config)
        whole = settings.read()
        for change, why in settings.problems.items():
            click.echo(f"sniffer: {overlay_path(config.store.path)}: change {change} is left out: {why}", err=True)
        click.echo(
            yaml.safe_dump(whole.model_dump(mode="json", exclude_unset=True), sort_keys=False, allow_unicode=True)
        )
        return
    for remark in remarks(config, load_rulebook(config), file):
        click.echo(f"sniffer: {remark}", err=True)
    found = problems(config, file)
    for problem in found:
        click.echo(f"sniffer: {problem}", err=True)
    if found:
        raise ConfigError(f"the daemon would not start here: {count(len(found), 'problem')}", file=file)
    devices, sources = count(len(config.devices), "device"), count(len(config.wake.sources), "wake source")
    click.echo(f"{file}: OK ({devices}, {sources})")


@command.command()
def schema() -> None:
    """Print the JSON Schema of the configuration: editors complete and check with it.

    \b
    Example:  sniffer config schema > sniffer.schema.json
    """
    click.echo(json.dumps(Config.model_json_schema(), indent=2))
