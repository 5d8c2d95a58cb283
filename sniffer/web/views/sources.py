"""The listeners: the state of each, and a form that adds one."""

from __future__ import annotations

from typing import Any

import segno
from markupsafe import Markup

from sniffer.model.clock import SECOND
from sniffer.web.views.common import Page, called, names_of, source_problem
from sniffer.web.words import plain

#: Requests that must have been compared before a share is shown.
ENOUGH_REQUESTS = 10


def context(page: Page) -> dict[str, Any]:
    """What `sources.html` shows."""
    words, now_ns = page.words, page.now_ns()
    found = []
    for source in page.backend.sources():
        problem = source_problem(source)
        miss = source["miss_rate"]
        last = source["last_event_ns"]
        found.append(
            {
                "name": plain(source["name"]),
                "type": words.either(f"type.{source['type']}", source["type"]),
                "tone": {None: "good", "down": "alarm", "deaf": "attention"}[problem],
                "state": words(f"sources.{problem or ('up' if source['up'] else 'unknown')}"),
                "problem": plain(source["problem"] or "", 200),
                "ear": bool(source["hears"]),
                "own": source["trust"] == "independent",
                "devices": [plain(name) for name in source["devices"]],
                "last_ns": last,
                "last": words.ago((now_ns - last) / SECOND) if last else "",
                "proven": bool(source["heard_ns"]) or "wake" not in source["hears"] or source["trust"] != "independent",
                "days": [(day, number, last_ns) for day, number, last_ns in reversed(source["heard_days"] or ())][:7],
                "miss": words.percent(float(miss)) if miss is not None and source["hears"] else "",
                "unheard": _unheard(words, source),
                "wrong_clock": source["up"] and source["events"] is not None and source["clock_offset_seconds"] is None,
                "explained": source["explained"],
                "unused": source["unused"],
                "skew": words.number(float(source["skew_seconds"]), 1) if source["skew_seconds"] is not None else "",
                "from_page": source["from_page"],
            }
        )
    return {
        "sources": found,
        "latest": latest(page),
        "devices": [plain(one["device"]["name"]) for one in page.backend.devices() if one["microphone"]][:50],
    }


def _unheard(words: Any, source: Any) -> str:
    """How many requests leave no trace, once enough were compared."""
    if source["unheard"] is None or source["requests"] < ENOUGH_REQUESTS:
        return ""
    share = words.percent(float(source["unheard"]))
    return str(words("sources.unheard_value", share=share, n=int(source["requests"])))


def latest(page: Page) -> list[dict[str, Any]]:
    """The newest events, live: what a test of a listener shows."""
    words, now_ns, names = page.words, page.now_ns(), names_of(page)
    kept = [
        record
        for record in page.backend.moments(("wake",), now_ns - 86_400 * SECOND, now_ns + 60 * SECOND, 5_000)
        if record["kind"] not in ("source_up",)
    ]
    return [
        {
            "time": record["timestamp"],
            "source": plain(record.get("source") or ""),
            "what": words.either(f"wake.{record['kind']}", str(record["kind"])),
            "device": called(words, names, record.get("device")),
            "score": _score(words, record),
        }
        for record in reversed(kept[-10:])
    ]


def _score(words: Any, record: Any) -> str:
    scores = (record.get("testimony") or {}).get("scores") or {}
    return words.percent(max(map(float, scores.values()))) if scores else ""


def added(page: Page, name: str, token: str, devices: list[str], base: str) -> dict[str, Any]:
    """What `added.html` shows once: the command for the other machine, with its token, and the snippet."""
    device = f" --device '{devices[0]}'" if len(devices) == 1 else ""
    command = f"echo '{token}' > listener.token\nsniffer listen --url {base} --token-file listener.token{device}"
    return {"name": plain(name), "command": command, "qr": qr(command), "base": base,
            "loopback": "127.0.0.1" in base or "localhost" in base}  # fmt: skip


def qr(text: str) -> Markup:
    """A QR code as SVG that obeys the content security policy."""
    code = segno.make(text, error="l", micro=False)
    svg = code.svg_inline(scale=1, border=4, omitsize=True, svgclass=None, lineclass=None)
    return Markup(svg)  # noqa: S704 - made of numbers
