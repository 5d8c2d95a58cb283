"""What can be set about identification."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sniffer.settings.base import Section


class IdentifySettings(Section):
    """`confidence` is what a recognised device needs before it is watched; `max_hosts` bounds the memory, and
    `max_recognised` how many recognised devices are watched that the configuration does not name."""

    confidence: Annotated[float, Field(ge=0.5, le=1)] = 0.8
    max_hosts: Annotated[int, Field(ge=16, le=1_000_000)] = 2048
    max_recognised: Annotated[int, Field(ge=1, le=256)] = 128
    max_names: Annotated[int, Field(ge=256, le=1_000_000)] = 20_000
