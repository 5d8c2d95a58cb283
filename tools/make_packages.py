"""Write man pages, shell completion and a Debian package, from the commands and the wheel in dist/.

`python tools/make_packages.py [--deb]`: man pages and completion go to build/share; with `--deb` the package for
Debian 13 and newer goes to dist/ (tools/debian.py).
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
from click.shell_completion import get_completion_class

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from sniffer import __version__
from sniffer.cli.main import COMMANDS, cli

SHARE = ROOT / "build" / "share"
#: Where each shell looks for completion (below /usr/share), by the name that click gives the shell.
COMPLETION = {
    "bash": "bash-completion/completions/sniffer",
    "zsh": "zsh/vendor-completions/_sniffer",
    "fish": "fish/vendor_completions.d/sniffer.fish",
}


def moment() -> datetime:
    """When the sources were written, so that the same sources give the same files."""
    return datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), UTC)


def completions() -> Iterator[tuple[str, str]]:
    """Each completion script with its path below /usr/share."""
    for shell, path in COMPLETION.items():
        found = get_completion_class(shell)
        assert found is not None
        yield path, found(cli, {}, "sniffer", "_SNIFFER_COMPLETE").source()


def man_pages() -> Iterator[tuple[str, str]]:
    """One page for the program, and one for each command."""
    context = click.Context(cli, info_name="sniffer")
    lines = [*_head("sniffer", cli.help or ""), ".SH COMMANDS"]
    for name, (_, text) in COMMANDS.items():
        lines += [".TP", f".BR sniffer\\-{name} (1)", _roff(text)]
    yield "sniffer.1", "\n".join([*lines, *_options(cli, context), ""])
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        yield f"sniffer-{name}.1", "\n".join([*_page(command, name, context), ""])


def _page(command: click.Command, name: str, parent: click.Context) -> list[str]:
    context = click.Context(command, info_name=name, parent=parent)
    lines = [*_head(f"sniffer-{name}", command.help or ""), ".SH SYNOPSIS", ".B sniffer " + name]
    lines += [_roff(piece) for piece in command.collect_usage_pieces(context)]
    lines += _options(command, context)
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            sub = command.get_command(context, inner)
            assert sub is not None
            lines += [f".SH sniffer {name} {inner}".upper().replace("SNIFFER", "sniffer"), *_paragraphs(sub.help or "")]
            lines += _options(sub, click.Context(sub, info_name=inner, parent=context), heading=False)
    return [*lines, ".SH SEE ALSO", ".BR sniffer (1)"]


def _head(name: str, text: str) -> list[str]:
    date = moment().strftime("%Y-%m-%d")
    first = re.split(r"(?<=[.?!])\s", " ".join(text.split()), maxsplit=1)[0]
    return [
        f'.TH {name.upper()} 1 "{date}" "sniffer {__version__}" "User Commands"',
        ".SH NAME",
        f"{_roff(name)} \\- {_roff(first)}",
        ".SH DESCRIPTION",
        *_paragraphs(text),
    ]


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        yield ".PP"
        if paragraph.lstrip().startswith("\b"):
            yield from (".nf", *(_roff(line) for line in paragraph.replace("\b", "").strip("\n").splitlines()), ".fi")
        else:
            yield _roff(" ".join(paragraph.split()))


def _options(command: click.Command, context: click.Context, *, heading: bool = True) -> Iterator[str]:
    records = [record for parameter in command.get_params(context) if (record := parameter.get_help_record(context))]
    if records and heading:
        yield ".SH OPTIONS"
    for names, text in records:
        yield from (".TP", f"\\fB{_roff(names)}\\fR", _roff(" ".join(text.split())))


def _roff(text: str) -> str:
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("\x08", "")
    return f"\\&{text}" if text.startswith((".", "'")) else text


def write_share(folder: Path) -> None:
    """Write everything that lies below /usr/share."""
    for path, text in completions():
        write(folder / path, text.encode())
    for name, text in man_pages():
        write(folder / "man" / "man1" / f"{name}.gz", gzip.compress(text.encode(), mtime=0))


def write(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file with this mode, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)


def main() -> None:
    shutil.rmtree(SHARE, ignore_errors=True)
    write_share(SHARE)
    if "--deb" in sys.argv[1:]:
        wheels = sorted((ROOT / "dist").glob("*.whl"))
        if not wheels:
            sys.exit("make_packages: no wheel in dist/: run `make dist`")
        from tools.debian import build

        print(build(wheels[-1], ROOT / "dist", moment(), write_share))


if __name__ == "__main__":
    main()
