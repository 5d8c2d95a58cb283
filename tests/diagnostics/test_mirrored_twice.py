"""A capture in which each packet stands twice, as a mirror port delivers it, is judged like the plain one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sniffer.testing import pcap_bytes
from tests.captures.make import MAC
from tests.cli.test_analyze import Call, call
from tests.cli.test_unreadable import frames

__all__ = ["call"]


@pytest.mark.parametrize("apart_ns", [0, 12_000, 2_000_000, 15_000_000])
def test_each_packet_twice_is_the_same_speech(call: Call, tmp_path: Path, apart_ns: int) -> None:
    plain = frames()
    twice = [frame for one in plain for frame in (one, one._replace(time_ns=one.time_ns + apart_ns))]
    found = []
    for name, wanted in (("plain.pcap", plain), ("twice.pcap", sorted(twice, key=lambda frame: frame.time_ns))):
        path = tmp_path / name
        path.write_bytes(pcap_bytes(wanted))
        status, out, _ = call("analyze", path, "--device", f"{MAC}=kitchen", "--format", "jsonl")
        assert status == 0
        uploads = [json.loads(line) for line in out.splitlines() if '"event_type": "upload"' in line]
        found.append([(u["upload"]["class"], u["upload"]["bytes"]) for u in uploads])
    assert [upload_class for upload_class, _ in found[0]] == ["speech", "speech"]
    # The copy of the first segment of a connection that was not seen to open may count.
    assert [upload_class for upload_class, _ in found[1]] == ["speech", "speech"]
    assert all(abs(two - one) <= 1_500 for (_, two), (_, one) in zip(found[1], found[0], strict=True))
