"""What listeners testified about an upload, and how much that weighs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sniffer.judge.case import Case, covers
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
#: Testimonies that may be about an upload end within this time of its start.
SEARCH_NS = 70 * SECOND


class Hearings:
    """The testimonies of the last day. `table` weighs them; without one they are kept and weigh nothing. `budget` is by
    how much less a request is expected where each source testified (`BaseRates.budget`)."""

    def __init__(self, book: SourceBook, table: Table | None, budget: float = 1.0) -> None:
        self._book, self._table, self._budget = book, table, budget
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
                weight = log_odds_asked(best.testimony, self._table, case.known[name].traces, self._base_odds(case))
                found[name] = (best, Heard(name, best.testimony, weight))
        return found

    def _base_odds(self, case: Case) -> float:
        """Return the odds of a request where each source testified."""
        return case.odds * self._budget if case.odds > 0 else 1.0

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


def _span(event: WakeEvent) -> tuple[int, int]:
    testimony = event.testimony
    assert testimony is not None
    return (testimony.to_ns - testimony.from_ns, testimony.from_ns)


def shown(heard: Iterable[Heard]) -> tuple[Heard, ...]:
    """Return testimonies in the order of their sources, as a verdict shows them."""
    return tuple(sorted(heard, key=lambda item: item.source))
