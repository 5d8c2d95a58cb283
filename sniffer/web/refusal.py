"""A request that is answered with a page that says why not."""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818 - it is an answer, not a mistake of ours
    """`status` is the HTTP status, `key` the text of the page."""

    def __init__(self, status: int, key: str) -> None:
        super().__init__(key)
        self.status, self.key = status, key
