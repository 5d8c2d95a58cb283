"""Why a verdict is what it is: one word each. `sniffer.explain.words` says each for people."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from sniffer.model import VerdictKind


class Reason(enum.StrEnum):
    """Every reason that a verdict can have; `KIND` gives the verdict that each belongs to."""

    # expected
    WAKE_EVENT = "wake_event"
    FOLLOW_UP = "follow_up"
    ARBITRATION = "arbitration"
    CALL = "call"
    VIEW = "view"
    WAKE_WORD_FAINT = "wake_word_faint"
    PERSON_SAYS_ASKED = "person_says_asked"
    VENDOR_REPORTS_REQUEST = "vendor_reports_request"
    # unexpected
    NO_WAKE_EVENT = "no_wake_event"
    PERSON_SAYS_UNASKED = "person_says_unasked"
    MUTED = "muted"
    QUIET_HOURS = "quiet_hours"
    AWAY = "away"
    # inconclusive
    NO_WAKE_SOURCE = "no_wake_source"
    NO_INDEPENDENT_SOURCE = "no_independent_source"
    NO_VIEW_SOURCE = "no_view_source"
    NO_CALL_SOURCE = "no_call_source"
    WAKE_SOURCE_DOWN = "wake_source_down"
    WAKE_SOURCE_DEAF = "wake_source_deaf"
    WAKE_SOURCE_UNPROVEN = "wake_source_unproven"
    SOURCE_MAY_HAVE_MISSED = "source_may_have_missed"
    WAKE_EVENT_OFF_TIME = "wake_event_off_time"
    WAKE_EVENT_ELSEWHERE = "wake_event_elsewhere"
    LONGER_THAN_REQUEST = "longer_than_request"
    CAPTURE_LOSS = "capture_loss"
    NOTHING_CAME_BACK = "nothing_came_back"
    MAY_NOT_BE_SPEECH = "may_not_be_speech"
    DEVICE_NOT_RECOGNISED = "device_not_recognised"
    # no verdict
    NOT_JUDGED = "not_judged"


_EXPECTED = (
    Reason.WAKE_EVENT, Reason.FOLLOW_UP, Reason.ARBITRATION, Reason.CALL, Reason.VIEW, Reason.WAKE_WORD_FAINT,
    Reason.PERSON_SAYS_ASKED, Reason.VENDOR_REPORTS_REQUEST,
)  # fmt: skip
_UNEXPECTED = (Reason.NO_WAKE_EVENT, Reason.PERSON_SAYS_UNASKED, Reason.MUTED, Reason.QUIET_HOURS, Reason.AWAY)

#: Which verdict each reason belongs to; None is no verdict at all.
KIND: Mapping[Reason, VerdictKind | None] = {
    reason: None
    if reason is Reason.NOT_JUDGED
    else VerdictKind.EXPECTED
    if reason in _EXPECTED
    else VerdictKind.UNEXPECTED
    if reason in _UNEXPECTED
    else VerdictKind.INCONCLUSIVE
    for reason in Reason
}
