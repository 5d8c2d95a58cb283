"""Servers as keys of what is learned, and tables of the latest of them."""

from __future__ import annotations

from typing import Any

from sniffer.model import FlowKey, Service

#: Servers that are kept in a table.
MAX_SERVERS = 16


def count(often: dict[str, int], name: str) -> None:
    """Once more; the latest stands last, and the oldest of too many is forgotten."""
    often[name] = min(often.pop(name, 0) + 1, 1_000)
    forget_oldest(often)


def forget_oldest(servers: dict[str, Any]) -> None:
    """Forget what was noted longest ago, where there are too many."""
    while len(servers) > MAX_SERVERS:
        del servers[next(iter(servers))]


def server_of(service: Service, flow: FlowKey) -> str:
    """Return the server of a flow as a key: its name where that is known, as addresses change."""
    return f"{service.host}:{flow.dst_port}" if service.host else address_of(flow)


def address_of(flow: FlowKey) -> str:
    """Return the server of a flow by its address, where no name is known."""
    return f"{flow.dst[0]:x}.{flow.dst[1]:x}:{flow.dst_port}"
