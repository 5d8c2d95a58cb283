"""What can be set about where records go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from sniffer.model import Section


class StoreSettings(Section):
    """The embedded store (SQLite)."""

    path: Path = Path("sniffer.db")
    max_bytes: Annotated[int, Field(ge=1 << 20)] = 256 << 20


class SinkSettings(Section):
    """Where records go beside the store."""
