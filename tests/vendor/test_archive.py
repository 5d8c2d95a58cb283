"""Archives are opened in place and bounded, whatever is in them."""

import contextlib
import io
import os
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sniffer.errors import UsageError
from sniffer.vendor import archive
from sniffer.vendor.archive import BROKEN, members
from tests.vendor.writing import save_zip


def names(path: Path) -> tuple[list[str], list[str]]:
    """The members below a path, without the path; and what was refused."""
    refused: list[str] = []
    return [member.name.removeprefix(f"{path}/") for member in members(path, refused)], refused


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/../../b.json", "..\\..\\b.json"])
def test_a_name_that_leads_out_is_refused(name: str, tmp_path: Path) -> None:
    found, refused = names(save_zip(tmp_path / "a.zip", {name: "x", "good.json": "{}"}))
    assert found == ["good.json"]
    assert len(refused) == 1
    assert "leads out of the archive" in refused[0]


def test_a_bomb_is_refused_without_being_unpacked(tmp_path: Path) -> None:
    path = save_zip(tmp_path / "a.zip", {"bomb.json": bytes(50 << 20), "good.json": "{}"})
    tracemalloc.start()
    try:
        found, refused = names(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == ["good.json"]
    assert "out of proportion" in refused[0]
    assert peak < 2 << 20


def test_a_member_gives_no_more_than_its_archive_states(tmp_path: Path) -> None:
    """The stated size is forged: a few bytes, with a bomb behind it."""
    path = save_zip(tmp_path / "a.zip", {"bomb.json": bytes(50 << 20)})
    raw = bytearray(path.read_bytes())
    size = (50 << 20).to_bytes(4, "little")
    while (place := raw.find(size)) >= 0:
        raw[place : place + 4] = (1000).to_bytes(4, "little")
    path.write_bytes(raw)
    taken = 0
    for member in members(path, []):
        try:
            while chunk := member.stream.read(1 << 20):
                taken += len(chunk)
        except BROKEN:
            break
    assert taken <= 1000


def test_many_small_members_do_not_unpack_to_more_than_all_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_TOTAL_BYTES", 2500)
    found, refused = names(save_zip(tmp_path / "a.zip", {f"{n}.json": os.urandom(1000) for n in range(4)}))
    assert found == ["0.json", "1.json"]
    assert "unpacks to more than" in refused[0]


def test_a_zip_in_a_zip_is_opened_once(tmp_path: Path) -> None:
    deepest = save_zip(tmp_path / "3.zip", {"c.json": "{}"})
    deep = save_zip(tmp_path / "2.zip", {"b.json": "{}", "3.zip": deepest.read_bytes()})
    found, refused = names(save_zip(tmp_path / "1.zip", {"2.zip": deep.read_bytes(), "bad.zip": b"PK no"}))
    assert found == ["2.zip/b.json"]
    assert sorted(line.rpartition("/")[2][:5] for line in refused) == ["3.zip", "bad.z"]


def test_an_encrypted_member_is_named(tmp_path: Path) -> None:
    path = save_zip(tmp_path / "a.zip", {"a.json": "{}"})
    raw = bytearray(path.read_bytes())
    raw[raw.find(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    assert "encrypted" in names(path)[1][0]


def test_links_in_a_folder_are_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "a.json").write_text("{}")
    (folder / "passwd").symlink_to("/etc/passwd")
    (folder / "loop").symlink_to(folder)
    assert names(folder)[0] == ["a.json"]


def test_an_archive_that_broke_off(tmp_path: Path) -> None:
    path = save_zip(tmp_path / "a.zip", {"a.json": os.urandom(5000)})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UsageError, match="damaged or incomplete"):
        names(path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(places=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=8))
def test_damage_anywhere_ends_in_a_message(places: list[tuple[int, int]], tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a/b.json", "[1, 2, 3]" * 20)
        made.writestr("c.csv", "time\n" * 20)
    raw = bytearray(buffer.getvalue())
    for place, value in places:
        raw[place % len(raw)] = value
    path = tmp_path / "x.zip"
    path.write_bytes(raw)
    with contextlib.suppress(UsageError):
        for member in members(path, []):
            with contextlib.suppress(*BROKEN):
                member.stream.read()
