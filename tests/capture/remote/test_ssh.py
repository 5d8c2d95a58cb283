"""`tcpdump` over a real sshd: keys, host keys, breaks, filters, clocks; and what is said where it does not work."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sniffer.capture.remote.source import RemoteSource
from sniffer.capture.remote.ssh import SshFeed, explain
from sniffer.capture.source_settings import SshSource
from sniffer.model.clock import SECOND
from tests.capture import net
from tests.capture.remote.router import OTHER, SPEAKER, Router, Seen, Traffic, number, router, why_not

REASON = net.why_not() or why_not()
real = [pytest.mark.root, pytest.mark.slow, pytest.mark.skipif(REASON is not None, reason=str(REASON))]


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Router]:
    with net.namespace(pair=("lan0", "far0")), router(tmp_path) as it:
        yield it


def source(settings: SshSource, *keys: int) -> RemoteSource:
    made = RemoteSource(SshFeed(settings))
    made.watch(keys)
    return made


@pytest.mark.parametrize("mark", [pytest.param(None, marks=real)])
def test_packets_of_a_speaker_arrive_with_their_times(there: Router, mark: None) -> None:
    s = source(there.settings(), number(SPEAKER))
    try:
        with Traffic("far0"), Traffic("far0", mac=OTHER):
            seen = Seen().take(s, lambda seen: len(seen.numbers) > 50)
    finally:
        s.close()
    assert seen.numbers == list(range(seen.numbers[0], seen.numbers[0] + len(seen.numbers))), "none lost, none twice"
    assert seen.macs == {number(SPEAKER)}, "the router filters"
    assert abs(seen.times[-1] - time.time_ns()) < 5 * SECOND
    assert s.up() == {"router": False}


@pytest.mark.parametrize("mark", [pytest.param(None, marks=real)])
def test_the_filter_is_exchanged_while_packets_flow_and_none_is_lost_or_twice(there: Router, mark: None) -> None:
    s = source(there.settings(), number(SPEAKER))
    try:
        with Traffic("far0", interval=0.005), Traffic("far0", mac=OTHER):
            seen = Seen().take(s, lambda seen: len(seen.numbers) > 50)
            assert seen.macs == {number(SPEAKER)}
            for keys in ([SPEAKER, "02:00:00:00:00:99"], [SPEAKER, "02:00:00:00:00:98"]):
                count, feed = len(seen.numbers), s._active
                s.watch([number(mac) for mac in keys])
                seen.take(s, lambda seen: s._active is not feed)  # noqa: B023
                seen.take(s, lambda seen: len(seen.numbers) > count + 100)  # noqa: B023
    finally:
        s.close()
    assert seen.numbers == list(range(seen.numbers[0], seen.numbers[0] + len(seen.numbers)))
    assert [loss for loss in seen.losses if loss.start_ns > seen.times[0]] == []


@pytest.mark.parametrize("mark", [pytest.param(None, marks=real)])
def test_a_router_that_loses_power_is_found_again_and_every_packet_that_is_missing_lies_in_a_loss(
    there: Router, mark: None
) -> None:
    s = source(there.settings(), number(SPEAKER))
    try:
        with Traffic("far0", interval=0.01) as traffic:
            sent_at: dict[int, int] = {}
            seen = Seen().take(s, lambda seen: len(seen.numbers) > 50)
            there.stop()
            seen.take(s, lambda seen: any("connecting again" in line for line in seen.events))
            there.start()
            before = len(seen.numbers)
            seen.take(s, lambda seen: len(seen.numbers) > before + 50, seconds=60)
            del sent_at, traffic
    finally:
        s.close()
    assert any("packets arrive, after" in line for line in seen.events)
    for one, after in zip(range(len(seen.numbers)), range(1, len(seen.numbers)), strict=False):
        if seen.numbers[after] != seen.numbers[one] + 1:
            start, end = seen.times[one], seen.times[after]
            inside = [loss for loss in seen.losses if loss.start_ns < end and loss.end_ns > start]
            assert min(loss.start_ns for loss in inside) <= start
            assert max(loss.end_ns for loss in inside) >= end - SECOND // 10
    assert len(set(seen.numbers)) == len(seen.numbers)


@pytest.mark.parametrize("mark", [pytest.param(None, marks=real)])
def test_a_clock_that_is_off_by_a_minute_is_corrected(there: Router, mark: None) -> None:
    s = source(there.settings(command=str(there.shifted_tcpdump(60))), number(SPEAKER))
    try:
        with Traffic("far0"):
            seen = Seen().take(s, lambda seen: len(seen.numbers) > 50)
    finally:
        s.close()
    assert abs(seen.times[-1] - time.time_ns()) < 5 * SECOND
    assert any("s ahead of ours" in line for line in seen.events)
    assert -61.5 < (s.health()["router"].clock_offset_seconds or 0) < -58


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"interface": "nosuch0"}, "there is no interface 'nosuch0'", marks=real),
        pytest.param({"command": "/no/tcpdump"}, "`/no/tcpdump` is not there", marks=real),
        pytest.param({"port": 2223}, "nothing listens on port 2223", marks=real),
        pytest.param({"key": "stranger"}, "it does not accept the key", marks=real),
        pytest.param({"known_hosts": "wrong"}, "its host key", marks=real),
        pytest.param({"known_hosts": "empty"}, "its host key is not known: `ssh-keyscan", marks=real),
    ],
)
def test_what_does_not_work_is_said_with_its_remedy(there: Router, changes: dict[str, object], words: str) -> None:
    public = (there.folder / "other_host.pub").read_text().split()
    (there.folder / "wrong").write_text(f"[127.0.0.1]:{there.port} {public[0]} {public[1]}\n")
    (there.folder / "empty").touch()
    for name in ("key", "known_hosts"):
        if name in changes:
            changes = {**changes, name: there.folder / str(changes[name])}
    s = source(there.settings(**changes))
    try:
        seen = Seen().take(s, lambda seen: bool(seen.events))
    finally:
        s.close()
    assert words in seen.events[0]


def test_the_command_is_read_alike_by_every_shell() -> None:
    settings = SshSource(type="ssh", host="192.168.1.1", sudo=True, interface="igb1", user="admin")
    command = SshFeed(settings).remote_command(frozenset({number(SPEAKER)}))
    assert command.startswith("sudo -n tcpdump -i igb1 -n -U -s 1600 -w - 'not (tcp port 22) and (ether host 02:00:")
    inside = command.split("'")[1]
    assert command.count("'") == 2 and not set(inside) & set('!$`\\"')
    words = SshFeed(settings).command_line(None)
    assert words[words.index("--") + 1] == "192.168.1.1" and "StrictHostKeyChecking=yes" in words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("sudo: a password is required", "NOPASSWD"),
        ("tcpdump: br-lan: You don't have permission to capture on that device", "set `sudo: true`"),
        ("ash: tcpdump: not found", "opkg install tcpdump-mini"),
        ("tcpdump: listening on br-lan, link-type EN10MB\n12 packets captured", ""),
        ("something new \x1b[31m", "something new ?[31m"),
    ],
)
def test_complaints_are_put_into_words(said: str, words: str) -> None:
    found = explain(said, SshSource(type="ssh", host="h"))
    assert words in found if words else not found
