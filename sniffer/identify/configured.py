"""Devices that the configuration names, by MAC address or by IP address."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from sniffer.model import KEY_FROM_ADDRESS, address_key, key_text, mac_text
from sniffer.settings.base import DeviceSettings

#: Hexadecimal digits in which a MAC address that was written may differ from the one that was meant.
MISTYPED_DIGITS = 2


@dataclass(frozen=True, slots=True)
class Unseen:
    """A configured device that sent nothing, and the MAC address of a host that is nearly the one written."""

    key: int
    name: str
    nearest: str | None

    def __str__(self) -> str:
        meant = f" ({self.nearest} was: is that the address you meant?)" if self.nearest else ""
        return f"{self.name}, {key_text(self.key)}, was never seen{meant}"


class Configured:
    """The settings of devices by the key of their host. One that is named by IP address takes the key of the host that
    uses the address, as soon as that is known."""

    def __init__(self, devices: Sequence[DeviceSettings]) -> None:
        self._devices = {device.key: device for device in devices}
        self._by_address = {key: device for key, device in self._devices.items() if key & KEY_FROM_ADDRESS}

    def __contains__(self, key: int) -> bool:
        return key in self._devices

    def __iter__(self) -> Iterator[int]:
        return iter(self._devices)

    def get(self, key: int) -> DeviceSettings | None:
        """The settings of a host, if it is configured."""
        return self._devices.get(key)

    def items(self) -> Iterable[tuple[int, DeviceSettings]]:
        """Keys and settings."""
        return self._devices.items()

    def names_address(self, address: tuple[int, int]) -> bool:
        """Whether a device is named by this address."""
        return bool(self._by_address) and address_key(*address) in self._by_address

    def bind(self, key: int, address: tuple[int, int]) -> bool:
        """A host uses an address. Return whether a device that is named by the address is this host from now on."""
        made = address_key(*address)
        device = self._by_address.get(made)
        if device is None or key in self._devices:
            return False
        self._devices = {known: other for known, other in self._devices.items() if other is not device}
        self._devices[key] = device
        return True

    def release(self, key: int) -> None:
        """The host is several: devices that are named by an address are known by it again."""
        for made, device in self._by_address.items():
            if self._devices.get(key) is device:
                del self._devices[key]
                self._devices[made] = device

    def unseen(self, seen: Collection[int]) -> list[Unseen]:
        """The devices that are to be watched and are not among these hosts."""
        return [
            Unseen(key, device.name, _nearest(key, seen))
            for key, device in self._devices.items()
            if device.watch and key not in seen
        ]


def _nearest(key: int, seen: Collection[int]) -> str | None:
    """The MAC address among these that differs in the fewest digits, if they are few."""
    if key & KEY_FROM_ADDRESS:
        return None
    apart = {other: _digits_apart(key, other) for other in seen if not other & KEY_FROM_ADDRESS}
    best = min(apart, key=lambda other: (apart[other], other), default=None)
    return mac_text(best) if best is not None and apart[best] <= MISTYPED_DIGITS else None


def _digits_apart(one: int, other: int) -> int:
    return sum(a != b for a, b in zip(f"{one:012x}", f"{other:012x}", strict=True))
