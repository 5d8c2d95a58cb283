"""From uploads to alerts: which are raised, when, and how often. No I/O; the state is a value handed in and out.

An upload is in one alert, however many rules it matches. A rule that raised an alert for a device raises none again
during its cooldown; uploads that match meanwhile are held, and become one alert with a count. An alert whose uploads
are all explained later is resolved. The same records at the same times give the same alerts, with the same ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from sniffer.alerts.digest import Counted, Digest
from sniffer.explain.sentences import explain
from sniffer.explain.times import local_time, shown, shown_duration, shown_span, zone_named
from sniffer.judge.settings import AlertSettings
from sniffer.model import LEVELS, Level, VerdictKind
from sniffer.model.clock import SECOND
from sniffer.records.alerts import alert_record, resolved_record
from sniffer.records.build import device_key
from sniffer.records.codec import from_json, to_json
from sniffer.records.types import AlertRecord, DeviceFields, DigestRecord, ResolvedRecord, UploadRecord
from sniffer.rules.engine import RuleSet

MAX_UPLOADS = 300  # remembered, to know them when they are judged again
MAX_OPEN = 300  # alerts that can still be resolved
MAX_COOLDOWNS = 1000  # rules and devices in their cooldown
MAX_HELD = 200  # groups of uploads that wait for the end of a cooldown
MAX_MUTES = 200  # maintenance windows
MAX_IDS = 100  # upload ids in one alert

EVERY_DEVICE = "all"
_HOUR = 3600 * SECOND

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Uploads of one device (or, without `device`, of several) that one rule raises one alert for.

    A held group becomes an alert at `until`, in nanoseconds.
    """

    key: str
    rule: str
    rules: tuple[str, ...]
    level: Level
    device: DeviceFields | None
    uploads: tuple[str, ...]
    count: int
    speech_seconds: float
    first: str
    last: str
    verdict: VerdictKind | None
    confidence: float
    reason: str
    until: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAlert:
    """An alert that was raised and can be resolved: `left` are its uploads that are not explained yet."""

    dedup_key: str
    level: Level
    rule: str
    rules: tuple[str, ...]
    device: DeviceFields | None
    uploads: tuple[str, ...]
    count: int
    first: str
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An upload that was seen: its revision, the digest period that counted it, and its alert.

    `alert` is an alert's id, or `held:` and the key of a held group.
    """

    revision: int
    day: int
    counted: Counted | None
    alert: str | None
    explained: bool


class AlertPolicy:
    """`process` takes each upload record with its rules; `advance` lets time pass. `rules` has titles and advice."""

    def __init__(
        self,
        settings: AlertSettings | None = None,
        state: Mapping[str, Any] | None = None,
        *,
        rules: RuleSet | None = None,
    ) -> None:
        self._settings = settings or AlertSettings()
        self._zone = zone_named(self._settings.time_zone)
        self._cooldown_ns = round(self._settings.cooldown_minutes * 60 * SECOND)
        self._rules = {rule.id: rule for rule in (rules or RuleSet()).rules}
        state = state or {}
        self._digest = Digest(self._settings, state.get("digest"))
        self._uploads = {
            key: from_json(Known, _known_state(value)) for key, value in (state.get("uploads") or {}).items()
        }
        self._open = {key: from_json(OpenAlert, value) for key, value in (state.get("open") or {}).items()}
        self._held = {key: from_json(Group, value) for key, value in (state.get("held") or {}).items()}
        self._cooldowns: dict[str, int] = dict(state.get("cooldowns") or {})
        self._mutes: dict[str, int] = dict(state.get("mutes") or {})
        self._raised: list[int] = list(state.get("raised") or ())

    def state(self) -> dict[str, Any]:
        """Return what a restart must keep, as JSON."""
        return {
            "digest": self._digest.state(),
            "uploads": {key: to_json(value) for key, value in self._uploads.items()},
            "open": {key: to_json(value) for key, value in self._open.items()},
            "held": {key: to_json(value) for key, value in self._held.items()},
            "cooldowns": dict(self._cooldowns),
            "mutes": dict(self._mutes),
            "raised": list(self._raised),
        }

    # --- maintenance windows ---

    def mute(self, device: str, until_ns: int) -> None:
        """Raise no alerts for a device (its name or MAC, or `all`) until a time; a past time ends the window."""
        self._mutes[device.casefold()] = until_ns
        _bound(self._mutes, MAX_MUTES)

    def mutes(self, now_ns: int) -> dict[str, int]:
        """Return the windows in force: device and end."""
        return {device: until for device, until in self._mutes.items() if until > now_ns}

    def _muted(self, device: DeviceFields, now_ns: int) -> bool:
        names = (EVERY_DEVICE, device.name.casefold(), str(device.mac).casefold())
        return any(self._mutes.get(name, 0) > now_ns for name in names)

    # --- uploads ---

    def process(self, record: UploadRecord, now_ns: int) -> list[AlertRecord | ResolvedRecord]:
        """Return the alerts and resolutions that follow from one upload, new or judged again."""
        known = self._uploads.get(record.id)
        if record.verdict is None and known is None:
            return []
        if known is not None and record.revision <= known.revision:
            return []
        counted = Counted.of(record)
        self._count(counted, known, now_ns)
        rules = self._grave_rules(record)
        entry = Known(
            revision=record.revision,
            day=self._digest.begin(now_ns),
            counted=counted,
            alert=known.alert if known else None,
            explained=known.explained if known else False,
        )
        self._set(record.id, entry)
        if entry.alert is not None and not entry.explained:
            if rules:
                return []
            self._set(record.id, replace(entry, explained=True))
            return self._explained(record, entry.alert, now_ns)
        if rules and entry.alert is not None and entry.alert in self._open:  # explained before, and no longer
            alert = self._open[entry.alert]
            self._open[entry.alert] = replace(alert, left=(*alert.left, record.id))
            self._set(record.id, replace(entry, explained=False))
            return []
        if not rules:
            return []
        if self._muted(record.device, now_ns):
            self._digest.muted(device_key(record.device))
            return []
        return self._raise_or_hold(record, rules, now_ns)

    def advance(self, now_ns: int) -> list[AlertRecord | DigestRecord]:
        """Return what is due: alerts for what was held, and the digest."""
        records: list[AlertRecord | DigestRecord] = []
        for key, group in list(self._held.items()):
            if group.until <= now_ns and self._may_raise(now_ns):
                del self._held[key]
                records.append(self._raise(group, now_ns))
        if self._settings.digest:
            records += self._digest.advance(now_ns)
        return records

    def _set(self, upload: str, entry: Known) -> None:
        self._uploads[upload] = entry
        _bound(self._uploads, MAX_UPLOADS)

    def _grave_rules(self, record: UploadRecord) -> list[str]:
        """Return the rules from the configured level on, the gravest first."""
        least = LEVELS.index(self._settings.level)
        return [rule for rule in record.rules if LEVELS.index(self._level(rule, record)) >= least]

    def _level(self, rule: str, record: UploadRecord) -> Level:
        return self._rules[rule].level if rule in self._rules else record.level or "medium"

    def _count(self, counted: Counted | None, known: Known | None, now_ns: int) -> None:
        day = self._digest.begin(now_ns)
        if known is not None:
            if known.day != day:
                return
            if known.counted is not None:
                self._digest.add(known.counted, -1)
        if counted is not None:
            self._digest.add(counted)

    def _raise_or_hold(
        self, record: UploadRecord, rules: Sequence[str], now_ns: int
    ) -> list[AlertRecord | ResolvedRecord]:
        device = device_key(record.device)
        longest = now_ns + self._cooldown_ns  # a longer cooldown was noted before the clock was set back
        fresh = [rule for rule in rules if not now_ns < self._cooldowns.get(f"{device}|{rule}", 0) <= longest]
        rule = (fresh or rules)[0]
        group = self._group(record, rule)
        if fresh and self._may_raise(now_ns):
            return [self._raise(replace(group, rules=tuple(rules)), now_ns, record)]
        key, until = f"{device}|{rule}", self._cooldowns.get(f"{device}|{rule}", 0)
        if not self._may_raise(now_ns) or (key not in self._held and len(self._held) >= MAX_HELD):
            key, until = f"|{rule}", (self._raised[0] if self._raised else now_ns) + _HOUR
            group = replace(group, device=None)
        self._hold(key, replace(group, until=until))
        self._set(record.id, replace(self._uploads[record.id], alert=f"held:{key}", explained=False))
        return []

    def _hold(self, key: str, group: Group) -> None:
        held = self._held.get(key)
        if held is None:
            self._held[key] = group
            return
        self._held[key] = replace(
            held,
            count=held.count + 1,
            speech_seconds=held.speech_seconds + group.speech_seconds,
            uploads=(*held.uploads, *group.uploads)[-MAX_IDS:],
            last=group.last,
            verdict=group.verdict,
            confidence=group.confidence,
            reason=group.reason,
        )

    def _group(self, record: UploadRecord, rule: str) -> Group:
        return Group(
            key=device_key(record.device),
            rule=rule,
            rules=(rule,),
            level=self._level(rule, record),
            device=record.device,
            uploads=(record.id,),
            count=1,
            speech_seconds=record.upload.speech_seconds,
            first=record.timestamp,
            last=record.timestamp,
            verdict=record.verdict,
            confidence=record.confidence,
            reason=record.reason,
        )

    # --- alerts ---

    def _may_raise(self, now_ns: int) -> bool:
        self._raised = [at for at in self._raised if now_ns - _HOUR < at <= now_ns]
        return len(self._raised) < self._settings.max_per_hour

    def _raise(self, group: Group, now_ns: int, record: UploadRecord | None = None) -> AlertRecord:
        """Return the alert of one upload (with its `record`), or of a group that was held."""
        self._raised.append(now_ns)
        until = now_ns + self._cooldown_ns
        for rule in group.rules:
            self._cooldowns[f"{group.key}|{rule}"] = until
        self._cooldowns = {key: end for key, end in self._cooldowns.items() if end > now_ns}
        _bound(self._cooldowns, MAX_COOLDOWNS)
        known = self._rules.get(group.rule)
        summary, text = self._words(group, record)
        kind: Literal["upload", "rollup"] = "rollup" if record is None else "upload"
        alert = alert_record(
            kind=kind,
            where=group.key if group.device else EVERY_DEVICE,
            rule=group.rule,
            rules=group.rules,
            level=group.level,
            title=known.document.title if known else group.rule.replace("-", " ").capitalize(),
            device=group.device,
            uploads=group.uploads,
            count=group.count,
            speech_seconds=group.speech_seconds,
            time_ns=now_ns,
            first=group.first,
            last=group.last,
            verdict=group.verdict,
            confidence=group.confidence,
            reason=group.reason,
            summary=summary,
            text=text,
            triage=known.document.triage if known else (),
            record=record,
        )
        self._remember(alert)
        return alert

    def _remember(self, alert: AlertRecord) -> None:
        self._open[alert.id] = OpenAlert(
            dedup_key=alert.dedup_key,
            level=alert.level,
            rule=alert.rule,
            rules=alert.rules,
            device=alert.device,
            uploads=alert.upload_ids,
            count=alert.count,
            first=alert.first,
            left=alert.upload_ids,
        )
        _bound(self._open, MAX_OPEN)
        for upload in alert.upload_ids:
            if upload in self._uploads:
                self._uploads[upload] = replace(self._uploads[upload], alert=alert.id, explained=False)

    def _words(self, group: Group, record: UploadRecord | None) -> tuple[str, str]:
        """Return the summary and the text of an alert."""
        if record is not None:
            said = explain(record, self._zone)
            return said.headline, " ".join((*said.sentences, said.advice))
        name = group.device.name if group.device else "Several devices"
        first, last = local_time(group.first, self._zone), local_time(group.last, self._zone)
        when = f"at {shown(first)}" if group.count == 1 else f"from {shown_span(first, last)}"
        times = "once more" if group.count == 1 else f"{group.count} more times"
        asked = ", not asked for" if group.verdict is VerdictKind.UNEXPECTED else ""
        amount = shown_duration(group.speech_seconds)
        summary = f"{name} sent possible speech {times} {when}: {amount} in all{asked}"
        return summary, summary

    def _explained(self, record: UploadRecord, alert: str, now_ns: int) -> list[AlertRecord | ResolvedRecord]:
        """Take an upload that is explained now out of its held group, or resolve its alert."""
        if alert.startswith("held:"):
            self._release(alert.removeprefix("held:"), record)
            return []
        open_alert = self._open.get(alert)
        if open_alert is None:
            return []
        left = tuple(upload for upload in open_alert.left if upload != record.id)
        if left:
            self._open[alert] = replace(open_alert, left=left)
            return []
        del self._open[alert]
        return [
            resolved_record(
                alert,
                now_ns,
                record,
                dedup_key=open_alert.dedup_key,
                level=open_alert.level,
                rule=open_alert.rule,
                rules=open_alert.rules,
                device=open_alert.device,
                uploads=open_alert.uploads,
                count=open_alert.count,
                first=open_alert.first,
                summary=explain(record, self._zone).headline,
            )
        ]

    def _release(self, key: str, record: UploadRecord) -> None:
        held = self._held.get(key)
        if held is None:
            return
        if held.count <= 1:
            del self._held[key]
            return
        self._held[key] = replace(
            held,
            count=held.count - 1,
            speech_seconds=held.speech_seconds - record.upload.speech_seconds,
            uploads=tuple(upload for upload in held.uploads if upload != record.id),
        )


def _known_state(saved: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a saved entry in today's form; version 0.1 kept what the digest counted as a part of the record."""
    counted = saved["counted"]
    if counted is None or "key" in counted:
        return saved
    device = counted["device"]
    names = {"key": device["mac"] or device["ip"] or device["name"], "name": device["name"], "mac": device["mac"]}
    return {**saved, "counted": {**names, "verdict": counted["verdict"], **counted["upload"]}}


def _bound(table: dict[str, Value], most: int) -> None:
    """Forget the oldest entries beyond `most`."""
    for key in list(table)[: max(0, len(table) - most)]:
        del table[key]
