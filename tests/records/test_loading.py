"""The event log in the tools of others: the examples of docs/events.md run, on a log with all event types."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.captures.golden import GOLDEN
from tests.records.test_schemas import SAMPLES

DOCS = (Path(__file__).parents[2] / "docs" / "events.md").read_text()
EXAMPLES = {
    found.group(1): block
    for block in re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)
    if (found := re.match(r"import (\w+)", block))
}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Every event type, many of them more than once, each as its first line for half of the readers."""
    records = [*SAMPLES, *(record for path in sorted(GOLDEN.glob("*.json")) for record in json.loads(path.read_text()))]
    path = tmp_path / "events.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["duckdb", "pandas", "polars", "pyarrow"])
def test_the_example_of_the_docs_runs(tool: str, log: Path) -> None:
    pytest.importorskip(tool, reason=f"{tool} is not installed (extra: loaders or parquet)")
    done = subprocess.run(
        [sys.executable, "-c", EXAMPLES[tool]], cwd=log.parent, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert ("kitchen" if tool != "pyarrow" else "name: string") in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("reverse", [False, True])
def test_the_order_of_event_types_does_not_matter(log: Path, reverse: bool) -> None:
    polars = pytest.importorskip("polars", reason="polars is not installed (extra: loaders)")
    arrow = pytest.importorskip("pyarrow.json", reason="pyarrow is not installed (extra: parquet)")
    lines = sorted(log.read_text().splitlines(keepends=True), reverse=reverse)
    log.write_text("".join(lines))
    assert len(polars.read_ndjson(log, infer_schema_length=None)) == len(lines)
    assert arrow.read_json(log).num_rows == len(lines)


def test_the_configurations_for_shippers_are_well_formed() -> None:
    (vector,) = re.findall(r"```toml\n(.*?)```", DOCS, re.DOTALL)
    (fluent,) = (block for block in re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL) if "pipeline:" in block)
    assert tomllib.loads(vector)["sources"]["sniffer"]["include"] == ["/var/lib/sniffer/events.jsonl"]
    settings = yaml.safe_load(fluent)
    assert settings["pipeline"]["inputs"][0]["parser"] == settings["parsers"][0]["name"]
