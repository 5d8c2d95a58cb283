"""What can be set about capturing."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

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
    user: Annotated[str, Field(min_length=1, max_length=64)] | None = None

    @field_validator("interface")
    @classmethod
    def _names(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        names = (value,) if isinstance(value, str) else value
        for name in names:
            if not 0 < len(name.encode(errors="replace")) < 16 or "/" in name or not name.isprintable() or " " in name:
                raise ValueError(f"{name!r} is no name of an interface (`ip link` lists them), nor `auto`")
        if len(set(names)) < len(names):
            raise ValueError("an interface is given twice")
        return value
