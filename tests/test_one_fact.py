"""A fact of the wire stands in one place of the package, and everything that needs it is made from there."""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from sniffer.model import LOCAL_NETWORKS, MIX, address_key, address_keys, is_local_address, local_addresses
from sniffer.model.protocols import IDENTITY

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sniffer"

#: What a module may not define anew: the names, and the one module that defines them.
HOME = {
    "clock": r"_?SECOND(_NS)?|NS_PER_SECOND",
    "protocols": r"_?(TCP_)?(SYN|ACK|FIN|RST|PSH)|_?TLS_HEADER(_BYTES)?|_?(ETH|ETHER|ETHERTYPE)_(IPV4|IPV6|ARP)"
    r"|_?(IPV4|IPV6|ARP)|_?VLAN_TAGS|_?(UDP|TCP)(_IDENTITY)?_PORTS|_?QUIC_(V2|VERSIONS|PORT)|_?PORT_(DNS|QUIC|MDNS|SSDP)",
    "addresses": r"_?LOCAL_(NETWORKS|IPV4|IPV6|V4|V6)|_?V4_MAPPED",
    "facts": r"_?(FACT_KINDS|NAME_KINDS|OWN_FACTS|IDENTITY_FACTS)",
}
#: Numbers that only the home of a fact spells out: multipliers of the hash for keys, private networks, the group bit.
NUMBERS = {*MIX, 0x0A000000, 0xAC100000, 0xC0A80000, 0xA9FE0000, 0x64400000, 0x9200, 0x86DD, 0x88A8}


@functools.cache
def modules() -> Sequence[tuple[Path, ast.Module]]:
    return [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in sorted(PACKAGE.rglob("*.py"))]


@functools.cache
def constants() -> Sequence[tuple[Path, frozenset[str]]]:
    """The names in capitals that each module defines."""
    return [(path, frozenset(assigned(tree))) for path, tree in modules()]


def assigned(tree: ast.Module) -> Iterator[str]:
    """The names that a module or a class in it gives a value."""
    for node in ast.walk(tree):
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        for target in targets:
            for name in ast.walk(target):
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store) and name.id.lstrip("_").isupper():
                    yield name.id


@pytest.mark.parametrize("home", HOME)
def test_a_name_of_a_fact_is_defined_in_its_home_only(home: str) -> None:
    pattern = re.compile(HOME[home])
    owners = {path.stem for path, names in constants() if any(pattern.fullmatch(name) for name in names)}
    assert owners == {home}


def test_a_number_of_a_fact_is_spelled_out_in_its_home_only() -> None:
    found = {
        (path.relative_to(PACKAGE).as_posix(), hex(node.value))
        for path, tree in modules()
        if path.relative_to(PACKAGE).parts[0] not in ("testing", "evaluation")  # they write frames, and read others'
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, int) and node.value in NUMBERS
    }
    assert {file for file, _ in found} == {"model/addresses.py", "model/protocols.py"}, found


def test_the_c_files_spell_out_no_fact_that_the_header_has() -> None:
    source = (PACKAGE / "decode" / "_native.c").read_text(encoding="utf-8")
    code = re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL)
    for text in ("0x8100", "0x9200", "0x86DD", "5353", "546", "0xC0A80000", "0x1603", f"{MIX[0]:#x}"):
        assert text.lower() not in code.lower()


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_c_header", ROOT / "tools" / "make_c_header.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_header_of_the_compiled_piece_is_current() -> None:
    written = (PACKAGE / "decode" / "_protocols.h").read_text(encoding="utf-8")
    assert tool().render() == written, "run tools/make_c_header.py"


def test_each_identity_protocol_is_known_by_one_thing() -> None:
    for protocol in IDENTITY:
        assert bool(protocol.ether_type) + bool(protocol.ports) + bool(protocol.fields) == 1
    assert len({protocol.name for protocol in IDENTITY}) == len(IDENTITY)


def test_keys_and_local_networks_are_the_same_in_columns_and_one_by_one() -> None:
    import ipaddress

    import numpy as np

    from sniffer.model import address_pair

    texts = ["10.1.2.3", "172.31.0.1", "172.32.0.1", "192.168.1.1", "169.254.7.7", "100.100.1.1", "8.8.8.8"]
    texts += ["fe80::1", "fd00::5", "2001:db8::1", "fec0::1"]
    pairs = [address_pair(text) for text in texts]
    high = np.array([high for high, _ in pairs], dtype=np.uint64)
    low = np.array([low for _, low in pairs], dtype=np.uint64)
    assert address_keys(high, low).tolist() == [address_key(*pair) for pair in pairs]
    inside = [any(ipaddress.ip_address(text) in ipaddress.ip_network(net) for net in LOCAL_NETWORKS) for text in texts]
    assert local_addresses(high, low).tolist() == inside
    assert [is_local_address(*pair) for pair in pairs] == inside
