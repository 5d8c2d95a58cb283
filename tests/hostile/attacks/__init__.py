"""Attacks on the wire, each with what must hold all the same; `tests.hostile.live` runs them against the daemon."""

from __future__ import annotations

from tests.hostile.attacks import drowning, hiding, inventing, splitting, unwatching
from tests.hostile.attacks.story import Attack

#: Every attack by its name.
ATTACKS: dict[str, Attack] = {
    attack.name: attack
    for module in (hiding, unwatching, inventing, drowning, splitting)
    for attack in module.attacks()
}
