"""The configuration: one YAML file, checked before anything starts, with errors that name file, line and column."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError, model_validator

from sniffer.capture.settings import CaptureSettings
from sniffer.detect.settings import DetectSettings
from sniffer.errors import ConfigError, LocatedError
from sniffer.identify.settings import IdentifySettings
from sniffer.judge.settings import JudgeSettings
from sniffer.model import DeviceSettings, Secret, Section
from sniffer.sinks.settings import SinkSettings, StoreSettings
from sniffer.wake.settings import WakeSettings
from sniffer.web.settings import HttpSettings

Model = TypeVar("Model", bound=BaseModel)

#: A configuration is written by a person: more than this is not one.
MAX_CONFIG_BYTES = 1 << 20
MAX_SECRET_BYTES = 4096


class Config(Section):
    """Everything that can be set; every key has a default, so an empty file is a valid configuration."""

    capture: CaptureSettings = CaptureSettings()
    devices: tuple[DeviceSettings, ...] = ()
    identify: IdentifySettings = IdentifySettings()
    detect: DetectSettings = DetectSettings()
    wake: WakeSettings = WakeSettings()
    judge: JudgeSettings = JudgeSettings()
    sinks: SinkSettings = SinkSettings()
    store: StoreSettings = StoreSettings()
    http: HttpSettings = HttpSettings()

    @model_validator(mode="after")
    def _unique_devices(self) -> Config:
        for what, values in (("mac", [d.key for d in self.devices]), ("name", [d.name for d in self.devices])):
            if len(set(values)) != len(values):
                raise ValueError(f"two devices have the same {what}")
        return self


def load_config(path: Path) -> Config:
    """Read and check one configuration file. Raises ConfigError."""
    return parse_config(read_text(path), path)


def parse_config(text: str, file: str | Path) -> Config:
    """Check a configuration that was read from `file`. Raises ConfigError."""
    return parse_yaml(text, file, Config, ConfigError)


def read_text(path: Path) -> str:
    """The text of a file a person wrote. Raises ConfigError."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=path) from None
    if len(data) > MAX_CONFIG_BYTES:
        raise ConfigError(f"is over {MAX_CONFIG_BYTES} bytes: that is no configuration", file=path)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"is not UTF-8 text (byte {error.start})", file=path) from None


def read_secret(secret: Secret) -> str:
    """The secret itself, without surrounding white space. Raises ConfigError; the message never shows it."""
    if secret.env is not None:
        value = os.environ.get(secret.env, "").strip()
        if not value:
            raise ConfigError(f"the environment variable {secret.env} is empty or not set")
        return value
    assert secret.file is not None
    try:
        with secret.file.open("rb") as stream:
            value = stream.read(MAX_SECRET_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"the secret cannot be read: {reason}", file=secret.file) from None
    if not value:
        raise ConfigError("the secret is empty", file=secret.file)
    return value


# --- YAML with places ----------------------------------------------------------------------------------------------


def load_yaml(text: str, file: str | Path, error: type[LocatedError]) -> tuple[Any, yaml.Node | None]:
    """A YAML document as plain values, and its node tree for places. Aliases and duplicate keys are refused:
    nobody needs them here, and they are how a small file grows large or says two things at once.

    Raises `error` with file, line and column.
    """
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise _at(error, "aliases (*name) are not supported", file, event.start_mark)
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None, None
            _refuse_duplicates(node, file, error)
            return loader.construct_document(node), node
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as problem:
        raise _at(error, problem.problem or "not YAML", file, problem.problem_mark) from None
    except (yaml.YAMLError, ValueError) as problem:
        raise error(f"not YAML: {' '.join(str(problem).split())}", file=file) from None
    except RecursionError:
        raise error("nested too deeply", file=file) from None


def parse_yaml(text: str, file: str | Path, model: type[Model], error: type[LocatedError]) -> Model:
    """A YAML document as a checked `model`. Raises `error` with file, line and column."""
    value, node = load_yaml(text, file, error)
    try:
        return model.model_validate({} if value is None else value)
    except ValidationError as problems:
        first = problems.errors(include_url=False)[0]
        location = tuple(first["loc"])
        mark = _mark(node, location, key=first["type"] == "extra_forbidden")
        raise _at(error, _sentence(first, location, model), file, mark) from None


def _at(error: type[LocatedError], message: str, file: str | Path, mark: Any) -> LocatedError:
    if mark is None:
        return error(message, file=file)
    return error(message, file=file, line=mark.line + 1, column=mark.column + 1)


def _refuse_duplicates(node: yaml.Node, file: str | Path, error: type[LocatedError]) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _at(error, "a key must be plain text", file, key.start_mark)
            if key.value in seen:
                raise _at(error, f"the key '{key.value}' is given twice", file, key.start_mark)
            seen.add(key.value)
            _refuse_duplicates(value, file, error)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_duplicates(item, file, error)


def _mark(node: yaml.Node | None, location: Sequence[str | int], *, key: bool) -> Any:
    """Where in the file a validation error points: as deep along `location` as the file goes."""
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


def _sentence(problem: Any, location: Sequence[str | int], model: type[BaseModel]) -> str:
    path = ".".join(str(part) for part in location)
    if problem["type"] == "extra_forbidden":
        known = _known_keys(model, location[:-1])
        close = difflib.get_close_matches(str(location[-1]), known, n=1)
        hint = (
            f"; did you mean '{close[0]}'?" if close else (f"; known here: {', '.join(sorted(known))}" if known else "")
        )
        return f"unknown key '{location[-1]}'{hint}"
    if problem["type"] == "missing":
        return f"the key '{location[-1]}' is missing" + (
            f" in {'.'.join(map(str, location[:-1]))}" if location[:-1] else ""
        )
    message = problem["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    return f"{path}: {message}" if path else message


def _known_keys(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """The keys allowed at `location`: of every model that its field may hold."""
    models = [model]
    for part in location:
        if isinstance(part, int):
            continue
        inner = [
            m for owner in models if part in owner.model_fields for m in _models_in(owner.model_fields[part].annotation)
        ]
        if inner:
            models = inner
    return [name for owner in models for name in owner.model_fields]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for argument in get_args(annotation) for found in _models_in(argument)]
