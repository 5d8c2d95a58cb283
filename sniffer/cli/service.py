"""`sniffer service`: run the daemon as a systemd service, under an unprivileged user of its own."""

from __future__ import annotations

import os
import shutil
import string
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from sniffer.errors import SnifferError, UsageError
from sniffer.extras import DISTRIBUTION, origin

UNIT = "sniffer.service"
TEMPLATE = Path(__file__).parent / "units" / UNIT
#: Where programs lie that the service's user can read; a home folder is hidden from it (ProtectHome).
PUBLIC = (Path("/usr"), Path("/opt"))
PREFIX = Path("/opt/sniffer")
CONFIG = Path("/etc/sniffer/sniffer.yaml")
#: Owns the daemon's process and its store; its group may read the secrets in /etc/sniffer.
USER = "sniffer"
SYSUSERS = f'u {USER} - "sniffer daemon"'
EXTRAS = "serve,mqtt,notify,homeassistant"
FIRST_CONFIG = "# `sniffer config schema` lists every key, docs/configuration.md describes them. All have defaults.\n"


@click.group(invoke_without_command=False)
def command() -> None:
    """Install, show or remove the systemd service.

    \b
    Examples:
      sniffer service print
      sniffer service install
    """


def unit_text(program: Path, config: Path) -> str:
    """Return the unit file for a program and a configuration."""
    return string.Template(TEMPLATE.read_text(encoding="utf-8")).substitute(command=program, config=config)


def installed_program() -> Path:
    """Return the `sniffer` command of this installation."""
    return Path(sys.executable).parent / "sniffer"


@command.command("print")
@click.option("-c", "--config", type=click.Path(path_type=Path), default=CONFIG, show_default=True)
def print_unit(config: Path) -> None:
    """Print the unit file, for this installation, to standard output.

    \b
    Example:  sniffer service print > sniffer.service
    """
    click.echo(unit_text(installed_program(), config), nl=False)


@command.command()
@click.option("-c", "--config", type=click.Path(path_type=Path), default=CONFIG, show_default=True, help="Created if absent.")  # fmt: skip  # noqa: E501
@click.option("--prefix", type=click.Path(path_type=Path), default=PREFIX, show_default=True, help="Where the program is installed if it lies in a home folder now.")  # fmt: skip  # noqa: E501
@click.option("--root", type=click.Path(path_type=Path, file_okay=False), default=Path("/"), show_default=True, help="Write the files below another root folder, where the program is in --prefix already; start nothing.")  # fmt: skip  # noqa: E501
@click.option("--start/--no-start", default=True, show_default=True, help="Enable and start the service.")
def install(config: Path, prefix: Path, root: Path, start: bool) -> None:
    """Install the service, enable and start it. Needs root. Run it again after an update.

    The daemon runs as the user `sniffer`, with the privilege to capture and no other; its store is in /var/lib/sniffer,
    its configuration in /etc/sniffer. A program in a home folder is installed in --prefix first.

    \b
    Example:  sniffer service install
    """
    here = root == Path("/")
    if here and os.geteuid() != 0:
        raise UsageError(
            f"this writes to /etc/systemd/system: run it as root, `sudo {installed_program()} service install`"
        )
    program = installed_program()
    if not any(program.is_relative_to(folder) for folder in PUBLIC):
        program = copy_program(prefix) if here else prefix / "bin" / "sniffer"
    unit, settings = _below(root, Path("/etc/systemd/system") / UNIT), _below(root, config)
    try:
        settings.parent.mkdir(parents=True, exist_ok=True)
        if not settings.exists():
            settings.write_text(FIRST_CONFIG, encoding="utf-8")
            click.echo(f"{settings}: written, with defaults only", err=True)
        unit.parent.mkdir(parents=True, exist_ok=True)
        unit.write_text(unit_text(program, config), encoding="utf-8")
    except OSError as error:
        raise SnifferError(f"{error.filename}: cannot be written: {error.strerror}") from None
    click.echo(f"{unit}: written", err=True)
    if here and shutil.which("systemd-sysusers") is not None:
        _run(["systemd-sysusers", "--inline", SYSUSERS])
    if here and start:
        _systemctl("daemon-reload")
        _systemctl("enable", "--now", UNIT)
        click.echo("sniffer runs now, and after each start of this machine. Its log: journalctl -u sniffer -f")
    else:
        click.echo("Start it with: systemctl daemon-reload && systemctl enable --now sniffer")


@command.command()
@click.option("--root", type=click.Path(path_type=Path, file_okay=False), default=Path("/"), show_default=True)
def uninstall(root: Path) -> None:
    """Stop and remove the service. Configuration and store stay.

    \b
    Example:  sniffer service uninstall
    """
    unit = _below(root, Path("/etc/systemd/system") / UNIT)
    if not unit.exists():
        raise UsageError(f"{unit}: the service is not installed")
    if root == Path("/"):
        _systemctl("disable", "--now", UNIT)
    unit.unlink()
    if root == Path("/"):
        _systemctl("daemon-reload")
    click.echo(f"{unit}: removed; /etc/sniffer and /var/lib/sniffer are kept", err=True)


def copy_program(prefix: Path) -> Path:
    """Install this program in a virtual environment that every user can read, and return its command."""
    source, _ = origin()
    click.echo(f"{prefix}: installing the program, since a service cannot read {Path(sys.prefix)}", err=True)
    base = Path(sys.base_prefix) / "bin" / "python3"
    _run([str(base if base.exists() else sys.executable), "-m", "venv", str(prefix)])
    pip = [
        str(prefix / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--upgrade",
    ]
    if source is None:
        raise SnifferError(
            f"the folder that {DISTRIBUTION} was installed from is not known: install it in {prefix} by hand"
        )
    _run([*pip, f"{source}[{EXTRAS}]"])
    return prefix / "bin" / "sniffer"


def _below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/") if path.is_absolute() else path


def _systemctl(*words: str) -> None:
    if shutil.which("systemctl") is None:
        raise SnifferError("this machine does not run systemd; `sniffer service print` shows the unit")
    _run(["systemctl", *words])


def _run(words: Sequence[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no message"]
        raise SnifferError(f"`{' '.join(words)}` failed: {last[0]}")
