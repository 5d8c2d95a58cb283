"""Captures that lie: the stages before detection take what there is, and say in one line what is wrong."""

import io
from pathlib import Path

import pytest

from sniffer.capture.files.open import open_capture
from sniffer.capture.files.pipe import read_stream
from sniffer.decode import decode
from sniffer.decode.dissect import Dissector
from sniffer.errors import CaptureError
from sniffer.model import Selection
from tests.captures.hostile import Case, cases

#: Read once: the generator is cheap, but not free.
CASES = list(cases())


def packets(path: Path) -> int:
    """Through capture, decoding and dissection."""
    dissector, count = Dissector(), 0
    with open_capture(path) as capture:
        for block in capture:
            batch, _ = decode(block, Selection())
            count += len(batch)
            dissector.dissect(batch)
        assert all("\n" not in problem for problem in capture.problems)
    return count


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_there_is_read_and_the_rest_is_said(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(case.data)
    try:
        packets(path)
    except CaptureError as error:
        assert case.expect != 0, error
        assert "\n" not in str(error) and str(path) in str(error)
    else:
        assert case.expect != 3


def test_names_are_unlike_and_there_are_hundreds() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) > 500


@pytest.mark.parametrize("case", CASES[::7], ids=lambda case: case.name)
def test_a_pipe_gives_what_the_file_gives(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(case.data)

    def outcome(blocks: object) -> list[int] | str:
        try:
            return [int(time) for block in blocks for time in block.time_ns]  # type: ignore[attr-defined]
        except CaptureError as error:
            return str(error).rpartition(": ")[2]

    def from_file() -> object:
        with open_capture(path) as capture:
            yield from capture

    assert outcome(from_file()) == outcome(read_stream(io.BytesIO(case.data), str(path)))
