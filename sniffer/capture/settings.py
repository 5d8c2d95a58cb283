"""What can be set about capturing."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from sniffer.capture.source_settings import AnyPacketSource, InterfaceName, InterfaceSource
from sniffer.settings.base import Section


class CaptureSettings(Section):
    """`interface` is a name, several, or `auto`: the LAN side of this machine. It is the short form of `sources` with
    entries of `type: interface`; where packets come from elsewhere, `sources` says from where.

    Packets from a watched device are kept whole (names and record lengths are in them), as are the identity protocols.
    `user` is whom root becomes once the interface is open; by default whoever called sudo, else nobody changes.
    """

    interface: InterfaceName | Annotated[tuple[InterfaceName, ...], Field(min_length=1)] = "auto"
    sources: tuple[AnyPacketSource, ...] = ()
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
        if not isinstance(value, str) and len(set(value)) < len(value):
            raise ValueError("an interface is given twice")
        return value

    @model_validator(mode="after")
    def _one_form(self) -> CaptureSettings:
        if self.sources and self.interface != "auto":
            raise ValueError("give either `interface` or `sources`: an interface is a source of `type: interface`")
        labels = [source.label for source in self.sources]
        for label in labels:
            if labels.count(label) > 1:
                raise ValueError(f"two sources are called '{label}': give one of them a `name`, or leave it out")
        return self

    @property
    def interfaces(self) -> tuple[str, ...]:
        """The interfaces of this machine that are captured from, or `auto`."""
        if self.sources:
            return tuple(source.interface for source in self.sources if isinstance(source, InterfaceSource))
        return (self.interface,) if isinstance(self.interface, str) else self.interface
