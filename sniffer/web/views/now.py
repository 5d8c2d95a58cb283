"""The first view: is all well, what left today, what waits for an answer, and does the monitor see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sniffer.model import Record
from sniffer.model.clock import SECOND, parse_timestamp
from sniffer.model.summaries import UploadCount
from sniffer.web.svg import share_bar
from sniffer.web.views.common import (
    VERDICTS,
    Page,
    add_up,
    counts_by_device,
    day_of,
    device_link,
    ears,
    newest_name,
    row,
    source_problem,
)
from sniffer.web.words import Words, plain

#: Questions, uploads and devices that the first view shows; the other views have the rest.
MOST_QUESTIONS, MOST_UPLOADS, MOST_DEVICES = 2, 6, 12
#: Seconds without a packet after which the capture seems to see nothing.
QUIET_SECONDS = 300


def context(page: Page) -> dict[str, Any]:
    """What `now.html` shows."""
    words, backend = page.words, page.backend
    state = backend.state()
    begin, end = day_of(words, state["now_ns"])
    counts = backend.counts(begin, end)
    sources, targets = backend.sources(), backend.targets()
    questions = backend.questions()
    today = add_up(counts)
    monitor = [*capture_line(words, state), ears_line(words, sources), alerts_line(words, targets)]
    tone, sentence = headline(words, state, today.uploads, len(questions), monitor)
    notable = backend.summaries(begin, end, verdicts=("unexpected", "inconclusive"), newest=MOST_UPLOADS)
    if not notable:
        notable = backend.summaries(begin, end, verdicts=("expected",), newest=MOST_UPLOADS)
    return {
        "tone": tone,
        "sentence": sentence,
        "state": state,
        "listening": [listening(words, record, state["now_ns"]) for record in state["listening"]],
        "today": today,
        "day_ns": state["now_ns"],
        "devices": _devices(words, counts),
        "questions": [row(words, upload) for upload in questions[:MOST_QUESTIONS]],
        "more_questions": max(0, len(questions) - MOST_QUESTIONS),
        "uploads": [row(words, upload) for upload in notable],
        "monitor": monitor,
        "first_time": not state["replayed"]
        and (not any(device["microphone"] for device in backend.devices()) or not ears(sources)),
    }


def headline(
    words: Words, state: Record, today: dict[str, int], questions: int, monitor: list[dict[str, Any]]
) -> tuple[str, str]:
    """The sentence on top and its tone: what matters most, first."""
    broken = next((line for line in monitor if line["tone"] == "alarm"), None)
    if state["listening"]:
        names = ", ".join(sorted({plain(record["device"]["name"], 30) for record in state["listening"]})[:3])
        return "listening", words("now.listening", device=names)
    if broken is not None:
        return "alarm", words("now.blind", problem=broken["text"])
    if today["unexpected"]:
        return "alarm", words("now.unasked", n=today["unexpected"])
    if questions:
        return "attention", words("now.asked", n=questions)
    doubtful = next((line for line in monitor if line["tone"] == "attention"), None)
    if doubtful is not None:
        return "attention", words("now.doubtful", problem=doubtful["text"])
    if today["inconclusive"]:
        return "attention", words("now.unclear", n=today["inconclusive"])
    if today["expected"]:
        return "good", words("now.good", n=today["expected"])
    return "good", words("now.nothing")


def capture_line(words: Words, state: Record) -> list[dict[str, Any]]:
    """Whether packets are seen."""
    link = "/health"
    down = next((source for source in state["captures"] if not source["up"]), None)
    if state["replayed"]:
        return [_line(words, "capture", "good", words("monitor.replay", capture=plain(state["capture"], 80)), link)]
    if not state["ready"]:
        return [_line(words, "capture", "alarm", words("monitor.starting", reason=state["reason"]), link)]
    if down is not None:
        key = "monitor.sender_down" if down["remote"] else "monitor.interface_down"
        return [_line(words, "capture", "alarm", words(key, name=plain(down["name"], 40)), link)]
    last = state["last_packet_ns"]
    quiet = (state["now_ns"] - (last or state["began_ns"])) / SECOND
    if quiet > QUIET_SECONDS:
        text = words("monitor.no_packets", duration=words.duration(quiet))
        return [_line(words, "capture", "alarm", text, link)]
    if not state["watched"]:
        return [_line(words, "capture", "attention", words("monitor.no_device"), "/devices")]
    text = words("monitor.capturing", n=state["watched"], capture=plain(state["capture"], 40))
    return [_line(words, "capture", "good", text, link)]


def ears_line(words: Words, sources: Any) -> dict[str, Any]:
    """Whether something hears who asks."""
    listening = ears(sources)
    broken = [source for source in listening if source_problem(source)]
    if not listening:
        return _line(words, "ears", "attention", words("monitor.no_ear"), "/sources")
    if broken:
        names = ", ".join(plain(source["name"], 30) for source in broken[:3])
        key = "monitor.ear_down" if source_problem(broken[0]) == "down" else "monitor.ear_deaf"
        return _line(words, "ears", "attention", words(key, name=names), "/sources")
    return _line(words, "ears", "good", words("monitor.ears", n=len(listening)), "/sources")


def alerts_line(words: Words, targets: Any) -> dict[str, Any]:
    """Whether alerts arrive."""
    failing = [target for target in targets if target["error"]]
    if not targets:
        return _line(words, "alerts", "idle", words("monitor.no_target"), "/rules")
    if failing:
        text = words("monitor.target_fails", name=plain(failing[0]["name"], 40), n=failing[0]["waiting"])
        return _line(words, "alerts", "attention", text, "/rules")
    return _line(words, "alerts", "good", words("monitor.targets", n=len(targets)), "/rules")


def _line(words: Words, what: str, tone: str, text: str, link: str) -> dict[str, Any]:
    return {"what": words(f"monitor.part.{what}"), "tone": tone, "text": text, "link": link}


def listening(words: Words, record: Record, now_ns: int) -> dict[str, Any]:
    """A device that sends what could be a voice, now."""
    start_ns = parse_timestamp(str(record["start"]))
    return {
        "device": plain(record["device"]["name"]),
        "link": device_link(str(record["device"].get("mac") or record["device"].get("ip") or "")),
        "start_ns": start_ns,
        "for": words.duration(max(0.0, (now_ns - start_ns) / SECOND)),
        "host": plain(record["service"].get("host") or record["dest_ip"]),
    }


def _devices(words: Words, counts: Sequence[UploadCount]) -> list[dict[str, Any]]:
    found = [(add_up(some), key, some) for key, some in counts_by_device(counts).items()]
    found = [one for one in found if one[0].number]
    found.sort(key=lambda one: (-one[0].uploads["unexpected"], -one[0].total))
    most = max([counted.total for counted, _, _ in found], default=0.0) or 1.0
    return [
        {
            "name": plain(newest_name(some)),
            "link": device_link(key),
            "seconds": counted.total,
            "uploads": counted.uploads,
            "number": counted.number,
            "bar": share_bar(
                [(kind, counted.seconds[kind] / most) for kind in VERDICTS],
                ", ".join(f"{words(f'verdict.{kind}')}: {words.duration(counted.seconds[kind])}" for kind in VERDICTS),
            ),
        }
        for counted, key, some in found[:MOST_DEVICES]
    ]
