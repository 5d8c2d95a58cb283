"""What a source is worth, as people are shown it."""

from __future__ import annotations

from dataclasses import dataclass

from sniffer.model import Trust


@dataclass(frozen=True, slots=True)
class SourceQuality:
    """One source at one time. `explained` uploads it explained away (a number to watch: forging wake events is how
    an upload is hidden), `share_explained` is the share of the uploads it listened to for which it heard something,
    `unused` wake events that no upload followed, `skew_seconds` how far its events lie from the
    uploads they explain (None before that is known) and `spread_seconds` how steadily, `deaf_since_ns` since when it
    is up and hears nothing while requests are made."""

    name: str
    trust: Trust
    up: bool
    events: int
    explained: int
    unused: int
    share_explained: float | None
    miss_rate: float
    skew_seconds: float | None
    spread_seconds: float | None
    last_event_ns: int | None
    deaf_since_ns: int | None
