"""apprise, delivering to a receiver that really listens."""

import json

import pytest

from sniffer.alerts.policy import AlertPolicy
from sniffer.errors import ConfigError
from sniffer.model.clock import SECOND
from sniffer.settings.base import Secret
from sniffer.sinks.delivery.notify import Notify
from sniffer.sinks.delivery.queue import Message
from sniffer.sinks.delivery.target import UnansweredError
from sniffer.sinks.settings import NotifySettings
from tests.sinks.builders import START, bare_notice, upload_value
from tests.sinks.receiver import receiver

pytest.importorskip("apprise", reason="apprise is not installed")


def notify(url: str) -> Notify:
    return Notify(NotifySettings(name="phone", url=Secret(env="URL")), lambda secret: url, bare_notice)


def message() -> Message:
    alert = AlertPolicy().process(upload_value(), START + 10 * SECOND)[0].to_json()
    return Message(1, "phone", "msg", alert, 0, 0, 0, 0)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_it_is_told_why_and_how_sure() -> None:
    with receiver() as web:
        url = web.url.replace("http://", "json://")
        target = notify(url)
        target.send(message(), START)
        body = json.loads(web.requests[0].body)
        assert body["type"] == "failure"
        assert "kitchen" in body["title"]
        assert "no wake word was heard" in body["message"]
        assert "How sure: 97 %" in body["message"]
        web.answer = lambda request: 500
        with pytest.raises(UnansweredError, match=r"did not accept it: Failed to send JSON .*error=500"):
            target.send(message(), START)
        assert url not in repr(target)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_the_cause_is_named_and_the_token_is_not() -> None:
    with pytest.raises(UnansweredError, match=r"\(connection refused\)") as caught:
        notify("json://127.0.0.1:9/t0ken-in-path").send(message(), START)
    assert "t0ken" not in str(caught.value)
    with receiver() as web:
        web.answer = lambda request: 404
        with pytest.raises(UnansweredError, match="404") as caught:
            notify(web.url.replace("http://", "json://") + "/t0ken-in-path").send(message(), START)
    assert "t0ken" not in str(caught.value)


def test_a_url_that_apprise_does_not_know_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigError, match="does not understand") as caught:
        notify("nonsense-t0ken")
    assert "t0ken" not in str(caught.value)
