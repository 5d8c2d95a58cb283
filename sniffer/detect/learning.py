"""What is usual for one device, learned from its own uploads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Learned:
    """The habits of one device; plain numbers, so that it can be stored."""

    uploads: int = 0

    def chunk_likeness(self, chunk: int) -> float | None:
        """1 where speech of this device came in such pieces before, None where too little is known."""
        return None

    def rate_likeness(self, rate: float) -> float | None:
        """1 where speech of this device came at such a rate before, None where too little is known."""
        return None

    def to_dict(self) -> dict[str, Any]:
        """For the store."""
        return {"uploads": self.uploads}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Learned:
        """What `to_dict` gave."""
        return cls(uploads=int(state.get("uploads", 0)))
