"""The notices of records: with an address, they lead on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sniffer.alerts.policy import AlertPolicy
from sniffer.app.config import parse_config
from sniffer.app.notices import link_key, notices, purposes
from sniffer.errors import ConfigError
from sniffer.model import Answer
from sniffer.model.clock import SECOND
from sniffer.sinks.settings import StoreSettings
from sniffer.sinks.storage.store import Store
from sniffer.testing import ManualClock
from sniffer.web.links import SignedLink, verify
from tests.sinks.builders import START, upload, upload_value

KEY = b"k" * 32
HOUSE = "http://192.168.1.1:9877"


def alert() -> dict[str, Any]:
    return AlertPolicy().process(upload_value(), START)[0].to_json()


def test_without_an_address_there_are_no_links() -> None:
    notice = notices(None, KEY, ManualClock(START))(alert())
    assert (notice.link, notice.actions) == (None, ())


def test_an_alert_leads_to_its_upload_and_mutes_its_device_for_an_hour() -> None:
    notice = notices(HOUSE, KEY, ManualClock(START))(alert())
    assert notice.link == f"{HOUSE}/uploads/{upload()['id']}"
    (mute,) = notice.actions
    assert (mute.label, mute.method) == ("Mute for 1 hour", "POST")
    token = mute.url.removeprefix(f"{HOUSE}/act/")
    assert verify(KEY, token, START // SECOND) == SignedLink("mute", "68:db:f5:90:19:64", START // SECOND + 86_400)


def test_the_mute_button_mutes_for_an_hour_and_says_until_when() -> None:
    daemon = Daemon()
    purpose = purposes(daemon, "Europe/Berlin")["mute"]
    assert purpose.question("kitchen") == "Mute alerts about kitchen for 1 hour?"
    assert purpose.act("kitchen") == "No alerts about kitchen until 2026-11-22 20:04 CET."
    assert daemon.asked == [{"device": "kitchen", "seconds": 3600}]


@pytest.mark.parametrize("answer", Answer)
def test_a_question_has_a_button_for_each_answer(answer: Answer) -> None:
    record = {"event_type": "question", "upload_id": "20261118T110640.000-07e42f87", "summary": "Was that you?"}
    actions = notices(HOUSE, KEY, ManualClock(START))(record).actions
    tokens = [action.url.removeprefix(f"{HOUSE}/act/") for action in actions]
    links = [verify(KEY, token, START // SECOND) for token in tokens]
    (link,) = (link for link in links if link.purpose == f"answer-{answer}")
    daemon = Daemon()
    assert purposes(daemon)[link.purpose].act(link.subject) == "Thank you."
    assert daemon.answered == [("20261118T110640.000-07e42f87", answer)]


class Daemon:
    """What signed links act on."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, Any]] = []
        self.answered: list[tuple[str, str]] = []

    def mute(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(request)
        return {"device": request["device"], "until": "2026-11-22T19:04:05.000000Z"}

    def question(self, upload: str) -> str:
        return f"Was {upload} you?"

    def answer_link(self, upload: str, answer: str) -> str:
        self.answered.append((upload, answer))
        return "Thank you."


def test_an_upload_links_to_itself_and_a_digest_to_the_page() -> None:
    notice_of = notices(HOUSE, KEY, ManualClock(START))
    assert notice_of(upload()).link == f"{HOUSE}/uploads/{upload()['id']}"
    assert notice_of({"event_type": "digest", "summary": "x"}).link == f"{HOUSE}/"


def test_the_key_outlives_a_restart(tmp_path: Path) -> None:
    settings = StoreSettings(path=tmp_path / "sniffer.db")
    keys = []
    for _ in range(2):
        store = Store(settings)
        keys.append(link_key(store))
        store.close()
    assert keys[0] == keys[1]
    assert len(keys[0]) == 32


@pytest.mark.parametrize("url", ["ftp://x", "http://u:p@x", "http://x/?a=b", "http://x/a|b", "http://", "http://x/>"])
def test_an_address_that_could_break_a_link_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="public_url"):
        parse_config(f"http: {{public_url: '{url}'}}", "test")


def test_browsers_may_reach_the_public_name() -> None:
    settings = parse_config("http: {public_url: 'https://sniffer.lan/', allowed_hosts: [a.lan]}", "test").http
    assert settings.public_url == "https://sniffer.lan"
    assert settings.names == ("a.lan", "sniffer.lan")
