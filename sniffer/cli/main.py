"""The command line. Each command is one file in `sniffer/cli/`, imported only when it is called."""

from __future__ import annotations

import contextlib
import ctypes
import difflib
import importlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from sniffer import extras
from sniffer.cli._imports import importing
from sniffer.errors import SnifferError, UsageError

#: Command name -> (module in `sniffer.cli`, one line of help). The module's `command` is a click command.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "demo": ("demo", "A bundled capture through everything: no root, no network, no speaker."),
    "analyze": ("analyze", "Judge captures: files, folders, or standard input."),
    "run": ("run", "The daemon: watch an interface and tell when something is sent unasked."),
    "page": ("page", "The address of the page, a link that signs in, or its password."),
    "report": ("report", "What a daemon found in a time, as one HTML file."),
    "doctor": ("doctor", "What works here, what does not, and the remedy."),
    "setup": ("setup", "Look who is on the network and write a configuration."),
    "config": ("config", "Check a configuration, or print its schema."),
    "rules": ("rules", "List, check and test the rules."),
    "devices": ("devices", "Who is on the network, or in a capture, and why we think so."),
    "uploads": ("uploads", "What was sent, from the store of a daemon."),
    "explain": ("explain", "One upload in words: why this verdict."),
    "export": ("export", "Uploads out of the store: CSV, JSON Lines, Parquet."),
    "answer": ("answer", "Say whether an upload was asked for."),
    "wake": ("wake", "Report a request to the daemon."),
    "mute": ("mute", "A maintenance window: no alerts for a device for some time."),
    "listen": ("listen", "Hear wake words with a microphone of one's own and report them."),
    "calibrate": ("calibrate", "Teach the daemon one device: five spoken commands and one silence."),
    "service": ("service", "Install the daemon as a systemd service."),
    "reconcile": ("reconcile", "Compare the vendor's own record with what left."),
    "evaluate": ("evaluate", "Score against labelled captures, beside the comparison detectors."),
}


#: What people type who know other programs -> the command that they mean.
MEANT: Mapping[str, str] = {
    "check": "config check",
    "validate": "config check",
    "start": "run",
    "daemon": "run",
    "init": "setup",
    "status": "doctor",
    "help": "--help",
    "version": "--version",
}


class _ReaderLeftError(Exception):
    """The program that read our output has ended (`| head`)."""


class _Commands(click.Group):
    """Knows all names without importing their modules: `--help` is fast, a broken extra harms one command."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        with importing():
            module = importlib.import_module(f"sniffer.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click would exit with 1, which means something else here
            raise _ReaderLeftError from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            word = args[0] if args else ""
            close = difflib.get_close_matches(word, COMMANDS, n=1)
            meant = MEANT.get(word) or (close[0] if close else None)
            if meant is None:
                raise
            raise click.UsageError(f"{error.message.rstrip('.')}; did you mean `sniffer {meant}`?", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        from sniffer import __version__

        click.echo(f"sniffer, version {__version__}")
        ctx.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version and exit."
)
def cli() -> None:
    """When did a speaker send what could be your voice, and had anybody asked it to?

    \b
    Try:  sniffer demo
          sniffer analyze capture.pcap --device 68:db:f5:90:19:64=kitchen
          sniffer doctor
    """


def _discard_output() -> None:
    """What is still in the buffers cannot be written: Python would complain at its end."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


#: glibc's number for "what is larger is given back as soon as it is free", and how large that is, in bytes.
_M_MMAP_THRESHOLD, _LARGE = -3, 256 << 10


def _give_back() -> None:
    """glibc keeps what large columns leave behind, more with each that is freed: said once, it gives them back."""
    allocator = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if allocator is not None:
        allocator(_M_MMAP_THRESHOLD, _LARGE)


def _open_standard_streams() -> None:
    """Where a standard stream is closed (`>&-`), the next file that is opened would take its place, and be written to
    as if it were the terminal: put the null device there."""
    for number in range(3):
        with contextlib.suppress(OSError):
            os.fstat(number)
            continue
        os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w", closefd=False))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 fine, 1 uploads nobody asked for (`--fail-on`), 2 usage, 3 nothing could be read."""
    _open_standard_streams()
    _give_back()
    # Of numpy's linear algebra nothing is used: its threads would wait busily. And no plug-in extends our settings:
    # pydantic would look through every package that is installed.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    for stream in (sys.stdout, sys.stderr):  # a locale that has no word for a name shows `?`, and does not end us
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        words = list(arguments) if arguments is not None else None
        status = cli.main(args=words, standalone_mode=False, color=False if plain else None)
        sys.stdout.flush()  # now, while an error can be reported
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        status = 130
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        status = 130
    except (BrokenPipeError, _ReaderLeftError):  # no error; but Python must not try to flush again
        _discard_output()
        status = 0
    except OSError as error:  # a full disk, for one: never the status of "unexpected uploads were found"
        what = f"{error.filename}: " if error.filename else ""
        click.echo(f"sniffer: {what}{error.strerror or error}", err=True)
        _discard_output()
        status = 3
    except SnifferError as error:
        click.echo(f"sniffer: {error}", err=True)
        status = error.exit_status
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in extras.EXTRA_OF:
            raise
        words = list(arguments) if arguments is not None else sys.argv[1:]
        click.echo(f"sniffer: {extras.missing(str(error.name), f'`sniffer {words[0]}`')}", err=True)
        status = UsageError.exit_status
    sys.exit(status if isinstance(status, int) else 0)
