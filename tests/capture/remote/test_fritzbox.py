"""The capture of a FRITZ!Box, from a stand-in that speaks as the documents and real boxes do."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sniffer.capture.files.open import open_capture
from sniffer.capture.remote import fritzbox
from sniffer.capture.remote.fritz_login import read_challenge, response
from sniffer.capture.remote.fritzbox import FritzBoxFeed
from sniffer.capture.remote.source import RemoteSource
from sniffer.capture.source_settings import FritzBoxSource
from sniffer.errors import CaptureError
from tests.capture.remote.box import HEADER, Box, fritz_box, kuznetzov
from tests.capture.remote.router import SPEAKER, Seen, Traffic, number


def feed(box: Box, password: str | None = None, **changes: object) -> FritzBoxFeed:
    values = {"type": "fritzbox", "url": f"http://127.0.0.1:{box.port}", "password": {"env": "X"}, "user": box.user}
    settings = FritzBoxSource.model_validate({**values, **changes})
    return FritzBoxFeed(settings, lambda secret: box.password if password is None else password)


def packets(count: int) -> list[tuple[float, bytes]]:
    traffic, now = Traffic("x"), time.time()
    return [(now - 1 + i / 100, traffic.packet(i)) for i in range(count)]


@pytest.mark.parametrize("modern", [True, False])
def test_packets_of_a_box_arrive(modern: bool) -> None:
    with fritz_box(Box(modern=modern, packets=packets(20))) as box:
        source = RemoteSource(feed(box))
        source.watch([number(SPEAKER)])
        seen = Seen().take(source, lambda seen: len(seen.numbers) == 20)
        assert source.up() == {"fritzbox:1-lan": True}
        source.close()
        deadline = time.monotonic() + 10
        while not (box.stops and box.logouts):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert seen.numbers == list(range(20))
    assert f"ether host {SPEAKER}" in box.queries[0]["filter"]
    assert box.queries[0]["snaplen"] == "1600"
    assert not box.sessions, "signed out"


def test_where_the_capture_is_not_answered_the_session_is_given_up() -> None:
    with fritz_box(Box(hangs_up=True)) as box:
        with pytest.raises(CaptureError, match="does not answer"):
            feed(box).connect(None)
        assert box.logouts == 1 and not box.sessions


def test_without_a_user_it_is_who_signed_in_last() -> None:
    with fritz_box(Box(packets=packets(3))) as box:
        assert feed(box, user="").interfaces() == [
            ("2-1", "1. Internetverbindung"),
            ("1-lan", "lan"),
            ("4-133", "AP (2.4 GHz, ath0) - Schnittstelle 1"),
        ]


@pytest.mark.parametrize(
    ("box", "changes", "words"),
    [
        (Box(), {"password": "wrong"}, "does not accept the password for the user 'monitor'; the box waits 8 seconds"),
        (Box(block_seconds=96), {}, "takes no password for 96 seconds"),
        (Box(busy=True), {}, "answers 503: another capture is running"),
        (Box(no_right=True), {}, "needs the right to change settings"),
        (Box(), {"interface": "9-none"}, "sends nothing for the interface 9-none"),
        (Box(), {"url": "http://127.0.0.1:1"}, "127.0.0.1:1 does not answer"),
    ],
)
def test_what_does_not_work_is_said(box: Box, changes: dict[str, str], words: str) -> None:
    password = changes.pop("password", None)
    with fritz_box(box):
        source = RemoteSource(feed(box, password, **changes))
        seen = Seen().take(source, lambda seen: bool(seen.events))
        source.close()
    assert words in seen.events[0]
    assert "secret" not in seen.events[0]


def test_a_refused_password_is_not_tried_again_until_it_changes() -> None:
    with fritz_box(Box(packets=packets(3))) as box:
        given = ["wrong"]
        made = FritzBoxFeed(feed(box)._settings, lambda secret: given[0])
        for _ in range(3):
            with pytest.raises(CaptureError, match="does not accept the password"):
                made.connect(None)
        assert box.refusals == 1, "a box locks its owner out for longer each time"
        given[0], box.block_seconds = box.password, 0
        made.connect(None).close()


def test_a_session_that_is_lost_is_made_anew() -> None:
    with fritz_box(Box(packets=packets(5))) as box:
        source = RemoteSource(feed(box))
        seen = Seen().take(source, lambda seen: len(seen.numbers) == 5)
        box.sessions.clear()
        box.cut.set()  # the box was restarted: its stream ends, and it knows no session
        seen.take(source, lambda seen: len(seen.numbers) == 10)
        source.close()
    assert any("packets arrive, after" in line for line in seen.events)
    assert len(box.queries) == 2 and box.queries[0]["sid"] != ZERO and seen.losses


ZERO = "0" * 16


def test_a_silent_stream_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fritzbox, "SILENCE_SECONDS", 0.2)
    with fritz_box(Box(packets=packets(5))) as box:
        source = RemoteSource(feed(box))
        Seen().take(source, lambda seen: any("connecting again" in line for line in seen.events))
        source.close()


@pytest.mark.parametrize(
    "challenge", ["2$1$zz$1$aa", "2$5$aa", "2$0$aa$1$bb", "2$999999999$aa$1$bb", "2$1$aa$1$bb$cc", "2$x$aa$1$bb"]
)
def test_a_challenge_that_is_none_is_refused(challenge: str) -> None:
    with pytest.raises(CaptureError):
        response(challenge, "x")


def test_avms_examples() -> None:
    """From AVM's document "Login to the FRITZ!Box Web Interface"."""
    assert response("1234567z", "äbc") == "1234567z-9e224a41eeefa284df7bb0f26c2913e2"
    modern = "2$10000$5A1711$2000$5A1722"
    assert response(modern, "1example!") == "5A1722$1798a1672bca7c6463d6b245f82b53703b0f50813401b03e4045a5861e689adb"


@pytest.mark.parametrize("text", ["", "<html>", "<SID>1</SID><Challenge>2</Challenge>"])
def test_what_is_no_box_is_said(text: str) -> None:
    with pytest.raises(CaptureError, match="no FRITZ!Box"):
        read_challenge(text)


def test_the_modified_format_is_read_from_files_too(tmp_path: Path) -> None:
    path = tmp_path / "fritz.eth"
    path.write_bytes(HEADER + kuznetzov(packets(7)))
    with open_capture(path) as reader:
        assert sum(len(block) for block in reader) == 7
