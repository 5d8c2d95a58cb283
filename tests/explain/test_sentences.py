"""What people read about an upload."""

from __future__ import annotations

from datetime import timedelta, timezone
from typing import Any

import pytest

from sniffer.explain.sentences import explain
from sniffer.judge.reasons import KIND, Reason


def record(**changes: Any) -> dict[str, Any]:
    return {
        "timestamp": "2026-11-22T18:04:05.120000Z",
        "device": {"mac": "68:db:f5:90:19:64", "name": "kitchen", "vendor": "Amazon", "model": "Echo"},
        "dest_ip": "52.94.233.109",
        "service": {"host": "avs-alexa-4-na.amazon.com", "role": "voice", "source": "sni"},
        "upload": {"class": "speech", "bytes": 46012, "duration": 3.35, "speech_seconds": 3.4, "probability": 0.998},
        "evidence": [
            {"name": "pace", "value": 3.0, "weight": 4.0, "text": "For 3.0 s data left at one steady speed"},
            {"name": "too_slow", "value": 1.0, "weight": -1.0, "text": "It was slow"},
        ],
        "wake": {"seen": False, "relation": "none", "source": None, "gap_seconds": None},
        "verdict": "unexpected", "reason": "no_wake_event", "confidence": 0.97, "listened": ["kitchen ear"],
    } | changes  # fmt: skip


def test_the_headline_says_how_much_from_where_when_and_that_nobody_asked() -> None:
    assert explain(record(), timezone(timedelta(hours=1))).headline == (
        "3.4 s of speech could have left the kitchen Echo at 19:04; nobody said the wake word"
    )


def test_three_sentences() -> None:
    happened, looked, asked = explain(record()).sentences
    assert happened == (
        "At 18:04:05 UTC the kitchen Echo sent 46 kB within 3.4 s to avs-alexa-4-na.amazon.com, which takes voice "
        "recordings."
    )
    assert looked == (
        "It left like live sound from a microphone (over 99 % sure): for 3.0 s data left at one steady speed."
    )
    assert asked == "Nobody asked for it: nobody said the wake word; kitchen ear would have noticed (97 % sure)."


def test_an_expected_upload_names_who_heard_it() -> None:
    wake = {"seen": True, "relation": "direct", "source": "kitchen ear", "gap_seconds": 1.2}
    said = explain(record(verdict="expected", reason="wake_event", wake=wake)).sentences[2]
    assert (
        said
        == "It was asked for: somebody had said the wake word, 1.2 s before it began, says kitchen ear (97 % sure)."
    )


@pytest.mark.parametrize("reason", ["no_wake_source", "wake_source_down", "capture_loss", "something new"])
def test_no_verdict_is_never_an_accusation(reason: str) -> None:
    explanation = explain(record(verdict="inconclusive", reason=reason))
    assert "cannot be told" in explanation.sentences[2]
    assert "nobody asked" not in explanation.headline.lower()


def test_what_is_perhaps_no_sound_is_no_accusation_either() -> None:
    explanation = explain(record(verdict="inconclusive", reason="may_not_be_speech"))
    assert explanation.sentences[2] == (
        "Nobody asked for it, and still nobody is accused: this was perhaps no sound at all."
    )


@pytest.mark.parametrize("reason", [reason for reason in Reason if KIND[reason] is not None])
def test_each_verdict_could_have_been_another(reason: Reason) -> None:
    assert explain(record(verdict=str(KIND[reason]), reason=str(reason))).would_change


def test_a_stream_is_told_by_its_length_and_not_by_how_little_it_is_like_speech() -> None:
    upload = {"class": "media", "bytes": 547_000, "bytes_toclient": 3_000, "duration": 30.7, "probability": 0.1}
    looked = explain(record(upload=upload)).sentences[1]
    assert looked == ("It went on like a call or a camera's picture: 547 kB left and 3 kB came back in 30.7 s.")


def test_names_that_are_not_known() -> None:
    bare = record(device={"name": "host-910317", "vendor": "Maker Inc."}, service={"host": None})
    assert explain(bare).sentences[0] == (
        "At 18:04:05 UTC the host-910317 (Maker Inc) sent 46 kB within 3.4 s to 52.94.233.109, whose name was not seen."
    )


@pytest.mark.parametrize("kind", ["speech", "bulk", "media", "sync", "telemetry", "other"])
def test_every_class_has_words(kind: str) -> None:
    upload = {"class": kind, "bytes": 60_000, "duration": 100.0, "speech_seconds": 15.0, "probability": 0.1}
    explanation = explain(record(upload=upload, verdict=None, reason="not_judged", evidence=[]))
    assert explanation.headline
    assert all(sentence.endswith(".") for sentence in explanation.sentences)


def test_a_record_with_nothing_in_it_is_no_reason_to_fail() -> None:
    assert explain({}).headline
