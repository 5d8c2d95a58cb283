"""The examples of docs/where.md are right, and there is a section for each kind of router."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sniffer.app.config import parse_config

TEXT = (Path(__file__).parents[2] / "docs" / "where.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_a_configuration(example: str) -> None:
    capture = parse_config(example, "docs/where.md").capture
    assert capture.sources or capture.interface != "auto"


def test_every_type_of_source_is_shown_or_named() -> None:
    for name in ("ssh", "fritzbox", "tzsp", "erspan", "pcap_over_ip", "pcap"):
        assert f"type: {name}" in TEXT
