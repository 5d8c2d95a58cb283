"""The judge's values as JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from sniffer.judge.case import Case, Hit, Speaker, Stage
from sniffer.judge.coverage import Mark
from sniffer.judge.learning import Known
from sniffer.model import Loss, Upload, Verdict, WakeEvent

UPLOAD: TypeAdapter[Upload] = TypeAdapter(Upload)
EVENT: TypeAdapter[WakeEvent] = TypeAdapter(WakeEvent)
LOSS: TypeAdapter[Loss] = TypeAdapter(Loss)
SPEAKER: TypeAdapter[Speaker] = TypeAdapter(Speaker)
MARKS: TypeAdapter[list[Mark]] = TypeAdapter(list[Mark])
_KNOWN: TypeAdapter[dict[str, Known]] = TypeAdapter(dict[str, Known])
_HITS: TypeAdapter[dict[str, Hit]] = TypeAdapter(dict[str, Hit])
_VERDICT: TypeAdapter[Verdict | None] = TypeAdapter(Verdict | None)


def dump_case(case: Case) -> dict[str, Any]:
    """One case."""
    return {
        "upload": UPLOAD.dump_python(case.upload, mode="json"),
        "speaker": SPEAKER.dump_python(case.speaker, mode="json"),
        "due_ns": case.due_ns,
        "known": _KNOWN.dump_python(case.known, mode="json"),
        "odds": case.odds,
        "answer_rate": case.answer_rate,
        "stage": int(case.stage),
        "verdict": _VERDICT.dump_python(case.verdict, mode="json"),
        "unasked": case.unasked,
        "hits": _HITS.dump_python(dict(case.hits), mode="json"),
        "listened": sorted(case.listened),
        "joined": case.joined,
    }


def load_case(saved: Mapping[str, Any]) -> Case:
    """One case, as `dump_case` gave it."""
    return Case(
        upload=UPLOAD.validate_python(saved["upload"]),
        speaker=SPEAKER.validate_python(saved["speaker"]),
        due_ns=int(saved["due_ns"]),
        known=_KNOWN.validate_python(saved["known"]),
        odds=float(saved["odds"]),
        answer_rate=float(saved["answer_rate"]),
        stage=Stage(saved["stage"]),
        verdict=_VERDICT.validate_python(saved["verdict"]),
        unasked=float(saved["unasked"]),
        hits=_HITS.validate_python(saved["hits"]),
        listened=frozenset(saved["listened"]),
        joined=bool(saved["joined"]),
    )
