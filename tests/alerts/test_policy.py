"""Who is told what, and how often: a trace of uploads, and of what follows from them."""

import functools
import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sniffer.alerts.policy import AlertPolicy
from sniffer.judge.settings import AlertSettings
from sniffer.model import Device, mac_key
from sniffer.model.clock import SECOND
from sniffer.records.codec import from_json
from sniffer.records.types import UploadRecord
from sniffer.resources import shipped
from sniffer.rules.engine import RuleSet, load_upload_rules
from tests.records.test_schemas import check
from tests.sinks.builders import KITCHEN, START, upload, upload_value

pytestmark = pytest.mark.slow

MINUTE = 60
HOUR = 3600
BATH = Device(key=mac_key("68:db:f5:00:00:01"), name="bath", microphone=True)


@functools.cache
def shipped_rules() -> RuleSet:
    return load_upload_rules([shipped("rules") / "uploads"])


def told(policy: AlertPolicy, now_ns: int, record: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """What is raised, resolved and summed up at that time, as JSON."""
    found = [*policy.advance(now_ns), *(policy.process(from_json(UploadRecord, record), now_ns) if record else ())]
    return [made.to_json() for made in found]


class Trace:
    """Feeds a policy, restarting it from its state as JSON before every step, and checks each record's schema."""

    def __init__(self, **options: Any) -> None:
        self.settings = AlertSettings(**{"time_zone": "UTC", "digest": False, **options})
        self.rules = shipped_rules()
        self.state: dict[str, Any] | None = None

    def policy(self) -> AlertPolicy:
        return AlertPolicy(self.settings, json.loads(json.dumps(self.state)), rules=self.rules)

    def at(self, second: float, record: dict[str, Any] | None = None) -> list[str]:
        """What is told then, in short."""
        policy = self.policy()
        now = START + round(second * SECOND)
        self.records = told(policy, now, record)
        self.state = policy.state()
        for made in self.records:
            check(made)
        return [f"{r['event_type']} {r.get('kind', '')} {r.get('count', '')}".replace("  ", " ") for r in self.records]

    def mute(self, device: str, until: float) -> None:
        policy = self.policy()
        policy.mute(device, START + round(until * SECOND))
        self.state = policy.state()


def test_an_upload_that_nobody_asked_for_is_told_with_why_how_sure_and_what_to_do() -> None:
    trace = Trace()
    assert trace.at(10, upload()) == ["alert upload 1"]
    alert = trace.records[0]
    assert alert["dedup_key"] == "68:db:f5:90:19:64/upload-outside-wake"
    assert (alert["level"], alert["confidence"], alert["upload_id"]) == ("high", 0.97, upload()["id"])
    assert alert["title"] == "Speech or a stream left the house and nobody had asked for it"
    assert alert["summary"] == (
        "kitchen (Echo Dot) sent 3.4 s of possible speech at 2026-11-18 11:06 UTC; "
        "not asked for: no wake word was heard"
    )
    assert len(alert["triage"]) > 1
    assert alert["record"]["upload"]["bins"] == []


def test_what_was_asked_for_or_is_not_grave_is_not_told() -> None:
    trace = Trace()
    assert trace.at(1, upload("expected")) == []
    assert trace.at(2, upload("inconclusive", at=1)) == []
    assert trace.at(3, upload(None, at=2)) == []
    assert trace.at(4, upload(at=3, rules=("speech-to-new-destination",), level="low")) == []


def test_the_same_upload_is_told_once_whatever_comes_again() -> None:
    trace = Trace()
    assert trace.at(10, upload()) == ["alert upload 1"]
    assert trace.at(11, upload()) == []
    assert trace.at(12, upload(revision=1)) == []


def test_a_late_wake_event_resolves_it() -> None:
    trace = Trace()
    trace.at(10, upload())
    alert = trace.records[0]
    assert trace.at(40, upload("expected", revision=1)) == ["resolved 1"]
    resolved = trace.records[0]
    assert (resolved["id"], resolved["dedup_key"]) == (alert["id"], alert["dedup_key"])
    assert resolved["wake"]["seen"] is True
    assert trace.at(50, upload("expected", revision=2)) == []


def test_what_becomes_unexpected_again_is_told_again_after_the_cooldown_under_another_id() -> None:
    trace = Trace(cooldown_minutes=0)
    trace.at(10, upload())
    first = trace.records[0]["id"]
    trace.at(20, upload("expected", revision=1))
    assert trace.at(30, upload(revision=2)) == ["alert upload 1"]
    assert trace.records[0]["id"] != first


def test_within_the_cooldown_the_same_rule_and_device_are_rolled_up() -> None:
    trace = Trace()
    assert trace.at(0, upload()) == ["alert upload 1"]
    for minute in (5, 10, 15):
        assert trace.at(minute * MINUTE, upload(at=minute * MINUTE)) == []
    assert trace.at(20 * MINUTE, upload(at=20 * MINUTE, device=BATH)) == ["alert upload 1"]
    assert trace.at(25 * MINUTE, upload(at=25 * MINUTE, rules=("speech-while-muted", "upload-outside-wake"))) == [
        "alert upload 1"
    ]
    assert trace.at(59 * MINUTE) == []
    assert trace.at(60 * MINUTE) == ["alert rollup 3"]
    rollup = trace.records[0]
    assert rollup["summary"] == (
        "kitchen sent possible speech 3 more times from 2026-11-18 11:11 to 11:21 UTC: 10.2 s in all, not asked for"
    )
    assert len(rollup["upload_ids"]) == 3
    assert trace.at(70 * MINUTE, upload(at=70 * MINUTE)) == []  # the roll-up began a cooldown of its own
    assert trace.at(120 * MINUTE) == ["alert rollup 1"]
    assert trace.at(500 * MINUTE, upload(at=500 * MINUTE)) == ["alert upload 1"]


def test_a_rule_that_is_not_grave_does_not_break_the_cooldown_of_one_that_is() -> None:
    trace = Trace()
    trace.at(0, upload())
    assert trace.at(60, upload(at=60, rules=("upload-outside-wake", "long-speech"))) == []


def test_an_alert_has_the_level_of_the_rule_that_it_tells() -> None:
    trace = Trace()
    trace.at(0, upload(rules=("speech-while-muted",), level="critical"))
    assert trace.records[0]["level"] == "critical"
    trace.at(60, upload(at=60, rules=("speech-while-muted", "upload-outside-wake"), level="critical"))
    assert [(r["rule"], r["level"]) for r in trace.records] == [("upload-outside-wake", "high")]


def test_what_is_explained_before_the_roll_up_is_not_in_it() -> None:
    trace = Trace()
    trace.at(0, upload())
    trace.at(60, upload(at=60))
    trace.at(120, upload(at=120))
    assert trace.at(180, upload("expected", at=60, revision=1)) == []
    assert trace.at(HOUR) == ["alert rollup 1"]
    assert trace.at(HOUR + 1, upload("expected", at=120, revision=1)) == ["resolved 1"]


def test_a_roll_up_is_resolved_when_all_of_it_is_explained() -> None:
    trace = Trace()
    trace.at(0, upload())
    trace.at(60, upload(at=60))
    trace.at(120, upload(at=120))
    assert trace.at(HOUR) == ["alert rollup 2"]
    assert trace.at(HOUR + 1, upload("expected", at=60, revision=1)) == []
    assert trace.at(HOUR + 2, upload("expected", at=120, revision=1)) == ["resolved 2"]


def test_a_maintenance_window_keeps_alerts_back_and_ends() -> None:
    trace = Trace(digest=True, digest_at="13:00")
    trace.mute("Kitchen", 2 * HOUR)
    assert trace.at(10, upload()) == []
    assert trace.at(20, upload(at=20, device=BATH)) == ["alert upload 1"]
    assert trace.policy().mutes(START) == {"kitchen": START + 2 * HOUR * SECOND}
    assert trace.policy().mutes(START + 2 * HOUR * SECOND) == {}
    assert trace.at(2 * HOUR + 1, upload(at=2 * HOUR)) == ["digest ", "alert upload 1"]
    assert [d["muted"] for d in trace.records[0]["by_device"] if d["name"] == "kitchen"] == [1]
    trace.mute("all", 9 * HOUR)
    trace.mute("all", 0)
    assert trace.at(5 * HOUR, upload(at=5 * HOUR)) == ["alert upload 1"]


def test_an_alert_from_before_the_window_is_still_resolved() -> None:
    trace = Trace()
    trace.at(10, upload())
    trace.mute("all", HOUR)
    assert trace.at(40, upload("expected", revision=1)) == ["resolved 1"]


def test_a_flood_of_invented_devices_is_rolled_up_and_bounded() -> None:
    trace = Trace(max_per_hour=5, digest=True)
    policy = trace.policy()
    raised = []
    for number in range(3000):
        device = Device(key=number + 1, name=f"echo-{number}", microphone=True)
        now = START + number * SECOND // 10
        raised += policy.process(upload_value(device=device, port=number % 60_000), now)
    assert len(raised) == 5
    assert len(json.dumps(policy.state())) < 400_000
    rolled = told(policy, START + 2 * HOUR * SECOND)
    alerts = [r for r in rolled if r["event_type"] == "alert"]
    assert [(r["kind"], r["count"], r["device"]) for r in alerts] == [("rollup", 2995, None)]
    for record in rolled:
        check(record)


def test_the_digest_sums_up_the_day_by_device_with_the_newest_verdicts() -> None:
    trace = Trace(digest=True, digest_at="08:00")  # START is 11:06 UTC
    for number in range(12):
        trace.at(number * 60, upload("expected", at=number * 60, seconds=4))
    trace.at(1000, upload(at=1000, seconds=2))
    trace.at(1100, upload(at=1100, seconds=2))
    trace.at(1200, upload("inconclusive", at=1200, device=BATH, seconds=3))
    trace.at(1300, upload(at=1300, device=BATH, seconds=3))
    trace.at(1400, upload("expected", at=1300, device=BATH, seconds=3, revision=1))
    trace.at(1500, upload(None, at=1500))
    assert "digest " not in trace.at(20 * HOUR)
    assert trace.at(21 * HOUR) == ["digest "]
    assert trace.records[0]["text"].splitlines() == [
        "kitchen: 14 uploads, 52 s of possible speech, 2 not asked for",
        "bath: 2 uploads, 6 s of possible speech, none not asked for, 1 inconclusive",
    ]
    assert trace.at(21 * HOUR + 1) == []
    assert trace.at(48 * HOUR) == []  # nothing happened: nothing is told
    # an upload of yesterday's digest that is explained today changes nothing today
    assert trace.at(48 * HOUR + 1, upload("expected", at=1000, seconds=2, revision=1)) == ["resolved 1"]
    assert trace.at(80 * HOUR) == []


def test_the_digest_is_made_once_after_days_of_downtime_and_at_local_time() -> None:
    trace = Trace(digest=True, digest_at="08:00", time_zone="Pacific/Auckland")
    trace.at(0, upload("inconclusive"))
    assert trace.at(7.8 * HOUR) == []  # 18:54 UTC is 07:54 there
    assert trace.at(7.9 * HOUR) == ["digest "]
    trace.at(8 * HOUR, upload("inconclusive", at=8 * HOUR))
    assert trace.at(300 * HOUR) == ["digest "]


def test_a_house_without_a_wake_source_is_told_by_the_digest() -> None:
    trace = Trace(digest=True)
    assert trace.at(0, upload("inconclusive")) == []
    assert trace.at(24 * HOUR) == ["digest "]
    assert "1 inconclusive" in trace.records[0]["text"]


@pytest.mark.parametrize("minutes", [480, "08:00"])
def test_an_unquoted_time_in_yaml_is_read_as_meant(minutes: object) -> None:
    assert AlertSettings(digest_at=minutes).digest_at.hour == 8


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_nothing_is_lost_or_told_twice_and_restarts_change_nothing(seed: int) -> None:
    """Every upload that is grave enough is in exactly one alert in the end, unless it was explained before; and a
    policy that was restarted at any point tells the same."""
    chance = random.Random(seed)
    steps: list[tuple[float, dict[str, Any]]] = []
    when = 0.0
    made: list[tuple[int, Any, int]] = []
    for number in range(chance.randrange(1, 40)):
        when += chance.choice([1, 30, 600, 4000])
        if made and chance.random() < 0.3:
            at, device, revision = made[index := chance.randrange(len(made))]
            made[index] = (at, device, revision + 1)
            verdict = chance.choice(["expected", "unexpected", "inconclusive"])
            steps.append((when, upload(verdict, at=at, device=device, revision=revision + 1)))
        else:
            device = chance.choice([KITCHEN, BATH])
            made.append((number, device, 0))
            steps.append((when, upload(at=number, device=device)))
    restarted = Trace(max_per_hour=chance.choice([2, 30]))
    plain = AlertPolicy(restarted.settings, rules=restarted.rules)
    counts: dict[str, int] = {}
    for second, record in steps:
        now = START + round(second * SECOND)
        restarted.at(second, record)
        straight = told(plain, now, record)
        assert straight == restarted.records
        for alert in straight:
            for upload_id in alert["upload_ids"]:
                counts[upload_id] = counts.get(upload_id, 0) + (1 if alert["event_type"] == "alert" else -1)
    for hours in range(1, 40):
        for alert in told(plain, START + round((when + hours * HOUR) * SECOND)):
            for upload_id in alert["upload_ids"]:
                counts[upload_id] = counts.get(upload_id, 0) + 1
    last = {record["id"]: record["verdict"] for _, record in steps}
    for upload_id, verdict in last.items():
        if verdict == "unexpected":
            assert counts.get(upload_id) == 1, upload_id
    assert max(counts.values(), default=0) <= 1
