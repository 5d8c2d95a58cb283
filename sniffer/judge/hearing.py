"""What listeners testified about an upload, and how much that weighs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from sniffer.judge.case import Case, covers
from sniffer.judge.learning import Known
from sniffer.judge.sources import SourceBook
from sniffer.judge.testimony import Table, log_odds_asked
from sniffer.judge.wakelog import WakeLog
from sniffer.model import Heard, Trust, WakeEvent
from sniffer.model.clock import SECOND

#: A testimony is about an upload if it covers the time in which the wake word lies: from this long before its start ...
COVER_BEFORE_NS = 3 * SECOND
#: ... to this long after it.
COVER_AFTER_NS = SECOND // 2
#: Log-odds from which a testimony explains an upload: three to one that a wake word was spoken.
FAINT_LOG_ODDS = 1.1
#: Log-odds above which a listener heard at least a trace of a request; below, it left none (`unheard`).
TRACE_LOG_ODDS = -1.0
#: No listener is believed to hear a trace of more requests than all but this share.
LEAST_UNHEARD = 0.003
#: Log-odds at and below which a testimony has no trace at all; between the two it has next to none.
NO_TRACE_LOG_ODDS = -2.5
#: Requests that the table is worth against what a listener shows itself.
TABLE_WORTH = 50.0
#: The share of unasked uploads that leave no trace, on the careful side: of 60 ordinary sentences that were measured,
#: all left none; of 60 words that sound alike, 32; silence leaves none.
NO_TRACE_IF_UNASKED = 0.6
#: Testimonies that may be about an upload end within this time of its start.
SEARCH_NS = 70 * SECOND


class Hearings:
    """The testimonies of the last day. `table` weighs them; without one they are kept and weigh nothing."""

    def __init__(self, book: SourceBook, table: Table | None) -> None:
        self._book, self._table = book, table
        self.log = WakeLog()

    def about(self, case: Case) -> dict[str, tuple[WakeEvent, Heard]]:
        """Return the testimony of each independent source that covers the device, with the event that brought it."""
        if self._table is None or not case.spoken:
            return {}
        start = case.upload.start_ns
        found = {}
        events = self.log.between(start - SEARCH_NS, start + SEARCH_NS)
        for name in events:
            source = self._book.configured.get(name)
            if source is None or source.trust is not Trust.INDEPENDENT or not covers(source, case):
                continue
            best = self._best(case, name, events[name])
            if best is not None and best.testimony is not None:
                unheard = max(LEAST_UNHEARD, case.known[name].unheard or self._table.unheard)
                weight = _of_this_listener(log_odds_asked(best.testimony, self._table, unheard), case.known[name])
                found[name] = (best, Heard(name, best.testimony, weight))
        return found

    def _best(self, case: Case, name: str, events: Sequence[WakeEvent]) -> WakeEvent | None:
        """Return the testimony that fits the upload most closely. Its seconds are those of the listener's clock: a
        clock that is wrong or unsteady makes it no testimony, a small known offset is added."""
        offset = self._book.clock_offset(name, case.upload.final_ns)
        if offset is None:
            return None
        start = case.upload.start_ns
        covering = [
            event
            for event in events
            if event.testimony is not None
            and event.trust is Trust.INDEPENDENT
            and event.testimony.from_ns + offset <= start - COVER_BEFORE_NS
            and event.testimony.to_ns + offset >= start + COVER_AFTER_NS
        ]
        return min(covering, key=_span, default=None)


def _of_this_listener(weight: float, known: Known) -> float:
    """Return a weight against a request as this listener's own requests show it: the table's is a guess that gives way.

    The table knows many voices and rooms, the listener its own. Of requests that others show, the share `unheard` left
    no trace in it; of uploads that nobody asked for, at least `NO_TRACE_IF_UNASKED` leave none.
    """
    if weight > TRACE_LOG_ODDS or known.unheard is None:
        return weight
    own = math.log(max(LEAST_UNHEARD, known.unheard) / NO_TRACE_IF_UNASKED)
    own = min(own, TRACE_LOG_ODDS) * min(1.0, weight / NO_TRACE_LOG_ODDS)  # what is nearly a trace weighs less
    share = known.requests / (known.requests + TABLE_WORTH)
    return (1.0 - share) * weight + share * own


def _span(event: WakeEvent) -> tuple[int, int]:
    testimony = event.testimony
    assert testimony is not None
    return (testimony.to_ns - testimony.from_ns, testimony.from_ns)


def shown(heard: Iterable[Heard]) -> tuple[Heard, ...]:
    """Return testimonies in the order of their sources, as a verdict shows them."""
    return tuple(sorted(heard, key=lambda item: item.source))
