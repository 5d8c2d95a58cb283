"""From uploads to alerts: who is told what, and how often. No I/O; the state is a value that is handed in and out.

An upload is told once, whatever number of rules it matches. A rule that was told for a device is not told again during
its cooldown; what comes meanwhile is held, and told as one alert with a count. An alert whose uploads are all explained
later is resolved. The same records at the same times give the same alerts, with the same ids.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sniffer.alerts.digest import Digest, device_key
from sniffer.explain.headline import explained
from sniffer.judge.settings import AlertSettings
from sniffer.model import LEVELS, Record
from sniffer.model.clock import SECOND, parse_timestamp, timestamp
from sniffer.rules.engine import RuleSet

#: How much is remembered: uploads (to know them when they are judged again), open alerts, cooldowns, groups that are
#: held, maintenance windows, and ids in one alert.
MAX_UPLOADS, MAX_OPEN, MAX_COOLDOWNS, MAX_HELD, MAX_MUTES, MAX_IDS = 300, 300, 1000, 200, 200, 100

EVERY_DEVICE = "all"
_HOUR = 3600 * SECOND


class AlertPolicy:
    """`process` takes each upload record with its rules filled in; `advance` lets time pass.

    `rules` knows titles, levels and what to do.
    """

    def __init__(
        self,
        settings: AlertSettings | None = None,
        state: Mapping[str, Any] | None = None,
        *,
        rules: RuleSet | None = None,
    ) -> None:
        self._settings = settings or AlertSettings()
        self._cooldown_ns = round(self._settings.cooldown_minutes * 60 * SECOND)
        self._rules = {rule.id: rule for rule in (rules or RuleSet()).rules}
        state = state or {}
        self._digest = Digest(self._settings, state.get("digest"))
        self._uploads: dict[str, dict[str, Any]] = _copy(state.get("uploads"))
        self._open: dict[str, dict[str, Any]] = _copy(state.get("open"))
        self._held: dict[str, dict[str, Any]] = _copy(state.get("held"))
        self._cooldowns: dict[str, int] = dict(state.get("cooldowns") or {})
        self._mutes: dict[str, int] = dict(state.get("mutes") or {})
        self._raised: list[int] = list(state.get("raised") or ())

    def state(self) -> dict[str, Any]:
        """What a restart must not forget, as JSON."""
        return {
            "digest": self._digest.state(),
            "uploads": _copy(self._uploads),
            "open": _copy(self._open),
            "held": _copy(self._held),
            "cooldowns": dict(self._cooldowns),
            "mutes": dict(self._mutes),
            "raised": list(self._raised),
        }

    # --- maintenance windows ---

    def mute(self, device: str, until_ns: int) -> None:
        """No alerts for a device (its name or MAC, or `all`) until a time; a time that is over ends the window."""
        self._mutes[device.casefold()] = until_ns
        _bound(self._mutes, MAX_MUTES)

    def mutes(self, now_ns: int) -> dict[str, int]:
        """The windows in force: device and end."""
        return {device: until for device, until in self._mutes.items() if until > now_ns}

    def _muted(self, record: Record, now_ns: int) -> bool:
        device = record["device"]
        names = (EVERY_DEVICE, device["name"].casefold(), str(device["mac"]).casefold())
        return any(self._mutes.get(name, 0) > now_ns for name in names)

    # --- uploads ---

    def process(self, record: Record, now_ns: int) -> list[dict[str, Any]]:
        """One upload, new or judged again: the alerts and resolutions that follow from it."""
        if record["event_type"] != "upload":
            return []
        known = self._uploads.get(record["id"])
        if record["verdict"] is None and known is None:
            return []
        if known is not None and record["revision"] <= known["revision"]:
            return []
        self._count(record, known, now_ns)
        rules = self._told_rules(record)
        entry = {
            "revision": record["revision"],
            "day": self._digest.begin(now_ns),
            "counted": _counted(record),
            "alert": known["alert"] if known else None,
            "explained": known["explained"] if known else False,
        }
        self._uploads[record["id"]] = entry
        _bound(self._uploads, MAX_UPLOADS)
        if entry["alert"] is not None and not entry["explained"]:
            if rules:
                return []
            entry["explained"] = True
            return self._explained(record, entry["alert"], now_ns)
        if rules and entry["alert"] in self._open:  # it was told, explained, and no longer is
            self._open[entry["alert"]]["left"].append(record["id"])
            entry["explained"] = False
            return []
        if not rules:
            return []
        if self._muted(record, now_ns):
            self._digest.muted(record)
            return []
        return self._tell(record, rules, entry, now_ns)

    def advance(self, now_ns: int) -> list[dict[str, Any]]:
        """What is due: alerts for what was held, and the digest."""
        records = []
        for key, group in list(self._held.items()):
            if group["until"] <= now_ns and self._may_raise(now_ns):
                del self._held[key]
                records.append(self._raise(group, now_ns, kind="rollup"))
        if self._settings.digest:
            records += self._digest.advance(now_ns)
        return records

    def _told_rules(self, record: Record) -> list[str]:
        """The rules that are grave enough, the gravest first."""
        least = LEVELS.index(self._settings.level)
        return [rule for rule in record["rules"] if LEVELS.index(self._level(rule, record)) >= least]

    def _level(self, rule: str, record: Record) -> Any:
        return self._rules[rule].level if rule in self._rules else record["level"] or "medium"

    def _count(self, record: Record, known: Mapping[str, Any] | None, now_ns: int) -> None:
        day = self._digest.begin(now_ns)
        if known is not None:
            if known["day"] != day:
                return
            if known["counted"] is not None:
                self._digest.add(known["counted"], -1)
        if record["verdict"] is not None:
            self._digest.add(record)

    def _tell(self, record: Record, rules: Sequence[str], entry: dict[str, Any], now_ns: int) -> list[dict[str, Any]]:
        device = device_key(record)
        longest = now_ns + self._cooldown_ns  # what lasts longer was noted before the clock was set back
        fresh = [rule for rule in rules if not now_ns < self._cooldowns.get(f"{device}|{rule}", 0) <= longest]
        rule = (fresh or rules)[0]
        group = self._group(record, rule)
        if fresh and self._may_raise(now_ns):
            alert = self._raise(group, now_ns, kind="upload", record=record, rules=rules)
            entry["alert"], entry["explained"] = alert["id"], False
            return [alert]
        until = self._cooldowns.get(f"{device}|{rule}", 0)
        key = f"{device}|{rule}"
        if not self._may_raise(now_ns) or (key not in self._held and len(self._held) >= MAX_HELD):
            key, until = f"|{rule}", (self._raised[0] if self._raised else now_ns) + _HOUR
            group["device"] = None
        held = self._held.setdefault(key, {**group, "until": until, "uploads": [], "count": 0, "speech_seconds": 0.0})
        held["count"] += 1
        held["speech_seconds"] += group["speech_seconds"]
        held["uploads"] = [*held["uploads"], record["id"]][-MAX_IDS:]
        for name in ("last", "verdict", "confidence", "reason", "upload"):
            held[name] = group[name]
        entry["alert"], entry["explained"] = f"held:{key}", False
        return []

    def _group(self, record: Record, rule: str) -> dict[str, Any]:
        """What an alert says that holds for one upload or many."""
        return {
            "key": device_key(record),
            "rule": rule,
            "rules": [rule],
            "level": self._level(rule, record),
            "device": dict(record["device"]),
            "upload": record["id"],
            "uploads": [record["id"]],
            "count": 1,
            "speech_seconds": float(record["upload"]["speech_seconds"]),
            "first": record["timestamp"],
            "last": record["timestamp"],
            "verdict": record["verdict"],
            "confidence": record["confidence"],
            "reason": record["reason"],
        }

    # --- alerts ---

    def _may_raise(self, now_ns: int) -> bool:
        self._raised = [at for at in self._raised if now_ns - _HOUR < at <= now_ns]
        return len(self._raised) < self._settings.max_per_hour

    def _raise(
        self,
        group: Mapping[str, Any],
        now_ns: int,
        *,
        kind: str,
        record: Record | None = None,
        rules: Sequence[str] = (),
    ) -> dict[str, Any]:
        rules = list(rules or group["rules"])
        self._raised.append(now_ns)
        until = now_ns + self._cooldown_ns
        for rule in rules:
            self._cooldowns[f"{group['key']}|{rule}"] = until
        self._cooldowns = {key: end for key, end in self._cooldowns.items() if end > now_ns}
        _bound(self._cooldowns, MAX_COOLDOWNS)
        revision = record["revision"] if record is not None else 0
        where = group["key"] if group["device"] else EVERY_DEVICE
        dedup_key = f"{where}/{group['rule']}"
        seed = "\0".join((kind, dedup_key, str(revision), str(group["count"]), *group["uploads"]))
        summary, text = self._words(group, record)
        known = self._rules.get(group["rule"])
        alert = {
            "event_type": "alert",
            "id": "alert-" + hashlib.sha256(seed.encode(errors="replace")).hexdigest()[:16],
            "timestamp": timestamp(now_ns),
            "kind": kind,
            "dedup_key": dedup_key,
            "level": group["level"],
            "rule": group["rule"],
            "rules": rules,
            "title": known.document.title if known else group["rule"].replace("-", " ").capitalize(),
            "device": group["device"],
            "upload": group["upload"],
            "uploads": list(group["uploads"]),
            "count": group["count"],
            "speech_seconds": round(group["speech_seconds"], 1),
            "first": group["first"],
            "last": group["last"],
            "verdict": group["verdict"],
            "confidence": group["confidence"],
            "reason": group["reason"],
            "summary": summary,
            "text": text,
            "triage": list(known.document.triage) if known else [],
            "record": _without_bins(record) if record is not None else None,
        }
        self._remember(alert)
        return alert

    def _remember(self, alert: Mapping[str, Any]) -> None:
        kept = ("dedup_key", "level", "rule", "rules", "device", "upload", "uploads", "count", "first")
        self._open[alert["id"]] = {name: alert[name] for name in kept} | {"left": list(alert["uploads"])}
        _bound(self._open, MAX_OPEN)
        for upload in alert["uploads"]:
            if upload in self._uploads:
                self._uploads[upload]["alert"] = alert["id"]

    def _words(self, group: Mapping[str, Any], record: Record | None) -> tuple[str, str]:
        if record is not None:
            words = explained(record, self._settings.time_zone)
            return words.headline, " ".join(words.sentences)
        name = group["device"]["name"] if group["device"] else "several devices"
        minutes = (parse_timestamp(group["last"]) - parse_timestamp(group["first"])) / (60 * SECOND)
        times = "once more" if group["count"] == 1 else f"{group['count']} more times"
        summary = (
            f"{name} sent what could be heard {times}"
            + (f" within {minutes:.0f} minutes" if minutes >= 2 else "")
            + f": {group['speech_seconds']:.0f} s in all"
            + (", and nobody had asked" if group["verdict"] == "unexpected" else "")
        )
        return summary, summary

    def _explained(self, record: Record, alert: str, now_ns: int) -> list[dict[str, Any]]:
        """An upload that was told is judged otherwise now: take it back from what was held, or resolve the alert."""
        if alert.startswith("held:"):
            held = self._held.get(alert.removeprefix("held:"))
            if held is not None:
                held["count"] -= 1
                held["speech_seconds"] -= float(record["upload"]["speech_seconds"])
                held["uploads"] = [upload for upload in held["uploads"] if upload != record["id"]]
                if held["count"] <= 0:
                    del self._held[alert.removeprefix("held:")]
            return []
        open_alert = self._open.get(alert)
        if open_alert is None:
            return []
        open_alert["left"] = [upload for upload in open_alert["left"] if upload != record["id"]]
        if open_alert["left"]:
            return []
        del self._open[alert]
        return [
            {
                "event_type": "resolved",
                "id": alert,
                "timestamp": timestamp(now_ns),
                **{name: value for name, value in open_alert.items() if name != "left"},
                "verdict": record["verdict"],
                "reason": record["reason"],
                "wake": dict(record["wake"]),
                "summary": explained(record, self._settings.time_zone).headline,
            }
        ]


def _counted(record: Record) -> dict[str, Any] | None:
    """As much of an upload as the digest needs to take it back."""
    if record["verdict"] is None:
        return None
    return {
        "device": {name: record["device"][name] for name in ("mac", "ip", "name")},
        "verdict": record["verdict"],
        "upload": {name: record["upload"][name] for name in ("speech_seconds", "bytes")},
    }


def _without_bins(record: Record) -> dict[str, Any]:
    return {**record, "upload": {**record["upload"], "bins": [], "body": None}}


def _copy(value: Mapping[str, Mapping[str, Any]] | None) -> dict[str, dict[str, Any]]:
    return {key: dict(item) for key, item in (value or {}).items()}


def _bound(table: dict[str, Any], most: int) -> None:
    """Forget the oldest."""
    for key in _first(table, len(table) - most):
        del table[key]


def _first(keys: Iterable[str], count: int) -> list[str]:
    return [key for key, _ in zip(keys, range(count), strict=False)]
