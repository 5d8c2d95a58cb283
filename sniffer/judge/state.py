"""The judge's memory as one tree of dataclasses, written and read in one call."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter

from sniffer.judge.case import Case
from sniffer.judge.coverage import Mark
from sniffer.judge.learning import Learned
from sniffer.judge.queue import Item
from sniffer.model import FlowKey, WakeEvent

Kind = TypeVar("Kind")
logger = logging.getLogger(__name__)

#: Raised when the tree changes in a way that older programs cannot read.
VERSION = 5


@dataclass(slots=True)
class JudgeState:
    """Everything that a judge remembers; times in nanoseconds."""

    now_ns: int
    refused: int
    last_number: int
    cases: list[Case]
    queue: list[Item]
    events: list[WakeEvent]
    unknown_sources: list[str]
    uptime: dict[str, list[Mark]]
    outages: dict[str, list[tuple[int, int]]]
    switches: dict[str, list[Mark]]
    losses: list[tuple[int, int]]
    testimonies: list[WakeEvent] = field(default_factory=list)
    clocks: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    misdated: dict[str, list[int]] = field(default_factory=dict)
    answers: list[WakeEvent] = field(default_factory=list)
    questions: dict[int, list[int]] = field(default_factory=dict)
    clock_doubt: list[tuple[int, int]] = field(default_factory=list)
    learned: Learned = field(default_factory=Learned)
    version: int = VERSION


@cache
def _adapter(kind: type[Kind]) -> TypeAdapter[Kind]:
    """Return what reads and writes a tree of this kind; made when first needed, since that takes long."""
    return TypeAdapter(kind)


def dump(state: JudgeState) -> dict[str, Any]:
    """Return the tree as JSON values."""
    dumped: dict[str, Any] = _adapter(JudgeState).dump_python(state, mode="json")
    return dumped


def load(values: Mapping[str, Any]) -> JudgeState | None:
    """Read what `dump` returned, also that of version 4. The loss of a state that cannot be read is logged.

    Raises ValueError or LookupError if a state of a known version is damaged.
    """
    version = values.get("version")
    if version == 4:
        values = _from_version_4(values)
    elif version != VERSION:
        logger.warning(
            "the judge's memory has version %r and this program reads versions 4 and %d: what was learned of wake "
            "sources and devices is lost, and uploads that waited for their verdict get none",
            version,
            VERSION,
        )
        return None
    state: JudgeState = _adapter(JudgeState).validate_python(values)
    return state


#: How version 4 numbered what waits.
_WAITING_4 = ("event", "loss", "upload", "verdict", "review", "settle_case", "settle_event")


def _from_version_4(old: Mapping[str, Any]) -> dict[str, Any]:
    """Version 4 had no case numbers, kept ranks and values of the queue in lists, and learned values without names."""
    cases = [{**case, "number": number} for number, case in enumerate(old["cases"], start=1)]
    numbers = {_order_4(case): case["number"] for case in cases}
    queue = []
    for serial, (time_ns, rank, value, extra) in enumerate(old["waiting"], start=1):
        kind = _WAITING_4[rank]
        work: dict[str, Any] = {"kind": kind}
        if kind in ("verdict", "settle_case"):
            if not isinstance(value, list) or tuple(value) not in numbers:
                continue
            work |= {"case": numbers[tuple(value)], "order": value}
            key = value
        elif kind == "upload":
            work |= {"upload": value, "speaker": extra}
            key = list(_order_4({"upload": value}))
        elif kind == "loss":
            work |= {"loss": value}
            key = [value["start_ns"], value["interface"], value["packets"]]
        else:
            work |= {"event": value}
            names = ("source", "kind", "device", "vendor", "trust")
            key = [value["time_ns"], *(value[name] or "" for name in names)]
        queue.append({"time_ns": time_ns, "rank": rank, "key": key, "serial": serial, "work": work})
    return {
        "now_ns": old["now_ns"],
        "refused": old["refused"],
        "last_number": len(cases),
        "cases": cases,
        "queue": queue,
        "events": old["events"],
        "unknown_sources": old["strangers"],
        "uptime": old["presences"],
        "outages": old["deaf"],
        "switches": old["switches"],
        "losses": old["losses"],
        "learned": {
            "sources": {name: _source_4(name, item) for name, item in old["learning"]["sources"].items()},
            "devices": {key: _device_4(item) for key, item in old["learning"]["devices"].items()},
        },
    }


def _order_4(case: Mapping[str, Any]) -> tuple[Any, ...]:
    upload = case["upload"]
    flow = ""
    if upload["flows"]:
        flow = str(_adapter(FlowKey).validate_python(upload["flows"][0]))
    return (upload["start_ns"], upload["key"], upload["final_ns"], flow)


def _source_4(name: str, item: Mapping[str, Any]) -> dict[str, Any]:
    window = ("skew_ns", "before_ns", "after_ns", "calibrated", "spread_ns", "reach_ns")
    counts = ("events", "explained", "unused", "last_event_ns", "listened", "matched")
    return {
        "source": {"name": name},
        "miss": dict(zip(("missed", "heard"), item["miss"], strict=True)),
        "offsets": {
            "gaps": item["gaps"],
            "history": [(at, dict(zip(window, values, strict=True))) for at, *values in item["windows"]],
        },
        "misses": item["misses"],
        "delays": item["delays"],
        **dict(zip(counts, item["counts"], strict=True)),
    }


def _device_4(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "habit": dict(zip(("asked", "since_ns"), item["habit"], strict=True)),
        "answers": dict(zip(("answered", "silent"), item["answers"], strict=True)),
        "history": [[*entry, 1.0] for entry in item["history"]],
    }
