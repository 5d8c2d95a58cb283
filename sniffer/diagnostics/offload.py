"""What hides packets from a capture on this machine, or changes them on their way.

Receive offload merges segments before we see them: bytes and times stay right, sizes do not. Flow offload, in software
or in the switch chip, takes whole connections past the bridge: their bytes are not seen at all.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SIOCETHTOOL = 0x8946
_ETHTOOL_GSTRINGS, _ETHTOOL_GSSET_INFO, _ETHTOOL_GFEATURES = 0x1B, 0x37, 0x3A
_SET_FEATURES, _STRING_LENGTH = 4, 32
_MAX_FEATURES = 1024

#: Features that merge received segments, as ethtool's -K calls them and as the kernel does.
MERGING = {"rx-gro": "gro", "rx-lro": "lro", "rx-gro-hw": "rx-gro-hw", "rx-udp-gro-forwarding": "rx-udp-gro-forwarding"}
#: Kernel modules that carry connections past the network stack.
SHORTCUT_MODULES = ("shortcut_fe", "shortcut_fe_cm", "fast_classifier", "qca_nss_ecm", "ecm", "mtkhnat", "hnat")


@dataclass(frozen=True, slots=True)
class Flowtable:
    """A connection table of nftables: what is in it passes by on these devices."""

    name: str
    devices: tuple[str, ...]
    hardware: bool


def features(interface: str) -> Mapping[str, bool]:
    """Which features of the device are on; empty where it does not say. Needs no privilege."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as asking:
            answer = _ethtool(asking, interface, struct.pack("=IIQI", _ETHTOOL_GSSET_INFO, 0, 1 << _SET_FEATURES, 0))
            count = min(struct.unpack_from("=I", answer, 16)[0], _MAX_FEATURES)
            question = struct.pack("=III", _ETHTOOL_GSTRINGS, _SET_FEATURES, count) + bytes(_STRING_LENGTH * count)
            names = _ethtool(asking, interface, question)[12:]
            words = (count + 31) // 32
            question = struct.pack("=II", _ETHTOOL_GFEATURES, words) + bytes(16 * words)
            blocks = _ethtool(asking, interface, question)[8:]
    except OSError:
        return {}
    found = {}
    for at in range(count):
        name = names[_STRING_LENGTH * at : _STRING_LENGTH * (at + 1)].split(b"\0", 1)[0].decode(errors="replace")
        active = struct.unpack_from("=I", blocks, 16 * (at // 32) + 8)[0]
        if name:
            found[name] = bool(active >> at % 32 & 1)
    return found


def merging(interface: str) -> tuple[str, ...]:
    """The features that are on and merge what is received, as `ethtool -K` calls them."""
    on = features(interface)
    return tuple(flag for name, flag in MERGING.items() if on.get(name))


def flowtables() -> tuple[Flowtable, ...] | None:
    """The flow tables of nftables; None where it cannot be asked (no nft, or no privilege)."""
    program = shutil.which("nft") or shutil.which("nft", path="/usr/sbin:/sbin")
    if program is None:
        return None
    try:
        run = subprocess.run([program, "-j", "list", "flowtables"], capture_output=True, timeout=5, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_flowtables(run.stdout)


def parse_flowtables(output: bytes) -> tuple[Flowtable, ...] | None:
    """The answer of `nft -j list flowtables`; None where it is not one."""
    try:
        entries = json.loads(output)["nftables"]
        return tuple(_flowtable(entry["flowtable"]) for entry in entries if "flowtable" in entry)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _flowtable(entry: Mapping[str, Any]) -> Flowtable:
    devices = entry.get("dev", ())
    flags = entry.get("flags", ())
    return Flowtable(
        name=str(entry["name"]),
        devices=(devices,) if isinstance(devices, str) else tuple(map(str, devices)),
        hardware="offload" in ((flags,) if isinstance(flags, str) else flags),
    )


def shortcuts(modules: Path = Path("/sys/module")) -> tuple[str, ...]:
    """Loaded kernel modules that are known to carry connections past the network stack."""
    return tuple(name for name in SHORTCUT_MODULES if (modules / name).is_dir())


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that hides or changes packets. `hides` says that bytes are missing, not only merged."""

    what: str
    remedy: str
    hides: bool


def findings(interfaces: Sequence[str]) -> Iterator[Finding]:
    """What is known to hide packets on these interfaces (give a bridge's ports too)."""
    for name in interfaces:
        flags = merging(name)
        if flags:
            off = " ".join(f"{flag} off" for flag in flags)
            yield Finding(
                f"{name} merges what it receives ({', '.join(flags)})",
                f"sizes of single packets are lost, bytes and times are not; `ethtool -K {name} {off}` costs CPU",
                hides=False,
            )
    for table in flowtables() or ():
        where = ", ".join(table.devices) or "no device"
        kind = "the hardware" if table.hardware else "a flow table"
        yield Finding(
            f"{kind} carries connections past the bridge ({table.name} on {where})",
            "turn flow offloading off (OpenWrt: Network > Firewall > Routing/NAT Offloading)"
            + ("" if table.hardware else f", or capture on its devices ({where}) instead of their bridge"),
            hides=True,
        )
    for module in shortcuts():
        yield Finding(
            f"the kernel module {module} carries connections past the network stack",
            "turn hardware or fast-path acceleration off in the router's settings",
            hides=True,
        )


def _ethtool(asking: socket.socket, interface: str, question: bytes) -> bytes:
    """One question to the device; the answer is written over it."""
    buffer = ctypes.create_string_buffer(question, len(question))
    request = struct.pack("@16sP", interface.encode(), ctypes.addressof(buffer)).ljust(40, b"\0")
    fcntl.ioctl(asking, _SIOCETHTOOL, request)
    return buffer.raw
