"""What the page shows of wake sources, receivers of alerts and rules, from the configuration and what was counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sniffer.app.config import Config
from sniffer.app.overlay import Change
from sniffer.model import Record, WakeSource
from sniffer.rules.engine import RuleSet
from sniffer.rules.exceptions import ends_ns, expired
from sniffer.sinks.settings import SinkSettings
from sniffer.sinks.storage.store import Store


def source_overview(
    config: Config,
    changes: Sequence[Change],
    file_sources: Sequence[WakeSource],
    counted: Iterable[Mapping[str, Any]],
    problems: Mapping[str, str | None],
) -> list[Record]:
    """The wake sources: what they are, whether they are up and how well they hear. `counted` are the judge's counts of
    each, `problems` why one does not run."""
    qualities = {str(source["name"]): source for source in counted}
    types = {source.name: source.type for source in config.wake.sources}
    own = _own(changes, "wake", "sources", "name")
    found: list[Record] = []
    for spec in (*config.wake.specs(), *file_sources):
        quality = qualities.get(spec.name, {})
        found.append(
            {
                **dict.fromkeys(("miss_rate", "events", "explained", "share_explained", "skew_seconds"), None),
                **dict.fromkeys(("last_event_ns", "unresponsive_since_ns", "unused", "heard_ns", "heard_days"), None),
                **dict.fromkeys(("requests", "unheard", "clock_offset_seconds"), None),
                **quality,
                "name": spec.name,
                "type": types.get(spec.name, "file" if spec in file_sources else "home_assistant"),
                "trust": str(spec.trust),
                "hears": sorted(spec.hears),
                "devices": spec.devices,
                "heartbeat": spec.expires,
                "up": quality.get("up") if quality else None,
                "problem": problems.get(spec.name),
                "configured": True,
                "from_page": spec.name in own,
            }
        )
    return found


def target_overview(sinks: SinkSettings, changes: Sequence[Change], store: Store) -> list[Record]:
    """The receivers of alerts: how many messages wait for each, since when and why, and the newest delivery."""
    kinds: dict[str, str] = {hook.name: hook.format for hook in sinks.webhooks}
    kinds |= {target.name: "alertmanager" for target in sinks.alertmanager}
    kinds |= {target.name: "collector" for target in sinks.collectors}
    kinds |= {target.name: "notify" for target in sinks.notify}
    kinds |= {sinks.mqtt.name: "mqtt"} if sinks.mqtt else {}
    own = _own(changes, "sinks", "webhooks", "name")
    rows = store.read(
        "SELECT target, COUNT(*), MAX(error), MIN(created_ns) FROM messages WHERE status = 'pending' GROUP BY target"
    )
    waiting = {str(name): (int(count), error, since) for name, count, error, since in rows}
    last = dict(store.read("SELECT target, MAX(created_ns) FROM messages WHERE status = 'done' GROUP BY target"))
    return [
        {
            "name": name,
            "kind": kind,
            "waiting": waiting.get(name, (0, None, None))[0],
            "error": waiting.get(name, (0, None, None))[1],
            "since_ns": waiting.get(name, (0, None, None))[2],
            "last_ns": last.get(name),
            "from_page": name in own,
        }
        for name, kind in kinds.items()
    ]


def rule_overview(config: Config, ruleset: RuleSet, mutes: Iterable[tuple[str, int]], now_ns: int) -> Record:
    """The upload rules in force, their exceptions, the mutes that last and the quiet hours."""
    return {
        "alert_level": config.alerts.level,
        "rules": [
            {
                "id": rule.id,
                "title": rule.document.title,
                "description": rule.document.description,
                "level": rule.level,
                "falsepositives": rule.document.falsepositives,
                "triage": rule.document.triage,
            }
            for rule in ruleset.rules
        ],
        "exceptions": [
            {
                "rule": one.rule,
                "device": one.device,
                "reason": one.reason,
                "expires_ns": ends_ns(one),
                "expired": expired(one, now_ns),
            }
            for one in ruleset.exceptions
        ],
        "mutes": [{"device": device, "until_ns": until} for device, until in mutes if until > now_ns],
        "quiet_hours": [hours.model_dump(mode="json") for hours in config.judge.quiet_hours],
    }


def _own(changes: Iterable[Change], *path: str) -> set[str]:
    """The names that changes of the page set."""
    return {name for change in changes for name in _names(change.set, *path)}


def _names(piece: Mapping[str, Any], *path: str) -> list[str]:
    """The identities in a list of a change."""
    *parents, name = path
    value: Any = piece
    for part in parents:
        value = value.get(part, {}) if isinstance(value, Mapping) else {}
    return [str(item.get(name)) for item in value] if isinstance(value, list) else []
