"""The address of a satellite, as configured: `192.168.1.50`, `192.168.1.51:6053` or `tcp://192.168.1.50:10700`."""

from __future__ import annotations

#: The port on which Wyoming satellites wait, if none is given.
WYOMING_PORT = 10700


def parse_address(address: str) -> tuple[str, int, bool]:
    """Return host, port, and whether Wyoming is spoken there. Raises ValueError."""
    wyoming = address.startswith("tcp://")
    rest = address.removeprefix("tcp://").strip()
    host, colon, port = rest.rpartition(":")
    if not colon or "]" in port or (":" in host.strip("[]") and not host.startswith("[")):
        host, port, wyoming = rest, str(WYOMING_PORT), True
    host = host.strip("[]")
    number = int(port) if port.isascii() and port.isdigit() else 0
    if not 0 < number < 65536 or not host:
        raise ValueError(f"{address!r} is no address, such as 192.168.1.50 or 192.168.1.51:6053")
    return host, number, wyoming or number == WYOMING_PORT
