"""What netlink says is what `ip` says."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from sniffer.capture.live.netlink import links
from tests.capture.net import add_pair, ip, namespace, why_not

REASON = why_not()


def told(*arguments: str) -> list[dict[str, Any]]:
    run = subprocess.run(["ip", "-j", *arguments], check=True, capture_output=True, text=True)
    found: list[dict[str, Any]] = json.loads(run.stdout or "[]")
    return found


@pytest.mark.root
@pytest.mark.skipif(REASON is not None, reason=str(REASON))
def test_links_addresses_neighbours_and_routes() -> None:
    with namespace(pair=("wan0", "isp0")):
        add_pair("port1", "host1")
        ip("link", "add", "br-lan", "type", "bridge")
        ip("link", "set", "port1", "master", "br-lan")
        ip("link", "set", "host1", "down")
        ip("address", "add", "192.168.7.1/24", "dev", "br-lan")
        ip("address", "add", "203.0.113.2/24", "dev", "wan0")
        ip("route", "add", "default", "via", "203.0.113.1", "dev", "wan0", "metric", "50")
        ip("link", "set", "br-lan", "up")
        ip("route", "add", "default", "via", "192.168.7.9", "dev", "br-lan", "metric", "60")
        ip("neigh", "add", "192.168.7.2", "lladdr", "02:00:00:00:00:02", "dev", "br-lan")
        found = {link.name: link for link in links()}
        theirs = told("-d", "address")
        assert {one["ifname"] for one in theirs} == set(found)
        for one in theirs:
            link = found[one["ifname"]]
            assert link.index == one["ifindex"]
            assert link.up == ("UP" in one["flags"])
            assert link.mac.hex(":") == one["address"]
            assert link.kind == one.get("linkinfo", {}).get("info_kind")
            assert {str(address) for address in link.addresses} == {a["local"] for a in one["addr_info"]}
            assert (link.master and next(o.name for o in found.values() if o.index == link.master)) == one.get("master")
        assert {str(a): mac.hex(":") for a, mac in found["br-lan"].neighbours.items()} == {
            one["dst"]: one["lladdr"] for one in told("neigh", "show", "dev", "br-lan")
        }
        assert [link.name for link in found.values() if link.default_route] == ["wan0"], "the better metric"


def test_it_needs_no_privilege_and_knows_loopback() -> None:
    (loopback,) = (link for link in links() if link.name == "lo")
    assert loopback.hardware == 772
    assert loopback.kind is None
