"""Write `sniffer/decode/_protocols.h` from `sniffer.model.protocols`: run it when that table changes."""

from __future__ import annotations

import sys
from pathlib import Path

from sniffer.model import MIX, PROTO_ICMPV6, PROTO_TCP, PROTO_UDP
from sniffer.model import protocols as p
from sniffer.model.addresses import LOCAL_IPV4, LOCAL_IPV6, V4_MAPPED

HEADER = Path(__file__).parents[1] / "sniffer" / "decode" / "_protocols.h"
_READ = {1: "{at}[{offset}]", 2: "u16({at} + {offset})", 4: "u32({at} + {offset})"}


def render() -> str:
    """Return the text of the header."""
    lines = [
        "/* Written by tools/make_c_header.py from sniffer/model/protocols.py: change it there. */",
        f"enum {{ IPV4 = {p.ETHER_IPV4:#06x}, IPV6 = {p.ETHER_IPV6:#06x}, PPPOE = {p.ETHER_PPPOE:#06x} }};",
        f"enum {{ TCP = {PROTO_TCP}, UDP = {PROTO_UDP}, ICMPV6 = {PROTO_ICMPV6} }};",
        f"enum {{ SYN = {p.TCP_SYN:#04x}, ACK = {p.TCP_ACK:#04x} }};",
        "",
        f"#define V4_MAPPED {V4_MAPPED:#x}ull",
        *(f"#define MIX{number} {value:#018x}ull" for number, value in enumerate(MIX)),
        "",
        f"static inline int is_tag(int type) {{ return {_any('type', p.VLAN_TAGS)}; }}",
        "",
        "static inline int is_local_ipv4(uint32_t address) {",
        "    return "
        + " |\n           ".join(f"((address & {mask:#010x}u) == {network:#010x}u)" for network, mask in LOCAL_IPV4)
        + ";",
        "}",
        "",
        "/* By the upper half of an address. */",
        "static inline int is_local_ipv6(uint64_t high) {",
        "    return " + " || ".join(f"high >> {64 - bits} == {first:#x}" for first, bits in LOCAL_IPV6) + ";",
        "}",
        "",
        "static inline int is_identity_type(int ether_type) {",
        "    return " + _any("ether_type", [q.ether_type for q in p.IDENTITY if not q.proto]) + ";",
        "}",
        "",
        "/* `at` is the transport payload, of which `seen` bytes were captured and `length` bytes were on the wire. */",
        *_content("is_steady_content", sampled=False),
        "/* Those that are read now and then, once the host is known. */",
        *_content("is_sampled_content", sampled=True),
        "",
        "/* A bit for each of the identity protocols that a packet is of, in the order of their table. */",
        *_bits(),
        "",
    ]
    return "\n".join(lines)


def _content(function: str, *, sampled: bool) -> list[str]:
    """Return a function that knows the identity protocols that are sampled, or those that are not."""
    lines = [
        f"static inline int {function}(int proto, int from, int to, const uint8_t *at, int64_t seen, int64_t length) {{",
        "    uint32_t value;",
        "    (void)value, (void)from, (void)to, (void)at, (void)seen, (void)length;",
    ]
    for proto, name in ((PROTO_TCP, "TCP"), (PROTO_UDP, "UDP"), (PROTO_ICMPV6, "ICMPV6")):
        ports, shapes = p.identity_ports(proto, sampled=sampled), p.identity_shapes(proto, sampled=sampled)
        if not ports and not shapes:
            continue
        lines.append(f"    if (proto == {name}) {{")
        if ports:
            lines.append(f"        if ({_any('from', ports)}) return 1;")
            lines.append(f"        if ({_any('to', ports)}) return 1;")
        lines += [f"        if ({_shape(protocol)}) return 1; /* {protocol.name} */" for protocol in shapes]
        lines.append("        return 0;")
        lines.append("    }")
    return [*lines, "    return 0;", "}"]


def _bits() -> list[str]:
    """Return a function that tells the identity protocols of a packet."""
    lines = [
        "static inline uint32_t identity_bits(int ether_type, int version, int proto, int from, int to, const uint8_t *at, "
        "int64_t seen, int64_t length) {",
        "    uint32_t value, bits = 0;",
        "    (void)value;",
    ]
    tests = [(bit, q, f"ether_type == {q.ether_type:#x}") for bit, q in enumerate(p.IDENTITY) if not q.proto]
    lines += [f"    if ({test}) bits |= 1u << {bit}; /* {q.name} */" for bit, q, test in tests]
    lines.append("    if (!version) return bits;")
    for proto, name in ((PROTO_TCP, "TCP"), (PROTO_UDP, "UDP"), (PROTO_ICMPV6, "ICMPV6")):
        lines.append(f"    if (proto == {name}{' && version == 6' if proto == PROTO_ICMPV6 else ''}) {{")
        lines += [
            f"        if ({_of(protocol)}) bits |= 1u << {bit}; /* {protocol.name} */"
            for bit, protocol in enumerate(p.IDENTITY)
            if protocol.proto == proto
        ]
        lines.append("    }")
    return [*lines, "    return bits;", "}"]


def _of(protocol: p.IdentityProtocol) -> str:
    """Return the condition that a packet over the right IP protocol is of an identity protocol."""
    if protocol.fields:
        return _shape(protocol)
    return f"{_any('from', protocol.ports)} || {_any('to', protocol.ports)}"


def _shape(protocol: p.IdentityProtocol) -> str:
    """Return the condition that a payload has the fields of a protocol."""
    tests = [f"seen >= {max(field.end for field in protocol.fields)}"]
    tests += [f"length >= {protocol.least}"] if protocol.least else []
    return " && ".join([*tests, *(_test(field) for field in protocol.fields)])


def _any(name: str, values: object) -> str:
    return " || ".join(f"{name} == {value:#x}" if value > 255 else f"{name} == {value}" for value in values)


def _test(field: p.Field) -> str:
    whole = (1 << 8 * field.width) - 1
    read = _READ[field.width].format(at="at", offset=field.offset)
    read = f"({read} & {field.mask & whole:#x})" if field.mask & whole != whole else read
    ranges = [
        f"value == {low:#x}u" if low == high else f"(value >= {low:#x}u && value <= {high:#x}u)"
        for low, high in field.ranges
    ]
    return f"(value = {read}, {' || '.join(ranges)})"


if __name__ == "__main__":
    HEADER.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"{HEADER}\n")
