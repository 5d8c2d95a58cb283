"""Write docs/configuration.md, docs/commands.md and the tables of docs/events.md from the code.

`python tools/make_docs.py [FOLDER]`. A test compares.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import click
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from sniffer.app.config import Config
from sniffer.cli.main import COMMANDS, cli
from sniffer.records.schemas import field_table, schema
from sniffer.records.types import EVENTS

DOCS = ROOT / "docs"
WIDTH = 110


def configuration() -> str:
    """Every key of `sniffer.yaml`, section by section."""
    lines = [
        "# Configuration",
        "",
        "One YAML file, `sniffer.yaml`; every key has a default, so an empty file is valid. `sniffer config check` says what",
        "is wrong, or valid and hardly meant, with file, line and column; `sniffer setup` writes a first one; `kill -HUP` reads",
        "it again. Secrets are never in it: `{file: PATH}` or `{env: NAME}` says where they are.",
        "",
        "What is changed under `capture`, `detect`, `store`, `sinks.event_log` and `sinks.evidence` takes effect at the next",
        "start; `kill -HUP` says so.",
        "",
        "Made from the code by `python tools/make_docs.py`.",
    ]
    seen: set[type[BaseModel]] = set()
    for name, field in Config.model_fields.items():
        models = list(_models(field.annotation))
        many = get_origin(field.annotation) is tuple
        for model in models:
            lines += _section(f"{name}[]" if many else name, model, seen)
    return "\n".join(lines) + "\n"


def _section(path: str, model: type[BaseModel], seen: set[type[BaseModel]]) -> list[str]:
    if model in seen:
        return []
    seen.add(model)
    lines = ["", f"## `{path}`", "", *_paragraphs(model), "", "| key | type | default |", "|---|---|---|"]
    inner: list[str] = []
    for name, field in model.model_fields.items():
        shown = field.json_schema_extra.get("shown") if isinstance(field.json_schema_extra, dict) else None
        value = shown or _default(field.get_default(call_default_factory=True))
        default = "required" if field.is_required() else f"`{value}`"
        text = f"; {field.description}" if field.description else ""
        lines.append(f"| `{name}` | {_type(field.annotation)}{text} | {default} |")
        many = get_origin(field.annotation) is tuple
        for child in _models(field.annotation):
            kind = child.model_fields["type"].annotation if "type" in child.model_fields else None
            label = f" (type {', '.join(map(str, get_args(kind)))})" if kind is not None else ""
            inner += _section(f"{path}.{name}{'[]' if many else ''}{label}", child, seen)
    return lines + inner


def _paragraphs(model: type[BaseModel]) -> list[str]:
    return [inspect.cleandoc(model.__doc__ or "")]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation.__name__ != "Secret":
            yield annotation
        return
    for argument in get_args(annotation):
        yield from _models(argument)


def _type(annotation: Any) -> str:
    if isinstance(annotation, type):
        return annotation.__name__ if not issubclass(annotation, BaseModel) else f"{annotation.__name__}"
    text = str(annotation).replace("typing.", "").replace("NoneType", "none")
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is not None and str(origin).endswith("Literal"):
        return ", ".join(f"`{argument}`" for argument in arguments)
    if hasattr(annotation, "__metadata__"):
        return _type(arguments[0])
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"map of {_type(arguments[0])} to {_type(arguments[1])}"
    if arguments:
        return " or ".join("none" if argument is type(None) else _type(argument) for argument in arguments)
    return text


def _default(value: Any) -> str:
    if value is PydanticUndefined or value is None:
        return "none"
    if isinstance(value, BaseModel):
        return "see below"
    if isinstance(value, tuple):
        return ", ".join(_default(item) for item in value) or "empty"
    return str(value) if value != {} else "empty"


def commands() -> str:
    """What each command says of itself."""
    lines = ["# Commands", "", "What `sniffer COMMAND --help` says. Made by `python tools/make_docs.py`.", ""]
    os.environ["COLUMNS"] = str(WIDTH)
    for name in COMMANDS:
        with click.Context(
            cli, info_name="sniffer", terminal_width=WIDTH, max_content_width=WIDTH, **cli.context_settings
        ) as parent:
            command = cli.get_command(parent, name)
            assert command is not None
            lines += [f"## sniffer {name}", "", *_help(command, parent, name)]
            if isinstance(command, click.Group):
                with click.Context(command, parent=parent, info_name=name, max_content_width=WIDTH) as middle:
                    for sub in command.list_commands(middle):
                        child = command.get_command(middle, sub)
                        assert child is not None
                        lines += [f"### sniffer {name} {sub}", "", *_help(child, middle, sub)]
    return "\n".join(lines)


def _help(command: click.Command, parent: click.Context, name: str) -> list[str]:
    with click.Context(
        command, parent=parent, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH
    ) as context:
        return ["```", command.get_help(context), "```", ""]


#: What stands above this line in docs/events.md is written by hand.
GENERATED = "<!-- Below here: made from the code by `python tools/make_docs.py`. -->"


def events() -> str:
    """Return docs/events.md with the tables of all event types."""
    by_hand = (DOCS / "events.md").read_text(encoding="utf-8").partition(GENERATED)[0]
    lines = [by_hand + GENERATED]
    for event_type in EVENTS:
        lines += ["", f"## {event_type}", "", str(schema(event_type)["description"]), "", *field_table(event_type)]
    return "\n".join(lines) + "\n"


def main(folder: Path) -> None:
    """Write all three."""
    (folder / "events.md").write_text(events(), encoding="utf-8")
    (folder / "configuration.md").write_text(configuration(), encoding="utf-8")
    (folder / "commands.md").write_text(commands(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS)
