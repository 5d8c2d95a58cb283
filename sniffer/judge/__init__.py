"""Correlation of uploads with wake events, rules, verdicts, explanation. No I/O.

`Judge` takes uploads, wake events and losses and gives verdicts; `Reason` is the list of its reasons and `MEANING`
what each means. How an upload comes to its verdict::

    wakelog, timeline   what sources said, and what was the case when
    correlation         which event explains which upload (matching), directly, as follow-up, arbitration or call
    overrides           muted, quiet hours, nobody home; calls and views
    probability         how probable it is that nobody asked
    verdict             all of it, into one verdict with its reason
    learning, offsets   what was learned of sources and devices, and what was known when
    deafness, quality   what sources are worth
"""

from sniffer.judge.engine import Judge
from sniffer.judge.quality import SourceQuality
from sniffer.judge.reasons import KIND, MEANING, Reason

__all__ = ["KIND", "MEANING", "Judge", "Reason", "SourceQuality"]
