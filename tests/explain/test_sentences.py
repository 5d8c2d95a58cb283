"""What people read about an upload."""

from __future__ import annotations

import dataclasses
from datetime import timedelta, timezone
from typing import Any

import pytest

from sniffer.explain.sentences import explain
from sniffer.judge.reasons import KIND, Reason
from sniffer.model import Trust, UploadClass, VerdictKind
from sniffer.records import types
from sniffer.records.types import EvidenceFields, HeardFields, UploadRecord, WakeFields
from tests.sinks.builders import upload_value

PACE = EvidenceFields(name="pace", value=3.0, weight=4.0, text="For 3.0 s data left at one steady speed")
SLOW = EvidenceFields(name="too_slow", value=1.0, weight=-1.0, text="It was slow")


def record(upload: dict[str, Any] | None = None, device: dict[str, Any] | None = None, **changes: Any) -> UploadRecord:
    """An upload that was not asked for, with the changes that a test wants."""
    made = upload_value()
    return dataclasses.replace(
        made,
        timestamp="2026-11-22T18:04:05.120000Z",
        listened=("kitchen ear",),
        evidence=(PACE, SLOW),
        device=dataclasses.replace(made.device, **(device or {})),
        upload=dataclasses.replace(made.upload, **(upload or {})),
        **changes,
    )


def test_the_headline_says_which_device_how_much_when_and_why() -> None:
    assert explain(record(), timezone(timedelta(hours=1), "CET")).headline == (
        "kitchen (Echo Dot) sent 3.4 s of possible speech at 2026-11-22 19:04 CET; "
        "not asked for: no wake word was heard"
    )


def test_three_sentences_and_what_to_do() -> None:
    said = explain(record())
    happened, looked, asked = said.sentences
    assert happened == (
        "At 2026-11-22 18:04:05 UTC kitchen (Echo Dot) sent 46 kB in 3.4 s to avs-alexa-4-na.amazon.com, "
        "which receives voice recordings."
    )
    assert looked == (
        "Its timing looks like a live microphone (over 99 % sure): for 3.0 s data left at one steady speed."
    )
    assert asked == "It was not asked for (97 % sure): no wake word was heard; kitchen ear would have noticed one."
    assert said.advice.startswith("If you did ask, your wake source missed it")


@pytest.mark.parametrize(("gap", "when"), [(1.2, "1.2 s before"), (-0.8, "0.8 s after")])
def test_an_expected_upload_names_the_source_that_reported_the_request(gap: float, when: str) -> None:
    wake = WakeFields(seen=True, relation="direct", source="kitchen ear", trust=Trust.INDEPENDENT, gap_seconds=gap)
    said = explain(record(verdict=VerdictKind.EXPECTED, reason="wake_event", wake=wake)).sentences[2]
    assert said == (
        f"It was asked for (97 % sure): a wake word was heard; kitchen ear reported it {when} the upload began."
    )


@pytest.mark.parametrize("reason", [*(reason for reason in Reason if KIND[reason] is VerdictKind.INCONCLUSIVE), "new"])
def test_what_is_inconclusive_is_never_an_accusation(reason: str) -> None:
    said = explain(record(verdict=VerdictKind.INCONCLUSIVE, reason=str(reason)))
    assert "not asked for" not in said.headline + said.sentences[2]
    assert "would have noticed" not in said.sentences[2]


def test_what_may_not_be_speech_is_not_said_to_be() -> None:
    said = explain(record(verdict=VerdictKind.INCONCLUSIVE, reason="may_not_be_speech"))
    assert said.sentences[2] == "No request explains it, but we cannot be sure that it was speech."


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_comes_with_advice(reason: Reason) -> None:
    assert explain(record(verdict=KIND[reason], reason=str(reason))).advice


def heard(score: float = 0.0, voice: float = 0.0) -> HeardFields:
    """What the kitchen ear heard around the upload."""
    said = types.TestimonyFields(
        from_time="2026-11-22T18:04:00Z", to="2026-11-22T18:04:06Z", scores={"alexa": score}, voice=voice,
        level_db=-50.0, noise_db=-60.0, seconds=6.0,
    )  # fmt: skip
    return HeardFields(source="kitchen ear", weight=-3.0, heard=said)


@pytest.mark.parametrize(
    ("score", "voice", "words"),
    [
        (0.0, 0.0, "heard no voice"),
        (0.0, 0.5, "heard voices, but nothing like the wake word"),
        (0.3, 0.5, "heard something like the wake word (30 % by its own measure)"),
    ],
)
def test_a_listener_that_testified_is_named_once(score: float, voice: float, words: str) -> None:
    wake = dataclasses.replace(upload_value().wake, testimony=(heard(score, voice),))
    assert explain(record(wake=wake)).sentences[2] == (
        f"It was not asked for (97 % sure): no wake word was heard. kitchen ear was listening and {words}."
    )


def test_a_wake_word_that_was_reported_is_not_heard_a_second_time() -> None:
    wake = WakeFields(
        seen=True, relation="direct", source="kitchen ear", trust=Trust.INDEPENDENT, gap_seconds=1.2,
        testimony=(heard(0.97, 0.5),),
    )  # fmt: skip
    said = explain(record(verdict=VerdictKind.EXPECTED, reason="wake_event", wake=wake)).sentences[2]
    assert said.count("kitchen ear") == 1
    muted = explain(record(reason="muted", wake=wake)).sentences[2]
    assert muted.endswith("kitchen ear was listening and heard the wake word.")  # it is said nowhere else


def test_a_wake_word_that_was_hardly_heard() -> None:
    wake = WakeFields(
        seen=True, relation="faint", source="kitchen ear", trust=Trust.INDEPENDENT, gap_seconds=None,
        testimony=(heard(0.45, 0.5),),
    )  # fmt: skip
    assert explain(record(verdict=VerdictKind.EXPECTED, reason="wake_word_faint", wake=wake)).sentences[2] == (
        "It was asked for (97 % sure): the wake word was probably said, but was not heard clearly. "
        "kitchen ear was listening and heard something like the wake word (45 % by its own measure)."
    )


@pytest.mark.parametrize("reason", ["muted", "quiet_hours", "away"])
def test_no_listener_would_have_noticed_a_broken_rule(reason: str) -> None:
    assert "would have noticed" not in explain(record(reason=reason)).sentences[2]


def test_a_stream_has_no_wake_word() -> None:
    said = explain(record({"upload_class": UploadClass.MEDIA}))
    assert said.why == "not asked for: no call and no viewer was reported"
    assert "wake word" not in " ".join((*said.sentences, said.advice))


def test_a_moment_is_not_no_time() -> None:
    assert "in under 0.1 s to" in explain(record({"duration": 0.02})).sentences[0]


def test_a_stream_is_described_by_its_length_and_amount() -> None:
    upload = {"upload_class": UploadClass.MEDIA, "bytes": 547_000, "bytes_toclient": 3_000, "duration": 30.7}
    looked = explain(record(upload)).sentences[1]
    assert looked == ("It went on like a call or the picture of a camera: 547 kB sent and 3 kB received in 30.7 s.")


def test_what_was_added_up_over_minutes_was_not_sent_at_once() -> None:
    upload = {"upload_class": UploadClass.BULK, "packets": 0}
    assert "small pieces" in explain(record(upload)).sentences[1]


def test_names_that_are_not_known() -> None:
    bare = record(device={"name": "host-910317", "model": None, "vendor": "Maker Inc."})
    bare = dataclasses.replace(bare, service=dataclasses.replace(bare.service, host=None, role="unknown"))
    assert explain(bare).sentences[0] == (
        "At 2026-11-22 18:04:05 UTC host-910317 (Maker Inc) sent 46 kB in 3.4 s to 52.94.233.109 (name unknown)."
    )


@pytest.mark.parametrize("kind", UploadClass)
def test_every_class_has_words(kind: UploadClass) -> None:
    explanation = explain(record({"upload_class": kind}, verdict=None, reason="not_judged"))
    assert explanation.headline.endswith("; listed for information only")
    assert all(sentence.endswith(".") for sentence in explanation.sentences)
