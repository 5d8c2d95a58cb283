"""What hides packets: asked of the kernel, of nftables, and beside ethtool."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from sniffer.diagnostics import offload
from sniffer.diagnostics.offload import Flowtable, features, findings, merging, parse_flowtables, shortcuts
from tests.capture.net import namespace, why_not

REASON = why_not()
ETHTOOL = shutil.which("ethtool") or shutil.which("ethtool", path="/usr/sbin:/sbin")


@pytest.mark.root
@pytest.mark.skipif(REASON is not None, reason=str(REASON))
@pytest.mark.skipif(ETHTOOL is None, reason="ethtool is not installed")
def test_our_reading_of_the_features_is_ethtools() -> None:
    with namespace():
        assert ETHTOOL is not None
        for state in ("on", "off"):
            subprocess.run([ETHTOOL, "-K", "lan0", "gro", state], check=True, capture_output=True)
            assert ("gro" in merging("lan0")) is (state == "on")
            assert any("lan0 merges" in finding.what for finding in findings(["lan0"])) is (state == "on")
        ours = features("lan0")
        lines = subprocess.run([ETHTOOL, "-k", "lan0"], check=True, capture_output=True, text=True).stdout.splitlines()
        theirs = {line.split(":")[0].strip(): line.split(":")[1].split()[0] == "on" for line in lines[1:]}
        shared = set(ours) & set(theirs)
        assert len(shared) > 20
        assert {name: ours[name] for name in shared} == {name: theirs[name] for name in shared}


def test_an_interface_that_is_not_there_has_no_features() -> None:
    assert features("nosuch0") == {}
    assert features("a-name-that-is-far-too-long") == {}


#: As `nft -j list flowtables` of nftables 1.0.6 prints them.
NFT = {
    "nftables": [
        {"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}},
        {
            "flowtable": {
                "family": "inet",
                "name": "ft",
                "table": "fw4",
                "handle": 3,
                "hook": "ingress",
                "prio": 0,
                "dev": ["lan1", "wan"],
                "flags": ["offload"],
            }
        },
        {"flowtable": {"family": "inet", "name": "soft", "table": "x", "hook": "ingress", "prio": 0, "dev": "eth1"}},
    ]
}


def test_flow_tables_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = parse_flowtables(json.dumps(NFT).encode())
    assert tables == (Flowtable("ft", ("lan1", "wan"), hardware=True), Flowtable("soft", ("eth1",), hardware=False))
    monkeypatch.setattr(offload, "flowtables", lambda: tables)
    monkeypatch.setattr(offload, "shortcuts", lambda: ("mtkhnat",))
    found = list(findings([]))
    assert [finding.hides for finding in found] == [True, True, True]
    assert "hardware" in found[0].what
    assert "capture on its devices (eth1)" in found[1].remedy


@pytest.mark.parametrize("output", [b"", b"{", b"[]", b'{"nftables": 3}', b'{"nftables": [{"flowtable": 1}]}'])
def test_an_answer_that_is_none_is_not_believed(output: bytes) -> None:
    assert parse_flowtables(output) is None


def test_modules_that_carry_connections_past_are_found(tmp_path: Path) -> None:
    (tmp_path / "shortcut_fe").mkdir()
    assert shortcuts(tmp_path) == ("shortcut_fe",)
    assert shortcuts(tmp_path / "absent") == ()
