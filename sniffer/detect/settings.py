"""What can be set about detection."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated

from pydantic import Field, field_validator

from sniffer.model import LOCAL_NETWORKS
from sniffer.settings.base import Section


class DetectSettings(Section):
    """`closing_silence` ends a run: seconds without upload after which it is final."""

    closing_silence: Annotated[float, Field(ge=0.3, le=5)] = 0.9
    local_networks: tuple[str, ...] = LOCAL_NETWORKS
    max_flows: Annotated[int, Field(ge=64, le=1_000_000)] = 2_048

    @field_validator("local_networks")
    @classmethod
    def _networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            try:
                ip_network(network)
            except ValueError as error:
                raise ValueError(f"{error}; a network is written like 192.168.1.0/24") from None
        return networks
