"""What a host name is for: a prior, never a verdict."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from sniffer.identify.globs import Glob, GlobTable
from sniffer.identify.rules import Role, ServiceRule

CACHE = 8192


@dataclass(frozen=True, slots=True)
class Purpose:
    """The role of a host name, for devices of `vendors` only where there are any."""

    role: Role
    rule: str
    vendors: tuple[str, ...] = ()
    encrypted_dns: bool = False


class Roles:
    """All service rules, compiled. The most specific pattern wins: the one with most characters beside `*`."""

    def __init__(self, rules: Sequence[ServiceRule]) -> None:
        self.rules = tuple(rules)
        self._exact: dict[str, list[Purpose]] = {}
        wild: list[tuple[Glob, Purpose]] = []
        for rule in rules:
            for entry in rule.entries:
                purpose = Purpose(entry.role, rule.id, entry.vendors, entry.encrypted_dns)
                for host in entry.hosts:
                    glob = Glob(host)
                    if glob.literal is None:
                        wild.append((glob, purpose))
                    else:
                        self._exact.setdefault(glob.literal, []).append(purpose)
        self._wild = GlobTable(sorted(wild, key=lambda found: (-found[0].weight, found[0].pattern)))
        self._cache: OrderedDict[tuple[str, str | None], Purpose | None] = OrderedDict()

    def purpose(self, host: str, vendor: str | None = None) -> Purpose | None:
        """What a name is for, to a device of this vendor."""
        key = (host, vendor)
        if key not in self._cache:
            self._cache[key] = self._find(host.lower().rstrip("."), vendor)
            if len(self._cache) > CACHE:
                self._cache.popitem(last=False)
        return self._cache[key]

    def _find(self, host: str, vendor: str | None) -> Purpose | None:
        fits = [p for p in self._exact.get(host, ()) if not p.vendors or vendor in p.vendors]
        if fits:
            return max(fits, key=lambda purpose: bool(purpose.vendors))
        found = (purpose for purpose, _ in self._wild.fitting(host))
        return next((purpose for purpose in found if not purpose.vendors or vendor in purpose.vendors), None)
