"""What receivers of other people read; and that a stranger's name is data in all of them."""

import json
from typing import Any

import pytest

from sniffer.alerts.policy import AlertPolicy
from sniffer.explain.headline import headline
from sniffer.model import Device, mac_key
from sniffer.model.clock import SECOND
from sniffer.records.alerts import setup_test_record
from sniffer.sinks.delivery.formats import FORMATS
from sniffer.sinks.delivery.notice import Action, Notice
from sniffer.sinks.delivery.queue import Message, message_id
from tests.sinks.builders import KITCHEN, START, upload_value

EVIL = "@everyone <!channel> <script>alert(1)</script> **b** [x](http://evil.example) \u202e\r\nx: y `c` {{ 1 }}"


def alert(device: Device = KITCHEN) -> dict[str, Any]:
    policy = AlertPolicy()
    return policy.process(upload_value(device=device, host=EVIL), START + 10 * SECOND)[0].to_json()


def resolved() -> dict[str, Any]:
    policy = AlertPolicy()
    policy.process(upload_value(), START + 10 * SECOND)
    return policy.process(upload_value("expected", revision=1), START + 60 * SECOND)[0].to_json()


def made(
    name: str, record: dict[str, Any], url: str = "https://example.org/topic", notice: Notice | None = None
) -> Any:
    message = Message(1, "home", message_id(record), record, 0, 0, 0, 0)
    request = FORMATS[name](message, notice or Notice(headline(record)), url)
    return json.loads(request.body)


def test_standard() -> None:
    body = made("standard", alert())
    assert (body["type"], body["timestamp"]) == ("sniffer.alert", alert()["timestamp"])
    assert body["data"] == alert()


def test_cloudevents() -> None:
    body = made("cloudevents", alert())
    assert body["specversion"] == "1.0"
    assert (body["type"], body["source"], body["subject"]) == ("sniffer.alert", "/sniffer", "kitchen")
    assert body["id"] == message_id(alert())
    assert body["data"]["id"] == alert()["id"]


def test_alertmanager_v4() -> None:
    firing, over = made("alertmanager", alert()), made("alertmanager", resolved())
    assert (firing["version"], firing["status"], firing["receiver"]) == ("4", "firing", "home")
    assert firing["alerts"][0]["labels"] == {
        "alertname": "upload-outside-wake",
        "device": "kitchen",
        "severity": "high",
        "job": "sniffer",
    }
    assert "no wake word was heard" in firing["commonAnnotations"]["summary"]
    assert "How sure: 97 %" in firing["commonAnnotations"]["description"]
    assert over["status"] == over["alerts"][0]["status"] == "resolved"
    assert over["alerts"][0]["fingerprint"] == firing["alerts"][0]["fingerprint"]
    assert over["alerts"][0]["endsAt"] == resolved()["timestamp"]
    assert firing["alerts"][0]["endsAt"].startswith("0001")


def test_slack_discord_and_ntfy_say_what_why_how_sure_and_what_to_do() -> None:
    record = alert() | {"triage": ["Ask who was home."]}
    slack = json.dumps(made("slack", record), ensure_ascii=False)
    discord = json.dumps(made("discord", record), ensure_ascii=False).replace("\\\\", "")
    ntfy = json.dumps(made("ntfy", record), ensure_ascii=False)
    for text in (slack, discord, ntfy):
        for part in ("kitchen", "no wake word was heard", "How sure: 97 %", "Ask who was home.", "sniffer explain"):
            assert part in text, part
    body = made("ntfy", record, "https://ntfy.example/a/topic/")
    assert (body["topic"], body["priority"]) == ("topic", 4)
    assert (
        FORMATS["ntfy"](Message(1, "h", "i", record, 0, 0, 0, 0), Notice("x"), "https://ntfy.sh/t").url
        == "https://ntfy.sh/"
    )


@pytest.mark.parametrize("name", FORMATS)
def test_a_strangers_name_is_data(name: str) -> None:
    record = alert(Device(key=mac_key("02:00:00:00:00:01"), name=EVIL, microphone=True))
    body = made(name, record)
    if name == "slack":
        assert body["mrkdwn"] is False
        assert all(block["text"]["type"] == "plain_text" for block in body["blocks"])
        assert "<" not in body["text"]
    elif name == "discord":
        assert body["allowed_mentions"] == {"parse": []}
        text = body["embeds"][0]["title"] + body["embeds"][0]["description"]
        for mark in ("\\*\\*b\\*\\*", "\\[x\\]\\(", "\\`c\\`", "\\@everyone"):
            assert mark in text
        assert "http://" not in text
    elif name == "ntfy":
        assert body["markdown"] is False
    elif name == "alertmanager":
        assert "\n" not in body["commonLabels"]["device"]
    if name in ("slack", "discord", "ntfy", "alertmanager"):
        shown = json.dumps({k: v for k, v in body.items() if k != "groupKey"}, ensure_ascii=False)
        assert "\u202e" not in shown
        assert "\\r" not in shown


def test_a_digest_is_readable_everywhere() -> None:
    digest = {
        "event_type": "digest", "id": "digest-1", "timestamp": "2026-11-22T08:00:00.000000Z",
        "summary": "Since the last digest: 14 uploads", "text": "kitchen: 14 uploads\nbath: 1 upload",
    }  # fmt: skip
    for name in ("slack", "discord", "ntfy"):
        text = json.dumps(made(name, digest))
        assert "kitchen: 14 uploads" in text
        assert "bath: 1 upload" in text


def test_long_texts_fit() -> None:
    record = alert() | {"text": "x\n" * 10_000 + "y" * 10_000, "triage": ["z" * 5000] * 5}
    assert len(made("slack", record)["blocks"][1]["text"]["text"]) <= 3000
    assert len(made("discord", record)["embeds"][0]["description"]) <= 4096
    assert len(made("ntfy", record)["message"].encode()) <= 4096


PAGE = "https://house.example/uploads/1"
ACT = "https://house.example/act/abc"
WITH_BUTTONS = Notice("What happened", PAGE, (Action("Mute for 1 hour", ACT, "POST"),))


def test_a_notification_leads_on_in_each_service_s_own_way() -> None:
    ntfy = made("ntfy", alert(), notice=WITH_BUTTONS)
    assert ntfy["click"] == PAGE
    assert ntfy["actions"] == [
        {"action": "view", "label": "Show", "url": PAGE},
        {"action": "http", "label": "Mute for 1 hour", "url": ACT, "method": "POST", "clear": True},
    ]
    slack = made("slack", alert(), notice=WITH_BUTTONS)["blocks"][-1]
    assert slack["elements"][0]["text"] == f"<{PAGE}|Show> · <{ACT}|Mute for 1 hour>"
    embed = made("discord", alert(), notice=WITH_BUTTONS)["embeds"][0]
    assert embed["url"] == PAGE
    assert embed["fields"][0]["value"] == f"[Show]({PAGE}) · [Mute for 1 hour]({ACT})"
    assert made("alertmanager", alert(), notice=WITH_BUTTONS)["alerts"][0]["generatorURL"] == PAGE
    standard = made("standard", alert(), notice=WITH_BUTTONS)
    assert standard["link"] == PAGE
    assert standard["actions"] == [{"label": "Mute for 1 hour", "url": ACT, "method": "POST"}]


def test_where_there_is_a_link_no_command_is_shown() -> None:
    assert "sniffer explain" not in json.dumps(made("ntfy", alert(), notice=WITH_BUTTONS))


def test_ntfy_shows_three_buttons_at_most() -> None:
    many = Notice("x", PAGE, (Action("a", ACT), Action("b", ACT), Action("c", ACT)))
    assert len(made("ntfy", alert(), notice=many)["actions"]) == 3


def test_a_test_notification_is_called_one() -> None:
    assert made("ntfy", setup_test_record(START).to_json())["title"] == "Test notification"
