"""The tests that rules carry: each rule must win where it says so, among all the others, and not where it must not."""

from __future__ import annotations

from collections.abc import Sequence

from sniffer.identify.classifier import Hits, Opinion, Scales
from sniffer.identify.facts import FORWARDING
from sniffer.identify.roles import Roles
from sniffer.identify.rules import DeviceRule, DeviceTest, ServiceRule
from sniffer.identify.settings import IdentifySettings
from sniffer.model import Fact

#: Which test of a rule failed, and how.
Failure = tuple[int, str]


def failures_of_devices(rules: Sequence[DeviceRule]) -> dict[str, list[Failure]]:
    """What is wrong with each rule, by id."""
    scales = Scales(rules)
    return {
        rule.id: [(number, text) for number, test in enumerate(rule.tests) for text in _try(scales, rule, test)]
        for rule in rules
    }


def failures_of_services(rules: Sequence[ServiceRule]) -> dict[str, list[Failure]]:
    """What is wrong with each rule, by id. `unknown` means: unknown to this rule."""
    every = Roles(rules)
    found: dict[str, list[Failure]] = {rule.id: [] for rule in rules}
    for rule in rules:
        alone = Roles([rule])
        for number, test in enumerate(rule.tests):
            purpose = (alone if test.role == "unknown" else every).purpose(test.host, test.vendor)
            role = purpose.role if purpose else "unknown"
            if role != test.role:
                found[rule.id].append((number, f"{test.host}: expected role {test.role}, got {role}"))
    return found


def _try(scales: Scales, rule: DeviceRule, test: DeviceTest) -> list[str]:
    hits = Hits()
    forwards = False
    for facts in test.facts:
        for kind, value in facts.items():
            forwards = forwards or kind in FORWARDING
            scales.note(hits, Fact(0, 1, kind, value))
    opinion = scales.weigh(hits, forwards=forwards)
    return [f"test '{test.title}': {text}" for text in _differences(opinion, rule, test)]


def _differences(opinion: Opinion | None, rule: DeviceRule, test: DeviceTest) -> list[str]:
    enough = IdentifySettings().confidence
    won = opinion is not None and opinion.rule.id == rule.id and opinion.confidence >= enough
    said = f"{opinion.rule.id} ({opinion.confidence:.2f})" if opinion else "nothing"
    if won != test.match:
        return [f"{'must' if test.match else 'must not'} match, but the facts say {said}"]
    if opinion is None or not won:
        return []
    expected = (("model", test.model, opinion.model), ("kind", test.kind, opinion.kind))
    wrong = [f"expected {what} {want}, got {got}" for what, want, got in expected if want is not None and want != got]
    if test.microphone is not None and test.microphone != opinion.microphone:
        wrong.append(f"expected microphone {test.microphone}, got {opinion.microphone}")
    return wrong
