"""One upload: what happened, why we think so, what it looked like, and what would have changed it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from sniffer.model import Record
from sniffer.model.clock import SECOND, parse_timestamp
from sniffer.web.svg import bars, weight_bar
from sniffer.web.views.common import (
    JUDGED,
    Page,
    answer_words,
    called,
    device_link,
    names_of,
    row,
    summary_of,
    upload_of,
)
from sniffer.web.words import Words, plain

#: Wake events and answers this near are shown.
NEAR_SECONDS = 120
MOST_NEAR = 12
#: Seconds of one bin; of an upload that was added up from small pieces, a minute.
BIN_SECONDS, SUM_SECONDS = 0.25, 60.0


def context(page: Page, record: Record) -> dict[str, Any]:
    """What `upload.html` shows."""
    words = page.words
    start_ns = parse_timestamp(str(record["timestamp"]))
    near = page.backend.moments(
        ("wake", "answer"), start_ns - NEAR_SECONDS * SECOND, start_ns + NEAR_SECONDS * SECOND, 500
    )
    return {
        **described(words, record),
        "wakes": _wakes(page, near, start_ns),
        "answers": _answers(page, str(record["id"])),
        "can_answer": record.get("verdict") is not None,
        "has_capture": page.backend.capture_file(str(record["id"])) is not None,
        "timeline": "/timeline?"
        + urlencode({"span": "10m", "at": words.local(start_ns).replace(tzinfo=None).isoformat(timespec="minutes")}),
    }


def described(words: Words, record: Record) -> dict[str, Any]:
    """An upload in words and pictures; the report of a capture shows the same."""
    upload = record["upload"]
    shown = row(words, summary_of(record))
    bins = [float(amount) for amount in upload.get("bins") or ()]
    body = upload.get("body")
    marked = (int(body[0]), int(body[1])) if body else None
    seconds = BIN_SECONDS if upload.get("packets") else SUM_SECONDS
    score = float(upload.get("score") or 0)
    return {
        **shown,
        "upload": upload,
        "headline": headline(words, record),
        "sentences": sentences(words, record),
        "would_change": words.change(str(record.get("reason"))),
        "service": plain((record.get("service") or {}).get("host") or record.get("dest_ip") or "", 120),
        "role": words.either(f"role.{(record.get('service') or {}).get('role')}", ""),
        "address": plain(f"{record.get('dest_ip')}:{record.get('dest_port')} {record.get('proto')}", 80),
        "evidence": _evidence(words, record, score),
        "score": words.number(score, 1),
        "picture": bars(bins, marked, words("upload.picture", most=words.size(max([*bins, 0.0])), n=len(bins)))
        if bins
        else "",
        "bins": ",".join(str(int(amount)) for amount in bins),
        "body": ",".join(map(str, marked)) if marked else "",
        "bin_seconds": seconds,
        "picture_seconds": words.duration(len(bins) * seconds),
        "confidence": words.percent(float(record.get("confidence") or 0)),
        "probability": words.percent(float(upload.get("probability") or 0)),
        "sent": words.size(float(upload.get("bytes") or 0)),
        "came_back": words.size(float(upload.get("bytes_toclient") or 0)),
        "listened": [plain(name) for name in record.get("listened") or ()],
        "rules": [str(rule) for rule in record.get("rules") or ()],
        "revision": record.get("revision") or 0,
        "flows": [plain(flow, 120) for flow in (record.get("flows") or ())[:20]],
        "capture": plain(record.get("capture") or "", 120),
    }


def headline(words: Words, record: Record) -> str:
    """One sentence: what left which device, and whether it was asked for."""
    shown = summary_of(record)
    what = words.amount(shown.upload_class, shown.speech_seconds, shown.duration)
    text = words(f"headline.{shown.verdict or 'none'}", what=what, device=plain(shown.device))
    return text[:1].upper() + text[1:]


def sentences(words: Words, record: Record) -> list[str]:
    """What happened, what it looked like, and whether it was asked for."""
    shown, upload = summary_of(record), record["upload"]
    service = record.get("service") or {}
    target = plain(service.get("host") or record.get("dest_ip") or "?", 120)
    found = [
        words(
            "upload.what",
            device=plain(shown.device),
            amount=words.size(float(upload.get("bytes") or 0)),
            duration=words.duration(shown.duration),
            target=target,
            role=words.either(f"role.{service.get('role')}", ""),
        ),
        words(f"looks.{shown.upload_class}", probability=words.percent(float(upload.get("probability") or 0))),
    ]
    if shown.verdict:
        why = words.why(shown.reason)
        if shown.verdict in ("expected", "unexpected"):  # that it is unclear has no probability
            confidence = words.percent(float(record.get("confidence") or 0))
            why = words("upload.sure", why=why.rstrip("."), confidence=confidence)
        found.append(why)
    return found


def _evidence(words: Words, record: Record, score: float) -> list[dict[str, Any]]:
    items = list(record.get("evidence") or ())
    weights = [float(item.get("weight") or 0) for item in items]
    rest = score - sum(weights)
    most = max([*(abs(weight) for weight in weights), abs(rest), 1.0])
    found = [
        {
            "text": words.evidence(item),
            "weight": words.number(weight, 1),
            "sign": weight >= 0,
            "bar": weight_bar(weight, most),
        }
        for item, weight in zip(items, weights, strict=True)
    ]
    if record["upload"].get("class") in JUDGED and record["upload"].get("packets"):
        found.append(
            {
                "text": words("upload.prior"),
                "weight": words.number(rest, 1),
                "sign": rest >= 0,
                "bar": weight_bar(rest, most),
            }
        )
    return found


def _wakes(page: Page, near: Any, start_ns: int) -> list[dict[str, Any]]:
    words, names = page.words, names_of(page)
    found: list[dict[str, Any]] = []
    for record in near:
        if record["event_type"] != "wake":
            continue
        time_ns = parse_timestamp(str(record["timestamp"]))
        gap = (start_ns - time_ns) / SECOND
        key = "upload.before" if gap >= 0 else "upload.after"
        found.append(
            {
                "time_ns": time_ns,
                "near": abs(gap),
                "gap": words(key, duration=words.duration(abs(gap))),
                "what": words.either(f"wake.{record['kind']}", str(record["kind"])),
                "device": called(words, names, record.get("device")),
                "source": plain(record.get("source") or ""),
                "heard": heard(words, record),
            }
        )
    found.sort(key=lambda one: one["near"])
    return found[:MOST_NEAR]


def heard(words: Words, record: Record) -> str:
    """What a listener heard, where it testified."""
    testimony = record.get("testimony") or {}
    if not testimony:
        return ""
    scores = testimony.get("scores") or {}
    best = max([float(score) for score in scores.values()], default=0.0)
    return words("wake.heard", score=words.percent(best), voice=words.percent(float(testimony.get("voice") or 0)))


def _answers(page: Page, identifier: str) -> list[dict[str, Any]]:
    return [
        {"time": record["timestamp"], "answer": answer_words(page.words, record),
         "way": plain(record.get("source") or "")}
        for record in page.backend.answers(500)
        if upload_of(record) == identifier
    ]  # fmt: skip


def link_of(record: Record) -> str:
    """The page of the device that sent it."""
    device = record["device"]
    return device_link(str(device.get("mac") or device.get("ip") or ""))
