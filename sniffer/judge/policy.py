"""Rules of the house (muted, quiet hours, away), and the calls and views that an upload may belong to."""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from sniffer.judge.case import Case
from sniffer.judge.coverage import Mark, Marks, SourceUptime, latest
from sniffer.judge.reasons import Reason
from sniffer.judge.settings import DAYS, JudgeSettings, QuietHours
from sniffer.model.clock import EARLIEST_NS, SECOND

#: A switch and an upload within this time of each other may have happened in either order.
SWITCH_NS = 2 * SECOND
#: A call or view may be reported this long after its first packet, and may start this long before it.
SESSION_NS = 10 * SECOND
#: A clock that may be off by this says nothing about the time of day.
_NO_TIME_OF_DAY_NS = 12 * 3600 * SECOND
#: A call or view whose end is never reported ends after this.
LONGEST_NS = 4 * 3600 * SECOND


@dataclass(slots=True)
class Switches:
    """States that people and schedules set, each a list of marks."""

    mute: Marks = field(default_factory=Marks)
    away: Marks = field(default_factory=Marks)
    call: Marks = field(default_factory=Marks)
    view: Marks = field(default_factory=Marks)

    def named(self) -> tuple[tuple[str, Marks], ...]:
        """Return all of them with their names."""
        return (("mute", self.mute), ("away", self.away), ("call", self.call), ("view", self.view))


class Broken(NamedTuple):
    """The rule that an upload broke. `unless_asked`: a request would have excused it."""

    reason: Reason
    unless_asked: bool = False


def broken_rule(
    case: Case,
    asked: bool,
    switches: Switches,
    uptime: Mapping[str, SourceUptime],
    settings: JudgeSettings,
    *,
    doubt_ns: int = 0,
    inferred: Container[str] = (),
) -> Broken | None:
    """Return the rule that an upload broke, if any; of several, one that no request excuses. `asked`: an independent
    wake event explains it. `doubt_ns` is by how much the clock may be off, `inferred` are the sources that conclude
    from the silence of phones that the house is empty."""
    if _muted(case, switches.mute, uptime):
        return Broken(Reason.MUTED)
    if case.camera:
        return None
    zone = settings.time_zone
    times = {case.upload.start_ns + shift for shift in (-doubt_ns, 0, doubt_ns)}
    broken = [
        Broken(Reason.QUIET_HOURS, hours.unless_asked)
        for hours in settings.quiet_hours
        if not (asked and hours.unless_asked)
        and doubt_ns < _NO_TIME_OF_DAY_NS
        and all(_quiet(case, hours, zone, time_ns) for time_ns in times)
    ]
    mark = _away(case, switches.away, uptime, settings)
    if mark is not None:
        unless = settings.away.unless_asked
        excused = mark.source in inferred if unless is None else unless
        if not (asked and excused):
            broken.append(Broken(Reason.AWAY, excused))
    return min(broken, key=lambda rule: rule.unless_asked, default=None)


def session(case: Case, marks: Marks) -> Mark | None:
    """Return the start of the call or view in which an upload began, if any."""
    names, start = case.speaker.names, case.upload.start_ns
    mark = latest(marks, names, start + SESSION_NS)
    if mark is None:
        return None
    if not mark.on:
        # It ended about when the upload began, so it may still have lasted then, if one had begun at all.
        before = latest(marks, names, mark.time_ns - 1)
        if mark.time_ns < start or before is None or not before.on:
            return None
        mark = before
    return mark if start - mark.time_ns <= LONGEST_NS else None


def _still_known(mark: Mark, time_ns: int, uptime: Mapping[str, SourceUptime]) -> bool:
    """Return whether the source of a mark was up ever since: a source that went down could not report the end."""
    source = uptime.get(mark.source)
    if source is None:
        return True
    marks = source.marks
    if not all(item.on for item in marks.items[marks.upto(mark.time_ns) : marks.upto(time_ns)]):
        return False
    if source.expires_ns is None or not marks.items:
        return True
    return source.up_throughout(max(mark.time_ns, marks.items[0].time_ns), time_ns)


def _muted(case: Case, marks: Marks, uptime: Mapping[str, SourceUptime]) -> bool:
    start = case.upload.start_ns
    mark = latest(marks, case.speaker.names, start - SWITCH_NS)
    after = latest(marks, case.speaker.names, start + SWITCH_NS)
    if mark is None or not mark.on or after is None or not after.on:
        return False
    return (bool(mark.device) or not case.camera) and _still_known(mark, start, uptime)


def _away(case: Case, marks: Marks, uptime: Mapping[str, SourceUptime], settings: JudgeSettings) -> Mark | None:
    """Return the report of an empty house that holds for an upload, if there is one."""
    start, grace = case.upload.start_ns, round(settings.away.grace * SECOND)
    mark = latest(marks, case.speaker.names, start - grace)
    after = latest(marks, case.speaker.names, start + grace)
    if mark is None or not mark.on or after is None or not after.on:
        return None
    return mark if _still_known(mark, start, uptime) else None


def in_quiet_hours(case: Case, settings: JudgeSettings, time_ns: int) -> bool:
    """Return whether a time lies in quiet hours of the case's device."""
    return any(_quiet(case, hours, settings.time_zone, time_ns) for hours in settings.quiet_hours)


def _quiet(case: Case, hours: QuietHours, time_zone: str, time_ns: int) -> bool:
    if time_ns < EARLIEST_NS:
        return False
    if hours.devices and not case.speaker.names & {name.casefold() for name in hours.devices}:
        return False
    seconds = time_ns // SECOND
    local = datetime.datetime.fromtimestamp(seconds, zoneinfo.ZoneInfo(time_zone))
    now, today = local.time(), local.weekday()
    if hours.start <= hours.end:
        return hours.start <= now < hours.end and DAYS[today] in hours.days
    if now >= hours.start:
        return DAYS[today] in hours.days
    return now < hours.end and DAYS[today - 1] in hours.days
