"""From a configuration to stages: the only place that knows which files each stage reads, and how it is built."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sniffer.alerts.policy import AlertPolicy
from sniffer.app.config import Config
from sniffer.app.pipeline import Pipeline, Stages
from sniffer.decode.dissect import Dissector
from sniffer.decode.reassembly import DissectSettings
from sniffer.detect import Detector
from sniffer.detect.profiles.profile import profiles_from
from sniffer.detect.scoring.evidence import Weights
from sniffer.detect.scoring.weights import load_weights
from sniffer.errors import RuleError
from sniffer.identify import Identifier
from sniffer.identify.classifier import Scales
from sniffer.identify.oui import OuiTable
from sniffer.identify.roles import Roles
from sniffer.identify.rules import load_device_rules, load_oui, load_service_rules
from sniffer.judge import Judge
from sniffer.judge.testimony import Table
from sniffer.judge.testimony_table import load_table
from sniffer.model import Upload, WakeSource
from sniffer.records.build import upload_id
from sniffer.resources import shipped
from sniffer.rules.engine import RuleSet, load_upload_rules
from sniffer.rules.history import History
from sniffer.wake.adapters.presence import Presence
from sniffer.wake.settings import PresenceSource

logger = logging.getLogger("sniffer")

Built = TypeVar("Built")

#: What a folder of rules holds, each in a folder of its own.
RULE_KINDS = ("devices", "services", "uploads")


@dataclass(frozen=True, slots=True)
class Rulebook:
    """Everything that is read from rule folders, read and compiled once: it serves any number of pipelines."""

    devices: Scales
    services: Roles
    oui: OuiTable
    weights: Weights
    uploads: RuleSet
    testimony: Table


def own_folder(folder: Path) -> Path:
    """A folder of the user's own rules. Raises RuleError where it is none: rules that are not read protect nothing."""
    if not any((folder / kind).is_dir() for kind in RULE_KINDS) and not (folder / "oui.tsv").is_file():
        found = "holds none of the folders" if folder.is_dir() else "no such folder; it would hold"
        raise RuleError(f"{found} {', '.join(f'{kind}/' for kind in RULE_KINDS)}", file=folder)
    return folder


def load_rulebook(config: Config) -> Rulebook:
    """The shipped rules, and those of the user's own folders (`devices/`, `services/`, `uploads/` in each).

    Raises RuleError with file, line and column; ConfigError where a setting names a rule that does not exist.
    """
    own = [shipped("rules"), *(own_folder(folder) for folder in config.judge.rules.folders)]

    def folders(kind: str) -> list[Any]:
        return [folder / kind for folder in own if (folder / kind).is_dir()]

    return Rulebook(
        devices=Scales(load_device_rules(own)),
        services=Roles(load_service_rules(own)),
        oui=load_oui(own),
        weights=load_weights(shipped("rules") / "detect"),
        uploads=load_upload_rules(folders("uploads"), config.judge.rules),
        testimony=load_table(shipped("rules") / "judge"),
    )


def build_detector(config: Config, rulebook: Rulebook, identifier: Identifier) -> Detector:
    """A detector that has learned nothing yet."""
    return Detector(config.detect, rulebook.weights, identifier)


def build_pipeline(
    config: Config,
    rulebook: Rulebook,
    sources: Sequence[WakeSource],
    capture: str,
    *,
    offline: bool,
    state: Mapping[str, Any] | None = None,
) -> Pipeline:
    """All stages, new, or going on from what `Pipeline.state` gave."""
    state = state or {}

    def identify(saved: Any) -> Identifier:
        made = Identifier(config.identify, config.devices, rulebook.devices, rulebook.services, rulebook.oui)
        if saved:
            made.restore(saved)
        return made

    identifier = _going_on(state, "identify", identify)
    detector = _going_on(
        state, "detect", lambda saved: Detector(config.detect, rulebook.weights, identifier, profiles_from(saved))
    )

    def identity(upload: Upload) -> str:
        return upload_id(upload, capture if offline else None)

    def make_judge(saved: Any) -> Judge:
        return Judge(config.judge, sources, identifier.device, saved, rulebook.testimony, identity)

    judge = _going_on(state, "judge", make_judge)
    alerts = _going_on(state, "alerts", lambda saved: AlertPolicy(config.alerts, saved, rules=rulebook.uploads))
    return Pipeline(
        stages=Stages(
            dissector=Dissector(DissectSettings(fingerprints=rulebook.devices.asks("tls.ja3", "tls.ja4"))),
            identifier=identifier,
            detector=detector,
            judge=judge,
            rules=rulebook.uploads,
            history=_going_on(state, "history", History),
            alerts=alerts,
        ),
        capture=capture,
        offline=offline,
        presences=tuple(Presence(source) for source in config.wake.sources if isinstance(source, PresenceSource)),
    )


def _going_on(state: Mapping[str, Any], stage: str, build: Callable[[Any], Built]) -> Built:
    """A stage with its saved state; without it, where an older version wrote it or it is damaged."""
    saved = state.get(stage)
    if saved is not None:
        try:
            return build(saved)
        except (AttributeError, LookupError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
            problem = str(error).partition("\n")[0]
            logger.warning("%s: the saved state cannot be read and is discarded: %s", stage, problem)
    return build(None)
