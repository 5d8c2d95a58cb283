"""What can be set about capturing."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sniffer.settings.base import Section


class CaptureSettings(Section):
    """`interface` is a name, several, or `auto`: the LAN side of this machine.

    Packets from a watched device are kept whole (names and record lengths are in them), as are the identity protocols.
    `user` is whom root becomes once the interface is open; by default whoever called sudo, else nobody changes.
    """

    interface: str | Annotated[tuple[str, ...], Field(min_length=1)] = "auto"
    snap_length: Annotated[int, Field(ge=96, le=65535, description="bytes kept of each packet to a watched device")] = (
        192
    )
    drain_interval: Annotated[float, Field(ge=0.01, le=1, description="seconds between two readings of the socket")] = (
        0.08
    )
    buffer_bytes: Annotated[
        int, Field(ge=1 << 18, le=1 << 30, description="memory that the kernel writes packets to")
    ] = 8 << 20
    promiscuous: bool = True
    user: str | None = None
