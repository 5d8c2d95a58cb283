"""`sniffer export`: uploads out of the store as CSV, JSON Lines or Parquet, a page at a time."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import click

from sniffer import extras
from sniffer.cli._common import config_option, effective_config, nothing_of
from sniffer.cli._times import Moment
from sniffer.errors import UsageError
from sniffer.records.schemas import export_columns
from sniffer.sinks.storage.store import Store

Write = Callable[[Iterable[Mapping[str, Any]], IO[bytes]], int]


@click.command()
@config_option
@click.option("--from", "since", type=Moment(), help="From then on: 30d, yesterday, 2026-11-01.")
@click.option("--to", "until", type=Moment(), help="Up to then.")
@click.option("--device", help="Only this one: its name or MAC address.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["csv", "jsonl", "parquet"]),
    help="Default: what OUT ends with, else csv.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="A file (default: standard output)."
)
@click.option("--store", "store_path", type=click.Path(path_type=Path, dir_okay=False), help="The store (SQLite).")
def command(
    config_path: Path | None,
    since: int | None,
    until: int | None,
    device: str | None,
    output_format: str | None,
    output: Path | None,
    store_path: Path | None,
) -> None:
    """Uploads out of the store, the oldest first.

    \b
    Examples:
      sniffer export --from 30d -o november.csv
      sniffer export --from 2026-11-01 --to 2026-12-01 -o november.parquet
    """
    settings = effective_config(config_path, ()).store
    if store_path is not None:
        settings = settings.model_copy(update={"path": store_path})
    if output_format == "parquet" and output is None:
        raise UsageError("--format parquet needs a file: -o OUT.parquet")
    if since is not None and until is not None and since >= until:
        raise UsageError("--from is not before --to: there is nothing in between")
    writers: dict[str, Write] = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}
    suffix = output.suffix.lower().lstrip(".") if output is not None else "csv"
    if output_format is None and suffix not in writers:
        raise UsageError(f"{output}: no format is called '{suffix}': use .csv, .jsonl or .parquet, or --format")
    write = writers[output_format or suffix]
    with ExitStack() as stack:
        store = stack.enter_context(Store(settings, read_only=True))
        out: IO[bytes] = sys.stdout.buffer
        if output is not None:
            try:
                out = stack.enter_context(output.open("wb"))
            except OSError as error:
                raise UsageError(f"{output}: cannot be written: {error.strerror}") from None
        try:
            count = write(store.walk(("upload",), device, since, until), out)
            why = "" if count else nothing_of(device, store)
            out.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise UsageError(f"{output or 'standard output'}: cannot be written: {error.strerror}") from None
    click.echo(f"{'1 upload' if count == 1 else f'{count} uploads'}{why}", err=True)


def write_jsonl(records: Iterable[Mapping[str, Any]], out: IO[bytes]) -> int:
    """Whole records, one a line."""
    count = 0
    for record in records:
        out.write(json.dumps(record).encode() + b"\n")
        count += 1
    return count


def write_csv(records: Iterable[Mapping[str, Any]], out: IO[bytes]) -> int:
    """One row an upload. A name that a spreadsheet would take for a formula begins with an apostrophe."""
    columns = export_columns()
    out.write(_csv_line([column.name for column in columns]))
    count = 0
    for record in records:
        out.write(_csv_line([_cell(_value(record, column.path)) for column in columns]))
        count += 1
    return count


def write_parquet(records: Iterable[Mapping[str, Any]], out: IO[bytes]) -> int:
    """The same columns, with types."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UsageError(extras.missing("pyarrow", "Parquet")) from None
    columns = export_columns()
    kinds = [_arrow_type(column.schema, pyarrow) for column in columns]
    schema = pyarrow.schema(list(zip([column.name for column in columns], kinds, strict=True)))
    count = 0
    with parquet.ParquetWriter(out, schema) as writer:
        for page in _pages(records, 1000):
            count += len(page)
            values = [[_typed(column.schema, _value(record, column.path)) for record in page] for column in columns]
            arrays = [pyarrow.array(one, kind) for one, kind in zip(values, kinds, strict=True)]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
    return count


def _arrow_type(described: Mapping[str, Any], pyarrow: Any) -> Any:
    """Return the column type of a field's JSON Schema."""
    kind = described["type"] if isinstance(described["type"], str) else described["type"][0]
    if described.get("format") == "date-time":
        return pyarrow.timestamp("us", "UTC")
    types = {"integer": pyarrow.int64(), "number": pyarrow.float64(), "boolean": pyarrow.bool_()}
    return pyarrow.list_(pyarrow.string()) if kind == "array" else types.get(kind, pyarrow.string())


def _pages(records: Iterable[Mapping[str, Any]], size: int) -> Iterator[list[Mapping[str, Any]]]:
    page: list[Mapping[str, Any]] = []
    for record in records:
        page.append(record)
        if len(page) == size:
            yield page
            page = []
    if page:
        yield page


def _value(record: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = record
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _typed(described: Mapping[str, Any], value: Any) -> Any:
    if described.get("format") == "date-time":
        return datetime.fromisoformat(value)
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        value = " ".join(str(item) for item in value)
    if not isinstance(value, str):
        return str(value)
    text = "".join(character if character.isprintable() else " " for character in value)
    return f"'{text}" if text.lstrip()[:1] in ("=", "+", "-", "@") or value[:1] in ("\t", "\r", "\n") else text


def _csv_line(cells: list[str]) -> bytes:
    line = _Line()
    csv.writer(line).writerow(cells)
    return line.text.encode(errors="replace")


class _Line:
    """What the csv module writes one row into."""

    text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)
