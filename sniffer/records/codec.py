"""Frozen dataclasses to JSON values and back, by their type hints."""

from __future__ import annotations

import functools
from collections.abc import Hashable
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from sniffer.errors import RecordError

Made = TypeVar("Made")


def adapter(kind: type[Any]) -> TypeAdapter[Any]:
    """Return the validator and serialiser of a dataclass; it is built at its first use."""
    return _adapter(cast(Hashable, kind))


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def to_json(value: Any) -> dict[str, Any]:
    """Return the JSON object of a dataclass instance."""
    found: dict[str, Any] = adapter(type(value)).dump_python(value, mode="json", by_alias=True)
    return found


def from_json(kind: type[Made], value: object) -> Made:
    """Return the dataclass instance of a JSON object. Fields that it does not know are left out.

    Raises RecordError, whose message names the first field that is missing or wrong.
    """
    try:
        made: Made = adapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "record"
        raise RecordError(f"{where}: {first['msg'].lower()}") from None
    return made
