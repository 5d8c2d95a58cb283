"""Rows out of JSON that may be larger than memory should hold: an array, objects with an array in them, JSON Lines."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, Protocol

#: Bytes that are read at a time.
_CHUNK = 1 << 20
#: The longest row, in characters. A longer object is taken for what holds the rows, and its array is read row by row.
MAX_OBJECT = 4 << 20
_DECODER = json.JSONDecoder()


class Readable(Protocol):
    """What is read of a file."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, none at the end."""
        ...


class NotJsonError(ValueError):
    """The text is no JSON, or ends in the middle of an object. Complete rows came before."""


def rows(stream: Readable, arrays: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON text, one at a time; memory is bounded by the longest.

    An object that holds one of the `arrays` (by key) gives the objects in it instead of itself: exports are pages of
    such objects, in one array, one after the other, or one a line. Raises NotJsonError where the text stops being JSON.
    """
    opening = re.compile(f'"(?:{"|".join(map(re.escape, arrays))})"\\s*:\\s*\\[') if arrays else None
    decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
    buffer, place, ended = "", 0, False
    while True:
        start = buffer.find("{", place)
        if start < 0:
            if ended:
                return
            buffer, place = "", 0
        else:
            held = opening.search(buffer, start, start + 4096) if opening else None
            if held and "{" not in buffer[start + 1 : held.start()]:
                place = held.end()
                continue
            try:
                value, place = _DECODER.raw_decode(buffer, start)
                yield from _inside(value, arrays)
                continue
            except RecursionError:
                raise NotJsonError("it is nested too deeply") from None
            except ValueError:
                if ended or len(buffer) - start > MAX_OBJECT:
                    raise NotJsonError("it stops being JSON, as a download that broke off does") from None
            buffer, place = buffer[start:], 0
        chunk = stream.read(_CHUNK)
        ended = not chunk
        buffer += decoder.decode(chunk, ended)


def _inside(value: dict[str, Any], arrays: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    held = [value[key] for key in arrays if isinstance(value.get(key), list)]
    if not held:
        yield value
    for items in held:
        yield from (item for item in items if isinstance(item, dict))
