"""Why a verdict is what it is: one word each, and what the word means."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from sniffer.model import VerdictKind


class Reason(enum.StrEnum):
    """Every reason a verdict can have; `MEANING` says each in a sentence and `KIND` which verdict it belongs to."""

    # expected
    WAKE_EVENT = "wake_event"
    FOLLOW_UP = "follow_up"
    ARBITRATION = "arbitration"
    CALL = "call"
    VIEW = "view"
    VENDOR_REPORTS_REQUEST = "vendor_reports_request"
    # unexpected
    NO_WAKE_EVENT = "no_wake_event"
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
    SOURCE_MAY_HAVE_MISSED = "source_may_have_missed"
    WAKE_EVENT_OFF_TIME = "wake_event_off_time"
    WAKE_EVENT_ELSEWHERE = "wake_event_elsewhere"
    CAPTURE_LOSS = "capture_loss"
    NOTHING_CAME_BACK = "nothing_came_back"
    MAY_NOT_BE_SPEECH = "may_not_be_speech"
    DEVICE_NOT_RECOGNISED = "device_not_recognised"
    # no verdict
    NOT_JUDGED = "not_judged"


#: What each reason means, for people.
MEANING: Mapping[Reason, str] = {
    Reason.WAKE_EVENT: "a wake event stands right beside the upload",
    Reason.FOLLOW_UP: "it continues a dialogue that a wake event began",
    Reason.ARBITRATION: "several speakers of one vendor heard the same wake word, and each sent what it heard",
    Reason.CALL: "a call or drop-in that somebody began or took",
    Reason.VIEW: "somebody was watching this camera",
    Reason.VENDOR_REPORTS_REQUEST: "only the vendor's own history says that somebody asked",
    Reason.NO_WAKE_EVENT: "an independent source was listening, and nobody asked",
    Reason.MUTED: "the microphone was muted",
    Reason.QUIET_HOURS: "it happened in quiet hours",
    Reason.AWAY: "nobody was home",
    Reason.NO_WAKE_SOURCE: "no source of wake events covers this device, so nobody knows who asked",
    Reason.NO_INDEPENDENT_SOURCE: "only the vendor's own history covers this device, and it says nothing",
    Reason.NO_VIEW_SOURCE: "a camera streamed, and no source says who was watching",
    Reason.NO_CALL_SOURCE: "a call or drop-in, and no source says who began it",
    Reason.WAKE_SOURCE_DOWN: "every source that could have heard a request was down",
    Reason.WAKE_SOURCE_DEAF: "the sources were up but heard nothing for a while in which requests were made",
    Reason.SOURCE_MAY_HAVE_MISSED: "the sources that listened miss too many requests to tell",
    Reason.WAKE_EVENT_OFF_TIME: "a wake event is near: off its source's time, or perhaps another upload's",
    Reason.WAKE_EVENT_ELSEWHERE: "a wake event at that moment names another device, which sent nothing",
    Reason.CAPTURE_LOSS: "packets were lost around it",
    Reason.NOTHING_CAME_BACK: "no packet of the other side was seen on its connection: it may be forged, or half seen",
    Reason.MAY_NOT_BE_SPEECH: "nobody asked, but it is not certain enough that this was live sound",
    Reason.DEVICE_NOT_RECOGNISED: "nobody asked, but it is not certain that this device has a microphone",
    Reason.NOT_JUDGED: "this class of upload is what the device does by itself",
}

_EXPECTED = (
    Reason.WAKE_EVENT, Reason.FOLLOW_UP, Reason.ARBITRATION, Reason.CALL, Reason.VIEW, Reason.VENDOR_REPORTS_REQUEST,
)  # fmt: skip
_UNEXPECTED = (Reason.NO_WAKE_EVENT, Reason.MUTED, Reason.QUIET_HOURS, Reason.AWAY)

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
