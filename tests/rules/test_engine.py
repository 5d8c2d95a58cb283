"""Rule files: what ships, what is refused, what exceptions and levels do."""

import re
from datetime import UTC, date, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.errors import ConfigError, RuleError
from sniffer.judge.settings import ExceptionSettings, RuleSettings
from sniffer.model import (
    LEVELS,
    Device,
    FlowKey,
    Judged,
    Service,
    Upload,
    UploadClass,
    Verdict,
    VerdictKind,
    address_pair,
    mac_key,
)
from sniffer.records.build import upload_record, with_rules
from sniffer.records.codec import from_json
from sniffer.records.schemas import rule_fields
from sniffer.records.types import UploadRecord
from sniffer.resources import shipped
from sniffer.rules.engine import Rule, RuleSet, failed_tests, load_upload_rules, parse_rule
from sniffer.rules.sigma import compile_detection

FOLDER = shipped("rules") / "uploads"
RULES = load_upload_rules([FOLDER]).rules
NOON = int(datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()) * 10**9
DAY = 86_400 * 10**9

GOOD = """\
title: T
id: 11111111-1111-4111-8111-111111111111
name: my-rule
status: test
description: D
date: 2026-11-22
logsource: {product: sniffer, category: upload}
detection:
  selection:
    upload.class: speech
  condition: selection
falsepositives: [none]
level: medium
triage: [look]
tests:
  - {name: one, record: {upload: {class: speech}}, match: true}
  - {name: two, record: {upload: {class: bulk}}, match: false}
"""


def record(
    verdict: VerdictKind | None = VerdictKind.UNEXPECTED,
    upload_class: UploadClass = UploadClass.SPEECH,
    kind: str = "speaker",
    reason: str = "no_wake_event",
    seconds: float = 3.4,
    host: str | None = None,
) -> dict[str, Any]:
    """A whole record, as the program makes it."""
    flow = FlowKey(address_pair("192.168.1.23"), 40412, address_pair("52.94.233.109"), 443, 6)
    upload = Upload(
        key=mac_key("68:db:f5:90:19:64"),
        flows=(flow,),
        service=Service(host=host),
        start_ns=NOON,
        end_ns=NOON + int(seconds * 1e9),
        final_ns=NOON + int(seconds * 1e9) + 10**9,
        upload_class=upload_class,
        score=9.5,
        probability=0.99,
        bytes=46012,
        bytes_toclient=3000,
        packets=71,
        chunk_bytes=437,
        chunks_per_second=20.0,
        speech_seconds=seconds,
    )
    device = Device(key=upload.key, name="kitchen", kind=kind)
    return upload_record(Judged(upload, Verdict(verdict, reason, 0.97)), device, "lan", offline=False).to_json()


def applied(rules: RuleSet, made: dict[str, Any], now_ns: int) -> UploadRecord:
    """The record with the rules that match it."""
    return with_rules(from_json(UploadRecord, made), rules.evaluate(made, now_ns))


FIELDS = rule_fields()


def paths(value: Any, prefix: str = "") -> set[str]:
    if isinstance(value, dict):
        return {path for key, inner in value.items() for path in paths(inner, f"{prefix}.{key}" if prefix else key)}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return paths(value[0], prefix)
    return {prefix}


def test_the_fields_are_those_of_a_record() -> None:
    made = record()
    made["evidence"] = [{"name": "a", "value": 1.0, "weight": 1.0, "text": "b"}]
    heard = dict.fromkeys(("from", "to", "scores", "voice", "level_db", "noise_db", "seconds"))
    made["wake"]["testimony"] = [{"source": "ear", "weight": 1.0, "heard": heard}]
    assert paths(made) == FIELDS


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_shipped_rule_passes_its_own_tests(rule: Rule) -> None:
    assert failed_tests(rule) == []
    assert rule.file.stem == rule.id
    assert rule.document.references
    for case in rule.document.tests:
        assert paths(case.record) <= FIELDS, case.name


def test_a_rule_that_alarms_never_accuses_on_bad_evidence() -> None:
    """Medium and above means: nobody asked. No other verdict may raise it, whatever the upload looks like."""
    verdicts = (VerdictKind.EXPECTED, VerdictKind.INCONCLUSIVE, None)
    kinds, reasons = ("speaker", "camera", "tv"), ("no_wake_event", "muted", "quiet_hours", "away", "no_wake_source")
    for verdict, upload_class, kind, reason, host in product(
        verdicts, UploadClass, kinds, reasons, (None, "a.example")
    ):
        made = record(verdict, upload_class, kind, reason, seconds=400.0, host=host)
        made["history"] = {"speech_uploads": 100, "destination_uploads": 0, "unexpected_in_24h": 9}
        for match in RuleSet(RULES).evaluate(made, NOON):
            assert LEVELS.index(match.level) < LEVELS.index("medium"), (match.id, verdict, reason)


def test_every_upload_that_nobody_asked_for_raises_an_alarm() -> None:
    judged = (UploadClass.SPEECH, UploadClass.MEDIA, UploadClass.BULK)
    reasons = ("no_wake_event", "muted", "quiet_hours", "away", "a reason of next year")
    for upload_class, kind, reason in product(judged, ("speaker", "camera", "tv", "hub"), reasons):
        matches = RuleSet(RULES).evaluate(record(upload_class=upload_class, kind=kind, reason=reason), NOON)
        alarms = [match for match in matches if LEVELS.index(match.level) >= LEVELS.index("medium")]
        assert len(alarms) == 1, (upload_class, kind, reason, alarms)


def test_a_record_gets_the_names_and_the_highest_level() -> None:
    made = record(reason="muted", seconds=45.0)
    matches = RuleSet(RULES).evaluate(made, NOON)
    assert matches[0].triage and matches[0].falsepositives
    full = applied(RuleSet(RULES), made, NOON)
    assert (full.rules, full.level) == (("speech-while-muted", "long-speech"), "critical")
    assert (made["rules"], made["level"]) == ([], None)  # the record that was asked about is as before
    quiet = applied(RuleSet(RULES), record(VerdictKind.EXPECTED), NOON)
    assert (quiet.rules, quiet.level) == ((), None)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300) | st.just("fe80::1%eth0")
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


HOW = {
    "contains": "a",
    "endswith": "b*",
    "startswith": "a*a*b",
    "gte": 1,
    "lt": 2.5,
    "cidr": "fe80::/10",
    "exists": True,
}
EVERY_QUESTION = compile_detection(
    {
        "condition": "all of them",
        "none": [{f"{field}|{how}": value for how, value in HOW.items()} for field in sorted(FIELDS)],
        **{how: [{f"{field}|{how}": value} for field in sorted(FIELDS)] for how, value in HOW.items()},
    }
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted({field.split(".")[0] for field in FIELDS})), JSON, max_size=8), JSON)
def test_no_record_can_break_a_rule(made: dict[str, Any], inner: Any) -> None:
    """Records are ours, and still: what comes from the network must not end the daemon."""
    for part in ("upload", "history", "service", "device"):
        fields = [field.split(".")[1] for field in FIELDS if field.startswith(f"{part}.")]
        RuleSet(RULES).evaluate(made | {part: dict.fromkeys(fields, inner)}, NOON)
    EVERY_QUESTION(made)


# --- exceptions and levels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exception", "now_ns", "silenced"),
    [
        ({"device": "kitchen", "expires": "never"}, NOON, True),
        ({"device": "68-DB-F5-90-19-64", "expires": "never"}, NOON, True),
        ({"expires": "never"}, NOON, True),
        ({"device": "bath", "expires": "never"}, NOON, False),
        ({"device": "68:db:f5:90:19:65", "expires": "never"}, NOON, False),
        ({"expires": date(2026, 11, 22)}, NOON, True),
        ({"expires": date(2026, 11, 22)}, NOON + DAY, False),
        ({"expires": "2026-11-22"}, NOON, True),  # as the page writes it
        ({"expires": datetime(2026, 11, 22, 12)}, NOON, True),  # noqa: DTZ001 - a time without a zone is UTC
        ({"expires": datetime(2026, 11, 22, 11, 59, tzinfo=UTC)}, NOON, False),
    ],
)
def test_an_exception_silences_one_rule_for_one_device_for_a_time(
    exception: dict[str, Any], now_ns: int, silenced: bool
) -> None:
    settings = RuleSettings(
        exceptions=(ExceptionSettings(rule="upload-outside-wake", reason="the parrot", **exception),)
    )
    rules = load_upload_rules([FOLDER], settings)
    made = applied(rules, record(seconds=45.0), now_ns)
    assert made.rules == (("long-speech",) if silenced else ("upload-outside-wake", "long-speech"))
    assert made.level == ("low" if silenced else "high")


def test_a_level_can_be_changed_without_touching_a_file() -> None:
    rules = load_upload_rules([FOLDER], RuleSettings(levels={"long-speech": "medium"}))
    assert applied(rules, record(VerdictKind.INCONCLUSIVE, seconds=45.0), NOON).level == "medium"


@pytest.mark.parametrize(
    "setting",
    [{"levels": {"long-speach": "low"}}, {"exceptions": [{"rule": "long-speach", "expires": "never", "reason": "x"}]}],
)
def test_a_setting_for_a_rule_that_does_not_exist_is_an_error(setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="did you mean 'long-speech'"):
        load_upload_rules([FOLDER], RuleSettings.model_validate(setting))


# --- files -------------------------------------------------------------------------------------------------------


def test_rules_of_ones_own_are_read_beside_the_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "mine.yaml").write_text(GOOD)
    (tmp_path / "readme.txt").write_text("not a rule")
    rules = load_upload_rules([FOLDER, tmp_path])
    assert {rule.id for rule in rules.rules} - {rule.id for rule in RULES} == {"my-rule"}


def test_two_rules_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(GOOD)
    (tmp_path / "b.yml").write_text(GOOD)
    with pytest.raises(RuleError, match=r"b\.yml: the name or id of 'my-rule' is also that of .*a\.yml"):
        load_upload_rules([tmp_path])


@pytest.mark.parametrize(
    ("change", "to", "message"),
    [
        ("upload.class: s", "uplod.class: s", "10:5: no record has the field 'uplod.class'; did you mean 'upload"),
        ("condition: s", "condition: not slection and s", "11:18: there is no selection 'slection'; did you mean 's"),
        ("condition: selection", "condition: 'selection and x'", "11:29: there is no selection 'x'"),
        ("upload.class: speech\n  c", "service.host|re: '(?=a)b'\n  c", "10:5: regular expressions are not supported"),
        ("upload.class: speech\n", "src_ip|cidr: [10.0.0.0/8, 10.1.1.1/8]\n", "10:31: not a network in CIDR notation"),
        ("level: medium", "level: bad", "13:8: level: input should be 'informational'"),
        ("status: test", "statu: test", "4:1: unknown key 'statu'; did you mean 'status'?"),
        ("id: 1111", "id: x1111", "2:5: id: input should be a valid UUID"),
        ("product: sniffer", "product: windows", "7:22: logsource.product: input should be 'sniffer'"),
        ("class: bulk}}, match: false", "class: bulk}}, match: true", "16:3: no test in which the rule must not match"),
        ("name: my-rule", "name: My Rule", "3:7: name: "),
        ("title: T", "title: T\ntitle: U", "2:1: the key 'title' is given twice"),
        ("title: T", "title: [", "is not"),
    ],
)  # fmt: skip
def test_a_wrong_file_names_its_place(tmp_path: Path, change: str, to: str, message: str) -> None:
    assert change in GOOD
    path = tmp_path / "r.yml"
    path.write_text(GOOD.replace(change, to, 1))
    with pytest.raises(RuleError) as caught:
        parse_rule(path)
    if message == "is not":
        assert re.match(r".*r\.yml:\d+:\d+: ", str(caught.value))
    else:
        assert str(caught.value).startswith(f"{path}:{message}"), str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b"- a", b"[" * 50_000, b"a" * (2 << 20), b"--- a\n--- b"])
def test_what_is_no_rule_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "r.yml"
    path.write_bytes(content)
    with pytest.raises(RuleError) as caught:
        parse_rule(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="no such folder"):
        load_upload_rules([tmp_path / "none"])
