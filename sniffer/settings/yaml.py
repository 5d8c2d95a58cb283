"""YAML that people write: the configuration and the rules, read with the place of everything in the file.

No stage reads a file with it while it works: loaders at the edge do.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from sniffer.errors import LocatedError

Model = TypeVar("Model", bound=BaseModel)
Built = TypeVar("Built")

#: These files are written by people: more than this is not one.
MAX_DOCUMENT_BYTES = 1 << 20
MAX_DEPTH = 50

#: What pydantic says in the words of Python, in those of a file.
_NEEDED = {
    "model_type": "a mapping is needed here (`key: value`)",
    "dict_type": "a mapping is needed here (`key: value`)",
    "tuple_type": "a list is needed here (`- one`, or `[one, two]`)",
    "string_type": "text is needed here (in quotes where it looks like something else)",
    "int_parsing": "a whole number is needed here",
    "int_type": "a whole number is needed here",
    "float_parsing": "a number is needed here",
    "float_type": "a number is needed here",
    "bool_parsing": "`true` or `false` is needed here",
    "bool_type": "`true` or `false` is needed here",
}

#: What PyYAML says (its beginning), and what is most often the reason in a file that a person wrote.
_READ_AS = {
    "mapping values are not allowed here": "a `:` is not expected here: this line is indented wrongly, the key above "
    "it has no `:`, or text that contains `: ` needs quotes",
    "found character '\\t' that cannot start any token": "a tab is not allowed here: indent with spaces",
    "could not find expected ':'": "a `:` is missing after the key before this",
    "expected <block end>, but found": "this does not belong to what is above it: the line is indented wrongly, or "
    "quotes or a bracket are missing",
    "expected ',' or ']'": "a `,` or the closing `]` is missing before this",
    "expected ',' or '}'": "a `,` or the closing `}` is missing before this",
    "found unexpected end of stream": "the file ends within quotes: the closing quote is missing",
    "found unknown escape character": "a backslash in double quotes begins a special character: use single quotes",
    "found undefined alias": "text that begins with `*` needs quotes",
    "found character '@'": "text that begins with `@` needs quotes",
    "found character '`'": "text that begins with a backquote needs quotes",
    "found character '%'": "text that begins with `%` needs quotes",
}

#: Of these, libyaml and PyYAML make different things in places: of `?` where a word begins, and in brackets.
_DIFFERENT = frozenset("\t\r\ufeff\x85\u2028\u2029")
_SURROGATE = re.compile("[\ud800-\udfff]")
_QUESTION = re.compile(r"(^|\s)\?|[][{}].*\?|\?.*[][{}]")


def read_text(path: Path, error: type[LocatedError]) -> str:
    """The text of a file a person wrote. Raises `error`."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as problem:
        raise error(f"cannot be read: {problem.strerror}", file=path) from None
    if len(data) > MAX_DOCUMENT_BYTES:
        raise error(f"exceeds {MAX_DOCUMENT_BYTES} bytes; is this the right file?", file=path)
    try:
        return data.decode()
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise error("is not UTF-8 text: save the file as UTF-8", file=path, line=line) from None


def load_yaml(text: str, file: str | Path, error: type[LocatedError]) -> tuple[Any, yaml.Node | None]:
    """A YAML document as plain values, and its node tree for places. Aliases and duplicate keys are refused:
    with them, a small file can grow large or say two things at once.

    Raises `error` with file, line and column.
    """
    try:
        loader = _Loader(text, file, error)
        try:
            return _document(loader, file, error)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as problem:
        raise located(error, _plain_cause(problem.problem or "not YAML"), file, problem.problem_mark) from None
    except (yaml.YAMLError, ValueError) as problem:
        raise error(f"not YAML: {' '.join(str(problem).split())}", file=file) from None


def _plain_cause(problem: str) -> str:
    """What PyYAML found, in the words of the person who wrote the file."""
    return next((text for beginning, text in _READ_AS.items() if problem.startswith(beginning)), problem)


class _Loader(yaml.SafeLoader):
    """Refuses what `load_yaml` says while it reads."""

    def __init__(self, text: str, file: str | Path, error: type[LocatedError]) -> None:
        super().__init__(text)
        self._file, self._error, self._depth = file, error, 0

    def get_event(self) -> yaml.Event:
        event: yaml.Event = super().get_event()  # type: ignore[no-untyped-call]
        self._depth = _checked(event, self._depth, self._file, self._error)
        return event


def _checked(event: yaml.Event, depth: int, file: str | Path, error: type[LocatedError]) -> int:
    """How deep a document is nested after an event. Raises `error` where too deep, and for aliases."""
    depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
    if depth > MAX_DEPTH:
        raise located(error, f"nested deeper than {MAX_DEPTH}", file, event.start_mark)
    if isinstance(event, yaml.AliasEvent):
        raise located(error, "aliases (*name) are not supported", file, event.start_mark)
    return depth


def _document(loader: Any, file: str | Path, error: type[LocatedError]) -> tuple[Any, yaml.Node | None]:
    node = loader.get_single_node()
    if node is None:
        return None, None
    _refuse_duplicates(node, file, error)
    return loader.construct_document(node), node


def parse_yaml(text: str, file: str | Path, model: type[Model], error: type[LocatedError]) -> Model:
    """A YAML document as a checked `model`. Raises `error` with file, line and column."""
    return built(text, file, error, lambda value, node: validate(value, node, file, model, error))


def built(
    text: str, file: str | Path, error: type[LocatedError], build: Callable[[Any, yaml.Node | None], Built]
) -> Built:
    """What `build` makes of a YAML document (an empty one is `{}`) and its node tree. `build` may be called twice.
    Raises `error` with file, line and column."""
    try:
        value, node = _load_fast(text, file, error)
        return build({} if value is None else value, node)
    except (yaml.YAMLError, ValueError, LocatedError):
        value, node = load_yaml(text, file, error)
    return build({} if value is None else value, node)


def _load_fast(text: str, file: str | Path, error: type[LocatedError]) -> tuple[Any, yaml.Node | None]:
    """The same by libyaml, ten times as fast, where it is there and reads the same from this text. What it refuses is
    for `load_yaml`, whose words and places do not depend on it."""
    kind = getattr(yaml, "CSafeLoader", None)
    if kind is None or not _read_alike(text):
        raise ValueError("not for libyaml")
    depth = 0
    for event in yaml.parse(text, Loader=kind):
        depth = _checked(event, depth, file, error)
    loader = kind(text)
    try:
        return _document(loader, file, error)
    finally:
        loader.dispose()


def _read_alike(text: str) -> bool:
    """Whether libyaml and PyYAML surely make the same of a text."""
    lines = text.split("\n") if "?" in text else []
    return _DIFFERENT.isdisjoint(text) and not any(
        _QUESTION.search(line) or line.count("[") + line.count("{") != line.count("]") + line.count("}")
        for line in lines
    )


def validate(
    value: Any, node: yaml.Node | None, file: str | Path, model: type[Model], error: type[LocatedError]
) -> Model:
    """What `load_yaml` gave, as a checked `model`. Raises `error` with file, line and column."""
    try:
        return model.model_validate(value)
    except ValidationError as problems:
        # An unknown key is most often a missing one misspelt: it says more.
        first = min(problems.errors(include_url=False), key=lambda problem: problem["type"] != "extra_forbidden")
        location = (*first["loc"], *first.get("ctx", {}).get("at", ()))  # a check of a list names the entry in `at`
        mark = mark_of(node, location, key=first["type"] == "extra_forbidden")
        raise located(error, _sentence(first, location, node, model), file, mark) from None


def located(error: type[LocatedError], message: str, file: str | Path, mark: Any) -> LocatedError:
    """An error that points to a mark of the node tree (or, where there is none, to the file)."""
    if mark is None:
        return error(message, file=file)
    return error(message, file=file, line=mark.line + 1, column=mark.column + 1)


def _refuse_duplicates(node: yaml.Node, file: str | Path, error: type[LocatedError]) -> None:
    if isinstance(node, yaml.ScalarNode):
        if "\0" in node.value or (not node.value.isascii() and _SURROGATE.search(node.value)):
            raise located(
                error, "a character that is no text (an escaped NUL or half a character)", file, node.start_mark
            )
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise located(error, "a key must be plain text", file, key.start_mark)
            if key.value in seen:
                raise located(error, f"the key '{key.value}' is given twice", file, key.start_mark)
            seen.add(key.value)
            _refuse_duplicates(value, file, error)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_duplicates(item, file, error)


def mark_of(node: yaml.Node | None, location: Sequence[str | int], *, key: bool = False) -> Any:
    """Where in the file a value is (or its key): as deep along `location` as the file goes."""
    mark = node.start_mark if node is not None else None
    for depth, part in enumerate(location):
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if found is None:
                continue  # a union's tag, or a key that is missing
            mark = found[0].start_mark if key and depth == len(location) - 1 else found[1].start_mark
            node = found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            mark = node.start_mark
    return mark


def _in_file(node: yaml.Node | None, location: Sequence[str | int]) -> str:
    """The parts of a place that stand in the file: pydantic names the alternatives of a union too."""
    found = []
    for part in location:
        if isinstance(node, yaml.MappingNode):
            inner = next((value for key, value in node.value if key.value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            inner = node.value[part]
        else:
            break
        if inner is not None:
            found.append(str(part))
            node = inner
    return ".".join(found)


def _sentence(problem: Any, location: Sequence[str | int], node: yaml.Node | None, model: type[BaseModel]) -> str:
    path = _in_file(node, location)
    if problem["type"] == "extra_forbidden":
        known = _known_keys(model, location[:-1])
        close = difflib.get_close_matches(str(location[-1]), known, n=1)
        below = [] if close else _sections_with(model, location)
        if close:
            hint = f"; did you mean '{close[0]}'?"
        elif len(below) == 1:
            hint = f"; it belongs below '{below[0]}': indent it"
        else:
            hint = f"; known here: {', '.join(sorted(known))}" if known else ""
        return f"unknown key '{location[-1]}'{hint}"
    missing = location[-1] if problem["type"] == "missing" else "type"
    if problem["type"] in ("missing", "union_tag_not_found"):
        return f"the key '{missing}' is missing" + (f" in {path}" if path else "")
    if problem["type"] == "union_tag_invalid":
        known = [tag.strip("'") for tag in problem["ctx"]["expected_tags"].split(", ")]
        close = difflib.get_close_matches(problem["ctx"]["tag"], known, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"known here: {', '.join(sorted(known))}"
        return f"{path}: unknown type '{problem['ctx']['tag']}'; {hint}"
    message = _NEEDED.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    return f"{path}: {message}" if path else message


def _sections_with(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """The keys at the place of an unknown key below which that key is known."""
    above, key = location[:-1], location[-1]
    return [name for name in _known_keys(model, above) if key in _known_keys(model, (*above, name)) and name != key]


def _known_keys(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """The keys allowed at `location`: of every model that its field may hold, or of the one that `type` chooses."""
    models = [model]
    for part in location:
        if isinstance(part, int):
            continue
        inner = [
            m for owner in models if part in owner.model_fields for m in _models_in(owner.model_fields[part].annotation)
        ]
        models = inner or [m for m in models if _has_type(m, part)] or models
    return [name for owner in models for name in owner.model_fields]


def _has_type(model: type[BaseModel], tag: str) -> bool:
    return "type" in model.model_fields and tag in get_args(model.model_fields["type"].annotation)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for argument in get_args(annotation) for found in _models_in(argument)]
