"""The question that a person is asked about one upload."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from sniffer.model import Answer

#: What the buttons say.
ANSWER_WORDS: Mapping[Answer, str] = {
    Answer.YES: "I asked",
    Answer.NO: "Nobody asked",
    Answer.UNSURE: "Not sure",
}


def question_text(record: Mapping[str, Any], zone: tzinfo = UTC) -> str:
    """Return the question about an `upload` record, dated in `zone`: "2026-11-22 18:04 UTC, kitchen: ..."."""
    moment = datetime.fromisoformat(record["timestamp"]).astimezone(zone)
    device, seconds = record["device"]["name"], float(record["upload"]["speech_seconds"])
    return f"{moment:%Y-%m-%d %H:%M %Z}, {device}: {seconds:.1f} s of speech may have left. Did somebody ask for it?"
