"""What can be set about wake sources."""

from __future__ import annotations

from sniffer.model import Section


class WakeSettings(Section):
    """The sources that say when somebody asked."""

    sources: tuple[Section, ...] = ()
