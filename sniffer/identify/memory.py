"""What identification keeps over a restart, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sniffer.model import Fact, NameSeen

if TYPE_CHECKING:
    from sniffer.identify.identifier import Identifier

VERSION = 1


def saved(who: Identifier) -> dict[str, Any]:
    """What is worth keeping."""
    hosts = [
        {
            "key": host.key,
            "first": host.first_ns,
            "last": host.last_ns,
            "since": host.since_ns,
            "addresses": [[*address, time_ns] for address, time_ns in host.addresses.items()],
            "facts": [
                [f.time_ns, f.kind, f.value]
                for f in dict.fromkeys([*(fact for fact, _ in host.hits.found.values()), *host.shown.values()])
            ],
        }
        for host in who.hosts
    ]
    names = [
        [key, *address, entries[-1].time_ns, entries[-1].name, entries[-1].source]
        for (key, address), entries in who.names.addresses.items()
        if key
    ]
    kept = names[-who.settings.max_names // 4 :]
    return {"version": VERSION, "hosts": hosts, "names": kept, "carriers": sorted(who.carriers)}


def restore(who: Identifier, state: Mapping[str, Any]) -> None:
    """Take back what `saved` gave. What does not fit is left out: it will be learned again."""
    if state.get("version") != VERSION:
        return
    for carrier in state.get("carriers", ()):
        if isinstance(carrier, int):
            who.carry(carrier)
    for host in state.get("hosts", ()):
        try:
            key, first_ns = int(host["key"]), int(host["first"])
            facts = [Fact(int(t), key, str(k), str(v)[:255]) for t, k, v in host["facts"]]
            addresses = [((int(high), int(low)), int(time_ns)) for high, low, time_ns in host["addresses"]]
            since = host["since"]
            last_ns = int(host.get("last", first_ns))
            who.remember(key, first_ns, last_ns, facts, addresses, None if since is None else int(since))
        except (KeyError, TypeError, ValueError):
            continue
    for name in state.get("names", ()):
        try:
            key, high, low, time_ns, text, source = name
            seen = NameSeen(int(time_ns), int(key), str(text)[:255], source, (int(high), int(low)))
            who.names.learn(seen)
        except (TypeError, ValueError):
            continue
