"""What can be set about capturing."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sniffer.model import Section


class CaptureSettings(Section):
    """`interface` is a name, several, or `auto`: the LAN side of this machine."""

    interface: str | tuple[str, ...] = "auto"
    snap_length: Annotated[int, Field(ge=96, le=65535, description="bytes kept of each packet of a watched device")] = (
        192
    )
    drain_interval: Annotated[float, Field(ge=0.01, le=1, description="seconds between two readings of the socket")] = (
        0.08
    )
    promiscuous: bool = True
