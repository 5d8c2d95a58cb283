"""Wake events as JSON, from any sender: checked before they are believed.

``{"timestamp": ISO-8601 or epoch seconds, "device": name | MAC | null, "source": text, "kind": "wake" | "mute" |
"unmute" | "call_start" | "call_end" | "view_start" | "view_end" | "away" | "home" | "source_up" | "source_down" |
"testimony", "trust": "independent" | "self_report"}``; `kind` defaults to `wake`, `trust` to `independent`; `null` is
every speaker in the house. `vendor` limits an event to one vendor's speakers, `miss_rate` belongs to `source_up`,
`testimony` to `testimony`. The kinds `answer` and `misdated` are made by the program, and only files may hold them.
A time without a zone is in the local zone of this machine.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from sniffer.errors import MisdatedError, WakeError
from sniffer.model import Answer, Testimony, Trust, WakeEvent, WakeKind
from sniffer.model.clock import SECOND, parse_written

#: What may be in an event; more is refused, because a misspelt `device` would speak for the whole house.
KEYS = frozenset(
    {
        "timestamp", "device", "source", "kind", "trust", "vendor", "miss_rate", "event_type", "received", "note",
        "testimony", "upload_id", "answer",
    }
)  # fmt: skip
#: How far from the time of its arrival an event may lie. An event from the past explains away what was sent in the
#: past, so that ends; a clock may be a little fast.
PAST_NS, FUTURE_NS = 24 * 3600 * SECOND, 60 * SECOND
#: 1970 to 2200: what lies outside is no time, but a unit mistaken.
_FIRST, _LAST = 0, 7_258_118_400
#: A testimony covers at most this span: a question is about eight seconds.
LONGEST_SPAN_NS = 60 * SECOND
#: A testimony is refused after this time: a listener remembers ten minutes.
TESTIMONY_PAST_NS = 900 * SECOND
#: A span may end this long after its arrival: clocks differ a little.
SPAN_FUTURE_NS = 2 * SECOND
#: Wake words in one testimony.
MAX_SCORES = 16
#: Levels in dB relative to full scale that a microphone can have.
LEAST_DB, MOST_DB = -200.0, 20.0
#: Kinds that only this program makes.
_OWN_KINDS = frozenset({WakeKind.ANSWER, WakeKind.MISDATED})
#: More than this is no wake event.
MAX_LINE = 64 * 1024


def parse_event(
    mapping: object,
    received_ns: int | None = None,
    *,
    source: str | None = None,
    trust: Trust | None = None,
) -> WakeEvent:
    """One event. Raises WakeError, whose message says what is wrong with which key.

    `received_ns` is the time of arrival of a live event: then `timestamp` may be missing (it is now), and must be near
    it. Without `received_ns` the event is from a file, and its own `received` is believed. `source` is the sender, if
    it is known: the event need not name it, and must not name another. `trust` is the most that the event can have.
    """
    if not isinstance(mapping, Mapping):
        raise WakeError("a wake event is a JSON object")
    unknown = sorted(str(key)[:40] for key in mapping if key not in KEYS)
    if unknown:
        raise WakeError(f"unknown key {unknown[0]!r} in a wake event; known: {', '.join(sorted(KEYS))}")
    event_type = mapping.get("event_type", "wake")
    if event_type not in ("wake", "answer"):
        raise WakeError("event_type must be 'wake'")
    if event_type == "answer":
        mapping = {**mapping, "kind": "answer"}
    named = _text(mapping, "source") or source
    if named is None:
        raise WakeError("the key 'source' is missing: who says so?")
    if source is not None and named != source:
        raise WakeError(f"this sender speaks for the source '{source}', not for '{named}'")
    kind = WakeKind(_choice(mapping, "kind", [str(kind) for kind in WakeKind], str(WakeKind.WAKE)))
    if kind in _OWN_KINDS and received_ns is not None:
        raise WakeError(f"events of kind '{kind}' are not accepted here")
    testimony = _testimony(mapping, kind, received_ns)
    time_ns = _time(mapping, "timestamp")
    if time_ns is None:
        if received_ns is None:
            raise WakeError("the key 'timestamp' is missing")
        time_ns = received_ns
    if testimony is not None:
        time_ns = testimony.to_ns
    elif received_ns is not None:
        check_time(time_ns, received_ns)
    miss_rate = mapping.get("miss_rate")
    if miss_rate is not None and (not _is_number(miss_rate) or not 0 <= miss_rate <= 1):
        raise WakeError("miss_rate must be a number from 0 to 1")
    upload, answer = _answer(mapping, kind)
    return WakeEvent(
        time_ns=time_ns,
        source=named,
        kind=kind,
        device=_device(mapping),
        trust=_trust(mapping, kind, trust),
        received_ns=received_ns if received_ns is not None else _time(mapping, "received") or time_ns,
        vendor=_text(mapping, "vendor"),
        miss_rate=None if miss_rate is None else float(miss_rate),
        testimony=testimony,
        upload=upload,
        answer=answer,
    )


def parse_answer(mapping: Mapping[str, Any], received_ns: int, source: str) -> WakeEvent:
    """Return a person's answer (`upload_id` and `answer`) that just came by the way `source`. Raises WakeError."""
    upload, answer = _answer(mapping, WakeKind.ANSWER)
    return WakeEvent(
        received_ns, source, WakeKind.ANSWER, None, Trust.PERSON, received_ns, upload=upload, answer=answer
    )


def _trust(mapping: Mapping[Any, Any], kind: WakeKind, most: Trust | None) -> Trust:
    """Return the trust of an event. Only answers are a person's word."""
    if kind is WakeKind.ANSWER:
        return Trust.PERSON
    stated = Trust(_choice(mapping, "trust", [Trust.INDEPENDENT, Trust.SELF_REPORT], Trust.INDEPENDENT))
    return Trust.SELF_REPORT if most is Trust.SELF_REPORT else stated


def _answer(mapping: Mapping[Any, Any], kind: WakeKind) -> tuple[str | None, Answer | None]:
    if kind is not WakeKind.ANSWER:
        if mapping.get("upload_id") is not None or mapping.get("answer") is not None:
            raise WakeError("'upload_id' and 'answer' belong to events of kind 'answer'")
        return None, None
    upload = _text(mapping, "upload_id")
    if upload is None or mapping.get("answer") is None:
        raise WakeError("an event of kind 'answer' needs the keys 'upload_id' and 'answer'")
    return upload, Answer(_choice(mapping, "answer", [str(answer) for answer in Answer], ""))


def _testimony(mapping: Mapping[Any, Any], kind: WakeKind, received_ns: int | None) -> Testimony | None:
    """Return the testimony of an event. Raises WakeError, or MisdatedError if it claims seconds that the listener
    cannot have heard, or no longer remembers."""
    value = mapping.get("testimony")
    if (kind is WakeKind.TESTIMONY) != (value is not None):
        raise WakeError("events of kind 'testimony', and no others, have the key 'testimony'")
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise WakeError("testimony must be a JSON object")
    unknown = sorted(str(key)[:40] for key in value if key not in _TESTIMONY_KEYS)
    missing = sorted(_TESTIMONY_KEYS - set(value))
    if unknown or missing:
        raise WakeError(f"testimony has the keys {', '.join(sorted(_TESTIMONY_KEYS))}, not {(unknown or missing)[0]!r}")
    from_ns, to_ns = parse_time(value["from"], "testimony.from"), parse_time(value["to"], "testimony.to")
    if not 0 < to_ns - from_ns <= LONGEST_SPAN_NS:
        raise WakeError(f"a testimony covers more than 0 and at most {LONGEST_SPAN_NS // SECOND} s")
    if received_ns is not None:
        if to_ns - received_ns > SPAN_FUTURE_NS:
            raise MisdatedError("the testimony ends in the future: is the sender's clock right?")
        if received_ns - from_ns > TESTIMONY_PAST_NS:
            raise MisdatedError(f"the testimony is older than {TESTIMONY_PAST_NS // SECOND} s")
    span = (to_ns - from_ns) / SECOND
    return Testimony(
        from_ns=from_ns,
        to_ns=to_ns,
        scores=_scores(value["scores"]),
        voice=_number(value, "voice", 0.0, 1.0, 3),
        level_db=_number(value, "level_db", LEAST_DB, MOST_DB, 1),
        noise_db=_number(value, "noise_db", LEAST_DB, MOST_DB, 1),
        seconds=_number(value, "seconds", 0.0, span + 0.5, 2),
    )


_TESTIMONY_KEYS = frozenset({"from", "to", "scores", "voice", "level_db", "noise_db", "seconds"})


def _scores(value: object) -> tuple[tuple[str, float], ...]:
    if not isinstance(value, Mapping) or len(value) > MAX_SCORES:
        raise WakeError(f"testimony.scores must be a JSON object of at most {MAX_SCORES} wake words")
    return tuple(
        (check_text("testimony.scores", word), _number(value, word, 0.0, 1.0, 4)) for word in sorted(value, key=str)
    )


def _number(mapping: Mapping[Any, Any], key: str, least: float, most: float, digits: int) -> float:
    """Return a number, rounded as records are: the event log gives the same verdicts as the events did."""
    value = mapping[key]
    if not _is_number(value) or not least <= value <= most:
        raise WakeError(f"testimony: {str(key)[:40]} must be a number from {least:g} to {most:g}")
    return round(float(value), digits)


def check_time(time_ns: int, received_ns: int) -> None:
    """Refuse a time that lies too far from its arrival. Raises MisdatedError."""
    if time_ns - received_ns > FUTURE_NS:
        seconds = (time_ns - received_ns) // SECOND
        raise MisdatedError(f"the event lies {seconds} s in the future: is the sender's clock right?")
    if received_ns - time_ns > PAST_NS:
        hours = (received_ns - time_ns) / (3600 * SECOND)
        raise MisdatedError(
            f"the event is {hours:.1f} h old; after {PAST_NS // (3600 * SECOND)} h nothing is explained"
        )


def check_text(key: str, value: object) -> str:
    """Refuse what is no name: what a sender says is stored, and shown on terminals. Raises WakeError."""
    if not isinstance(value, str) or not 0 < len(value) <= 64 or not value.isprintable():
        raise WakeError(f"{key} must be text of 1 to 64 printable characters")
    return value


def parse_json(text: str | bytes) -> Any:
    """JSON of a sane size. Raises WakeError."""
    if len(text) > MAX_LINE:
        raise WakeError(f"over {MAX_LINE} bytes: that is no wake event")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "not UTF-8 text or nested too deeply"
        raise WakeError(f"not JSON: {reason}") from None


def parse_time(value: object, key: str = "timestamp") -> int:
    """Return ISO-8601 (local time where no zone is given) or epoch seconds as nanoseconds. Raises WakeError."""
    if isinstance(value, str):
        try:
            nanoseconds = parse_written(value)
        except ValueError:
            raise WakeError(f"{key} {value[:40]!r} is neither ISO-8601 nor a number of seconds") from None
        except OverflowError:
            raise WakeError(f"{key} {value[:40]!r} is out of range") from None
    elif _is_number(value):
        assert isinstance(value, int | float)
        if abs(value) >= 1e11:
            raise WakeError(f"{key} is in seconds since 1970; {str(value)[:20]} looks like milliseconds or finer")
        nanoseconds = value * SECOND if isinstance(value, int) else round(value * 1e6) * 1000
    else:
        raise WakeError(f"{key} must be ISO-8601 text or a number of seconds since 1970")
    if not _FIRST * SECOND <= nanoseconds <= _LAST * SECOND:
        raise WakeError(f"{key} {str(value)[:40]!r} is not a time from 1970 to 2200")
    return nanoseconds


def _time(mapping: Mapping[Any, Any], key: str) -> int | None:
    value = mapping.get(key)
    return None if value is None else parse_time(value, key)


def _is_number(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _text(mapping: Mapping[Any, Any], key: str) -> str | None:
    value = mapping.get(key)
    if value is None:
        return None
    return check_text(key, value)


def _device(mapping: Mapping[Any, Any]) -> str | None:
    """Return the device's name: text, or the object that a `wake` record has."""
    value = mapping.get("device")
    if isinstance(value, Mapping):
        return check_text("device.name", value.get("name"))
    return _text(mapping, "device")


def _choice(mapping: Mapping[Any, Any], key: str, known: list[str], default: str) -> str:
    value = mapping.get(key)
    if value is None:
        return default
    if not isinstance(value, str) or value not in known:
        raise WakeError(f"{key} must be one of {', '.join(known)}; not {str(value)[:40]!r}")
    return value
