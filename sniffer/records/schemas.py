"""What is generated from the record types: JSON Schemas, the fields of rules, columns for export, tables for docs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

from pydantic.fields import FieldInfo

from sniffer.records.codec import adapter
from sniffer.records.types import EVENTS, Column, UploadRecord

#: A schema's `$id`. It names the schema and stays the same from version to version; nothing needs to be there.
BASE_ID = "https://github.com/speaker-sniffer/speaker-sniffer/schemas/"

Schema = dict[str, Any]


def schema_id(event_type: str) -> str:
    """Return the `$id` of an event type's schema."""
    return f"{BASE_ID}{event_type}.json"


@functools.cache
def schema(event_type: str) -> Schema:
    """Return the JSON Schema (draft 2020-12) of one event type."""
    kind = EVENTS[event_type]
    made = adapter(kind).json_schema(mode="serialization", by_alias=True)
    body = _plain(made, made.get("$defs", {}))
    body["required"] = list(body["properties"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": schema_id(event_type),
        "title": event_type.capitalize(),
        **body,
        "description": inspect.cleandoc(kind.__doc__ or ""),
    }


def _plain(part: Schema, defs: Mapping[str, Schema]) -> Schema:
    """Return a schema without references, titles and defaults, and with null as one more type or value."""
    part = dict(part)
    if "$ref" in part:
        named = part.pop("$ref").removeprefix("#/$defs/")
        part = {**defs[named], **part}
    if "anyOf" in part:
        (inner,) = (one for one in part.pop("anyOf") if one != {"type": "null"})
        inner = _plain(inner, defs)
        inner["type"] = [inner["type"], "null"]
        if "enum" in inner:
            inner["enum"] = [*inner["enum"], None]
        part = {**inner, **part}
    for key in ("title", "default", "$defs"):
        part.pop(key, None)
    if "properties" in part:
        part["properties"] = {name: _plain(one, defs) for name, one in part["properties"].items()}
    if "items" in part:
        part["items"] = _plain(part["items"], defs)
    return part


def described_fields(described: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Yield each field of a schema with its dotted path; `evidence[].name` is a field of each item of a list."""
    for name, part in described.get("properties", {}).items():
        yield f"{path}{name}", part
        yield from described_fields(part, f"{path}{name}.")
        yield from described_fields(part.get("items", {}), f"{path}{name}[].")


@functools.cache
def rule_fields() -> frozenset[str]:
    """Return the fields of an upload record that a rule may ask for, with dots: `upload.class`, `evidence.name`."""
    fields = {path.replace("[]", ""): part for path, part in described_fields(schema("upload"))}
    parents = {path.rpartition(".")[0] for path in fields}
    return frozenset(fields) - parents


@dataclass(frozen=True, slots=True)
class ExportColumn:
    """One column of `sniffer export`: its name, where its value is in the record, and its JSON Schema."""

    name: str
    path: tuple[str, ...]
    schema: Schema


def export_columns() -> tuple[ExportColumn, ...]:
    """Return the columns of `sniffer export`, in the order of the record's fields."""
    parts = dict(described_fields(schema("upload")))
    return tuple(ExportColumn(name, path, parts[".".join(path)]) for name, path in _columns(UploadRecord, ()))


def _columns(kind: type[Any], above: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, hint in get_type_hints(kind, include_extras=True).items():
        metadata = getattr(hint, "__metadata__", ())
        aliases = [str(one.alias) for one in metadata if isinstance(one, FieldInfo) and one.alias]
        alias = aliases[0] if aliases else name
        for column in metadata:
            if isinstance(column, Column):
                yield column.name or alias, (*above, alias)
        inner = get_args(hint)[0] if metadata else hint
        if hasattr(inner, "__dataclass_fields__"):
            yield from _columns(inner, (*above, alias))


def field_table(event_type: str) -> list[str]:
    """Return the lines of a Markdown table of an event type's fields.

    The fields of `device` and `service` are the same everywhere; they are listed under `upload` only.
    """
    lines = ["| field | type | meaning |", "|---|---|---|"]
    for path, part in described_fields(schema(event_type)):
        if event_type == "upload" or not path.startswith(("device.", "service.", "record.")):
            lines.append(f"| `{path}` | {_type(part)} | {part['description']} |")
    return lines


_WORDS = {"string": "text", "boolean": "true \\| false", "array": "list"}


def _type(part: Schema) -> str:
    if "const" in part:
        return f'`"{part["const"]}"`'
    if "enum" in part:
        return " \\| ".join("null" if value is None else f"`{value}`" for value in part["enum"])
    kinds: list[str] = part["type"] if isinstance(part["type"], list) else [part["type"]]
    time = part.get("format") == "date-time"
    return " \\| ".join("time" if time and kind == "string" else _WORDS.get(kind, kind) for kind in kinds)
