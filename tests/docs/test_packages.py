"""Man pages and shell completion are made from the commands, and are well formed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from sniffer.cli.main import COMMANDS
from tools.make_packages import COMPLETION, completions, man_pages, write_share

PAGES = dict(man_pages())


def test_there_is_a_page_for_the_program_and_for_each_command() -> None:
    assert set(PAGES) == {"sniffer.1", *(f"sniffer-{name}.1" for name in COMMANDS)}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_well_formed(name: str) -> None:
    if shutil.which("groff") is None:
        pytest.skip("needs groff")
    words = ["groff", "-man", "-Tutf8", "-ww", "-Wbreak", "-z"]
    done = subprocess.run(words, input=PAGES[name], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_completion_is_for_three_shells_and_bash_reads_it(tmp_path: Path) -> None:
    found = dict(completions())
    assert set(found) == set(COMPLETION.values())
    file = tmp_path / "sniffer"
    file.write_text(found[COMPLETION["bash"]])
    subprocess.run(["bash", "-n", str(file)], check=True)


def test_all_of_it_lies_below_usr_share(tmp_path: Path) -> None:
    write_share(tmp_path)
    assert (tmp_path / "man/man1/sniffer-doctor.1.gz").is_file()
    assert (tmp_path / "bash-completion/completions/sniffer").is_file()
