"""Facts weighed by rules: which patterns a fact fits, and what a host's facts add up to."""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sniffer.identify.facts import OWN_FACTS
from sniffer.identify.globs import Glob, GlobTable
from sniffer.identify.rules import DeviceRule
from sniffer.model import Fact

CACHE = 8192
MAX_CONFIDENCE = 0.99
#: Log-odds from which on a rule may still win, and how far it may be behind the rule that explains the facts best: a
#: strong fact is worth three to five.
PROMISE, BEHIND = -2.5, 5.0
#: Evidence of this weight says what a thing is, and not only that it may be it.
STRONG = 2.0

#: (rule, item, pattern): an item below 0 is a model, -1 the first.
Place = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one rule makes of a host's facts."""

    rule: DeviceRule
    confidence: float
    model: str | None
    kind: str
    microphone: bool
    reasons: tuple[str, ...]
    facts: tuple[Fact, ...]


@dataclass(slots=True)
class Hits:
    """Which patterns a host's facts fit, each with the fact that did so first. Bounded by the number of patterns."""

    found: dict[Place, tuple[Fact, str]] = field(default_factory=dict)
    rules: set[int] = field(default_factory=set)


class Scales:
    """All device rules, compiled: facts go in, opinions come out."""

    def __init__(self, rules: Sequence[DeviceRule]) -> None:
        self.rules = tuple(rules)
        self._microphone = tuple(rule.microphone or any(m.microphone for m in rule.models) for rule in rules)
        self._absent = tuple(tuple(item.worth(0) for item in rule.evidence) for rule in rules)
        self._literal: dict[tuple[str, str], list[Place]] = {}
        self._patterns: dict[str, GlobTable[Place]] = {}
        self._cache: OrderedDict[tuple[str, str], tuple[tuple[Place, str], ...]] = OrderedDict()
        wild: dict[str, list[tuple[Glob, Place]]] = {}
        for number, rule in enumerate(self.rules):
            for item, evidence in enumerate(rule.evidence):
                self._compile(evidence.patterns(), number, item, wild)
            for item, model in enumerate(rule.models):
                self._compile(model.patterns(), number, -1 - item, wild)
        self._patterns = {kind: GlobTable(found) for kind, found in wild.items()}

    def _compile(
        self, patterns: Sequence[tuple[str, str]], rule: int, item: int, wild: dict[str, list[tuple[Glob, Place]]]
    ) -> None:
        texts: dict[str, int] = {}
        for kind, pattern in patterns:
            # the same name by DNS and by SNI is one pattern seen, not two
            place = (rule, item, texts.setdefault(pattern, len(texts)))
            glob = Glob(pattern)
            if glob.literal is not None:
                self._literal.setdefault((kind, glob.literal), []).append(place)
            else:
                wild.setdefault(kind, []).append((glob, place))

    def numbers(self, kind: str) -> frozenset[int]:
        """The numbers that rules ask for in facts of one kind."""
        return frozenset(int(text) for known, text in self._literal if known == kind and text.isdecimal())

    def asks(self, *kinds: str) -> bool:
        """Whether any rule asks for facts of these kinds."""
        return any(kind in kinds for kind, _ in self._literal) or any(kind in kinds for kind in self._patterns)

    def note(self, hits: Hits, fact: Fact) -> bool:
        """Add what a fact fits to a host's hits; whether that was anything new."""
        new = False
        for place, captured in self._match(fact.kind, fact.value):
            if place not in hits.found:
                hits.found[place] = (fact, captured)
                hits.rules.add(place[0])
                new = True
        return new

    def _match(self, kind: str, value: str) -> tuple[tuple[Place, str], ...]:
        key = (kind, value)
        known = self._cache.get(key)
        if known is None:
            literal = [(place, "") for place in self._literal.get((kind, value.lower()), ())]
            patterns = self._patterns.get(kind)
            known = (*literal, *(patterns.fitting(value) if patterns is not None else ()))
            self._cache[key] = known
            if len(self._cache) > CACHE:
                self._cache.popitem(last=False)
        return known

    def microphone(self, hits: Hits) -> bool:
        """Whether any of the rules that a host's facts fit is one for devices with a microphone."""
        return any(self._microphone[number] for number in hits.rules)

    def lists(self, hits: Hits) -> DeviceRule | None:
        """The rule of which one fact is enough to list what a host sends, where nothing contradicts it."""
        for number in sorted(hits.rules):
            rule = self.rules[number]
            fits = [rule.evidence[item] for of, item, _ in hits.found if of == number and item >= 0]
            if rule.microphone and any(item.lists for item in fits) and all(item.weight >= 0 for item in fits):
                return rule
        return None

    def promises(self, hits: Hits) -> bool:
        """Whether a rule for devices with a microphone may still win: a fact or two more would do."""
        scores = self._scores(hits.found)
        mine = max((score for number, score in scores.items() if self._microphone[number]), default=PROMISE - 1)
        return mine >= PROMISE and mine > max(scores.values()) - BEHIND

    def own(self, hits: Hits, opinion: Opinion | None) -> bool:
        """Whether an opinion rests, in part, on what a host shows of itself, and not only on what it may relay."""
        if opinion is None:
            return False
        places = ((self.rules[of], item, fact.kind) for (of, item, _), (fact, _) in hits.found.items())
        kinds = (kind for rule, item, kind in places if rule is opinion.rule and item >= 0)
        return any(kind in OWN_FACTS or kind.startswith(("mdns.", "ssdp.")) for kind in kinds)

    def hides(self, hits: Hits) -> str | None:
        """What speaks for other hosts behind this one: facts of different things, of which one has a microphone, where
        something about the host fits a rule for routers."""
        if not any(self.rules[number].hides for number in hits.rules):
            return None
        things: dict[bool, dict[str, None]] = {True: {}, False: {}}
        for number in sorted(hits.rules):
            rule = self.rules[number]
            fits = {item for of, item, _ in hits.found if of == number and item >= 0}
            own = {item for (of, item, _), (fact, _) in hits.found.items() if of == number and fact.kind == "oui"}
            strong = any(rule.evidence[item].weight >= STRONG for item in fits - own)
            if strong and not rule.hides:
                things[rule.microphone][rule.title] = None
        if not things[True] or not things[False]:
            return None
        return ", ".join([*things[True], *things[False]][:4])

    def weigh(self, hits: Hits, *, forwards: bool = False) -> Opinion | None:
        """The rule that explains the facts best, or None where none fits. For a host that forwards for others,
        only what it says of itself counts."""
        found = hits.found
        if forwards:
            found = {place: hit for place, hit in found.items() if hit[0].kind in OWN_FACTS}
        scores = self._scores(found)
        best = min(scores, key=lambda number: (-scores[number], number), default=None)
        return None if best is None else self._opinion(best, scores[best], found)

    def _scores(self, found: Iterable[Place]) -> dict[int, float]:
        """Return the log-odds of each rule that something fits."""
        seen: dict[int, dict[int, int]] = {}
        for number, item, _ in found:
            counts = seen.setdefault(number, {})
            if item >= 0:
                counts[item] = counts.get(item, 0) + 1
        scores: dict[int, float] = {}
        for number, counts in seen.items():
            worth = list(self._absent[number])
            for item, count in counts.items():
                worth[item] = self.rules[number].evidence[item].worth(count)
            scores[number] = self.rules[number].prior + sum(worth)
        return scores

    def _opinion(self, number: int, score: float, found: dict[Place, tuple[Fact, str]]) -> Opinion:
        rule = self.rules[number]
        reasons: list[str] = []
        facts: list[Fact] = []
        for item, evidence in enumerate(rule.evidence):
            mine = [found[place][0] for place in sorted(found) if place[:2] == (number, item)]
            if len(mine) >= evidence.at_least:
                reasons.append(f"{evidence.text} ({mine[0].kind} {mine[0].value})")
                facts += [fact for fact in mine[:3] if fact not in facts]
        model, kind, microphone = rule.model, rule.kind, rule.microphone
        for item, candidate in enumerate(rule.models):
            place = next((place for place in sorted(found) if place[:2] == (number, -1 - item)), None)
            if place is not None:
                fact, captured = found[place]
                model = captured if candidate.model == "*" else candidate.model
                kind = candidate.kind or kind
                microphone = microphone if candidate.microphone is None else candidate.microphone
                facts += [fact] if fact not in facts else []
                break
        confidence = min(MAX_CONFIDENCE, 1 / (1 + math.exp(-max(-60.0, min(60.0, score)))))
        return Opinion(rule, confidence, plain(model), kind, microphone, tuple(reasons), tuple(facts))


def plain(text: str | None) -> str | None:
    """A stranger's text as a name: letters, digits and a few marks, cut short; None where nothing is left."""
    if text is None:
        return None
    kept = " ".join(re.sub(r"[^A-Za-z0-9 .+()/_-]", " ", text).split())[:48].strip()
    return kept or None
