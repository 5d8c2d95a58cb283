"""The rules that ship: each does what its tests say, among all the others."""

from pathlib import Path

import pytest

from sniffer.errors import RuleError
from sniffer.identify.oui import OuiTable, compact
from sniffer.identify.rules import check, load_device_rules, load_oui, load_service_rules
from sniffer.model import mac_key
from sniffer.resources import shipped

RULES = [shipped("rules")]


def test_every_rule_that_ships_passes_its_own_tests() -> None:
    reports = check(RULES)
    assert len(reports) >= 12
    assert [(r.file.name, r.problems) for r in reports if r.problems] == []
    assert all(r.tests >= 2 for r in reports)


def test_rules_load_and_a_later_folder_replaces(tmp_path: Path) -> None:
    ours = load_device_rules(RULES)
    (tmp_path / "devices").mkdir()
    text = (RULES[0] / "devices" / "ring.yml").read_text().replace("model: Ring\n", "model: Doorbell\n")
    (tmp_path / "devices" / "mine.yml").write_text(text)
    both = load_device_rules([*RULES, tmp_path])
    assert len(both) == len(ours)
    assert next(rule.model for rule in both if rule.id == "ring") == "Doorbell"
    assert load_service_rules(RULES)


@pytest.mark.parametrize(
    ("change", "place", "message"),
    [
        (("weight: 5.5", "wieght: 5.5"), ":10:5:", "did you mean 'weight'"),
        (("oui: ", "uoi: "), ":13:10:", "no fact is called 'uoi'"),
        (("match: false", "match: true"), "", "one that must match and one that must not"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, change: tuple[str, str], place: str, message: str) -> None:
    (tmp_path / "devices").mkdir()
    path = tmp_path / "devices" / "ring.yml"
    path.write_text((RULES[0] / "devices" / "ring.yml").read_text().replace(*change))
    with pytest.raises(RuleError) as caught:
        load_device_rules([tmp_path])
    assert str(caught.value).startswith(f"{path}{place}")
    assert message in str(caught.value)
    (report,) = check([tmp_path])
    assert message in report.problems[0]


def test_a_test_that_fails_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "devices").mkdir()
    text = (RULES[0] / "devices" / "ring.yml").read_text()
    path = tmp_path / "devices" / "ring.yml"
    path.write_text(text.replace("facts: [{oui: Ring LLC}]", "facts: [{oui: Other}]", 1))
    (report,) = check([tmp_path])
    line = 1 + next(n for n, line in enumerate(text.splitlines()) if "the prefix is a camera maker's" in line)
    assert report.problems == (
        f"{path}:{line}:5: test 'the prefix is a camera maker's': must match, but the facts say nothing",
    )
    path.write_text(text.replace("facts: [{oui: Ring LLC}]", "facts: [{uoi: Other}]", 1))
    (report,) = check([tmp_path])
    assert report.id is None
    assert f"{path}:{line + 1}:" in report.problems[0]
    assert "no fact is called 'uoi'" in report.problems[0]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"nobody", 1),
        (b"# x\n\nA\t68dbf5\nB 68dbf6\n", 4),
        (b"A\t68dbf5 68dbg6", 1),
        (b"A\t68dbf5\nB\t68dbf\n", 2),
        (b"A\t68dbf5\nB\t68dbf51234\n", 2),
        (b"A\t68DBF5\n", 1),
        (b"A\t68dbf5\nB\t\n", 2),
        (b"\t\xff\xff\xff\xff\xff\xff", 1),
        (b"A\t68dbf5\n" * 20_000 + b"B\n", 20_001),
    ],
)
def test_a_table_that_is_none_is_refused_with_its_line(text: bytes, line: int) -> None:
    with pytest.raises(RuleError, match=f"^x.tsv:{line}: not `organisation"):
        OuiTable(text, "x.tsv")


def test_any_table_reads_as_it_was_written() -> None:
    assignments = {f"{i:0{(6, 7, 9)[i % 3]}x}": f"Née {i % 1000} ab12cd Ltd" for i in range(0, 9000)}
    for ending in ("\n", "\r\n"):
        table = OuiTable(compact(assignments.items()).replace("\n", ending).encode())
        assert dict(table.items()) == assignments
        assert len(table) == len(assignments)
    assert OuiTable(b"A\t103456\nB\t1034567\nC\t103456789").lookup(0x1034_5678_9ABC) == "C"
    assert OuiTable(b"A\t103456\nB\t1034567").lookup(0x1034_5678_9ABC) == "B"
    assert OuiTable(b"A\t103456\n").lookup(0x1034_5778_9ABC) is None


def test_the_table_of_prefixes() -> None:
    table = load_oui(RULES)
    assert len(table) > 50_000
    assert table.lookup(mac_key("68:db:f5:90:19:64")) == "Amazon Technologies Inc."
    assert table.lookup(mac_key("6a:db:f5:90:19:64")) is None, "locally administered: nobody's"
    assert table.lookup(1 << 63) is None
    assert load_oui([]).lookup(mac_key("68:db:f5:90:19:64")) is None
