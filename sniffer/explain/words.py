"""One table: each reason of a verdict in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sniffer.judge.reasons import Reason
from sniffer.model import UploadClass, VerdictKind


@dataclass(frozen=True, slots=True)
class Words:
    """A reason in words.

    `headline` completes a line (no capital, no full stop); `sentence` says whether the upload was asked for and, behind
    a colon, why that is known (no full stop: sources follow); `advice` is what the reader can do.
    """

    headline: str
    sentence: str
    advice: str


WORDS: Mapping[Reason, Words] = {
    # expected
    Reason.WAKE_EVENT: Words(
        "asked for: a wake word was heard",
        "It was asked for: a wake word was heard",
        "If you did not say it, something that sounds alike was said, or the wake source misheard: look for this time "
        "in the voice history of the speaker's app.",
    ),
    Reason.FOLLOW_UP: Words(
        "asked for: it continues a conversation",
        "It was asked for: it continues a conversation that began with a wake word",
        "If you had stopped talking by then, look at the follow-up mode in the speaker's app.",
    ),
    Reason.ARBITRATION: Words(
        "asked for: several speakers heard one wake word",
        "It was asked for: several speakers heard the same wake word, and each sent what it heard",
        "Nothing to do. Speakers of one maker agree among themselves which of them answers.",
    ),
    Reason.CALL: Words(
        "asked for: a call was going on",
        "It was asked for: it belongs to a call that was started or accepted",
        "If you were not in a call, check the calls and drop-ins in the speaker's app.",
    ),
    Reason.VIEW: Words(
        "asked for: the camera was being watched",
        "It was asked for: it belongs to a live view of this camera",
        "If you were not watching, check who has access in the camera's app.",
    ),
    Reason.PERSON_SAYS_ASKED: Words(
        "asked for: a person says so",
        "It was asked for: a person says so, and nothing speaks against it",
        "If that was wrong, answer again: the last answer counts (`sniffer answer ID no`).",
    ),
    Reason.WAKE_WORD_FAINT: Words(
        "asked for: a listener almost heard the wake word",
        "It was asked for: the wake word was probably said, but was not heard clearly",
        "If you did not say it, something that sounds alike was said: the speaker was probably fooled by it as well.",
    ),
    Reason.VENDOR_REPORTS_REQUEST: Words(
        "asked for, according to its maker only",
        "It was asked for: its maker's own history says so, and nothing else does",
        "Add a wake source of your own to check the maker's word (docs/wake.md).",
    ),
    # unexpected
    Reason.NO_WAKE_EVENT: Words(
        "not asked for: no wake word was heard",
        "It was not asked for: no wake word was heard",
        "If you did ask, your wake source missed it: `sniffer doctor` checks it. If you did not, look for this time in "
        "the voice history of the speaker's app.",
    ),
    Reason.PERSON_SAYS_UNASKED: Words(
        "not asked for: a person says so",
        "It was not asked for: a person says so, and the rest of the evidence agrees",
        "Look for this time in the voice history of the speaker's app. If you did ask, answer again: the last answer "
        "counts (`sniffer answer ID yes`).",
    ),
    Reason.MUTED: Words(
        "not asked for: its microphone was muted",
        "It was not asked for: its microphone was muted at that time",
        "Check the mute light on the device. If it was not muted, correct the source that reported it.",
    ),
    Reason.QUIET_HOURS: Words(
        "not asked for: it was sent during quiet hours",
        "It was not asked for: it was sent during your quiet hours",
        "If this was you, change `judge.quiet_hours` in the configuration.",
    ),
    Reason.AWAY: Words(
        "not asked for: no one was at home",
        "It was not asked for: no one was at home",
        "If someone was at home, check the source that reports presence (docs/wake.md).",
    ),
    # inconclusive
    Reason.NO_WAKE_SOURCE: Words(
        "cannot tell whether you asked: no wake source covers this device",
        "We cannot tell whether you asked: no wake source is set up that would report requests to this device",
        "Add a wake source: `sniffer doctor` says how.",
    ),
    Reason.NO_INDEPENDENT_SOURCE: Words(
        "cannot tell whether you asked: only its maker keeps a history",
        "We cannot tell whether you asked: only the maker's own history covers this device, and it lists nothing",
        "Add a wake source of your own (docs/wake.md).",
    ),
    Reason.NO_VIEW_SOURCE: Words(
        "cannot tell whether it was being watched",
        "We cannot tell whether you were watching: no source reports views of this camera",
        "Send events of kind `view_start` and `view_end` (docs/wake.md).",
    ),
    Reason.NO_CALL_SOURCE: Words(
        "cannot tell who started the call",
        "We cannot tell whether you were in a call: no source reports calls",
        "Send events of kind `call_start` and `call_end` (docs/wake.md).",
    ),
    Reason.WAKE_SOURCE_DOWN: Words(
        "cannot tell whether you asked: the wake source was down",
        "We cannot tell whether you asked: every wake source that could have heard you was down, or gave no sign "
        "of life",
        "Start the wake source again; `sniffer doctor` checks it.",
    ),
    Reason.WAKE_SOURCE_DEAF: Words(
        "cannot tell whether you asked: the wake source heard none of the last requests",
        "We cannot tell whether you asked: the wake source was up, but reported none of the requests around that time",
        "Check that its microphone works and that it stands within earshot.",
    ),
    Reason.WAKE_SOURCE_UNPROVEN: Words(
        "cannot tell whether you asked: the wake source has not shown that it hears",
        "We cannot tell whether you asked: the wake source had reported no wake word for this device in the day "
        "before, or none since it connected, so its silence says nothing",
        "Say the wake word to this device: the page and `sniffer doctor` show when each source heard it last.",
    ),
    Reason.SOURCE_MAY_HAVE_MISSED: Words(
        "cannot tell whether you asked: no wake word was heard, but one may have been missed",
        "We cannot tell whether you asked: no wake word was heard, but the wake sources miss too many",
        "Add a second wake source, or move yours closer to the speaker.",
    ),
    Reason.WAKE_EVENT_OFF_TIME: Words(
        "cannot tell whether you asked: a wake word was heard, but its time does not fit",
        "We cannot tell whether you asked: a wake word was heard near that moment, but too early or too late to fit",
        "Check that the clocks of this machine and of the wake source agree.",
    ),
    Reason.WAKE_EVENT_ELSEWHERE: Words(
        "cannot tell whether you asked: a wake word was heard for another device",
        "We cannot tell whether you asked: a wake word was heard at that moment for another device, which sent nothing",
        "If you spoke to this device, correct the device name in the wake source.",
    ),
    Reason.LONGER_THAN_REQUEST: Words(
        "cannot tell whether you asked for all of it: it lasted longer than any request does",
        "We cannot tell whether you asked for all of it: it began with a request, but lasted longer than any does",
        "If you dictated something long, raise `judge.follow_up.longest_request`.",
    ),
    Reason.CAPTURE_LOSS: Words(
        "cannot tell whether you asked: packets were lost, or the clock was set",
        "We cannot tell whether you asked: packets were lost around that moment, or the clock was set",
        "The log says which of the two it was. `sniffer doctor` says how to lose fewer packets.",
    ),
    Reason.NOTHING_CAME_BACK: Words(
        "cannot tell whether you asked: no answer to these packets was captured",
        "We cannot tell whether you asked: no answer to these packets was captured, so they may be forged, or only one "
        "direction was seen",
        "`sniffer doctor` checks that both directions of the traffic are captured.",
    ),
    Reason.MAY_NOT_BE_SPEECH: Words(
        "no request explains it, but it may not have been speech",
        "No request explains it, but we cannot be sure that it was speech",
        "Nothing to do, unless it happens often or at times when you spoke.",
    ),
    Reason.DEVICE_NOT_RECOGNISED: Words(
        "no request explains it, but this device may have no microphone",
        "No request explains it, but we cannot be sure that this device has a microphone",
        "If it has one, name the device under `devices` in the configuration; from then on it is judged.",
    ),
    # no verdict
    Reason.NOT_JUDGED: Words(
        "listed for information only",
        "Listed for information only",
        "Nothing to do: only uploads that could hold speech are judged.",
    ),
}

#: In place of a wake word where a call or pictures left: those have none.
_UNASKED_STREAM = Words(
    "not asked for: no call and no viewer was reported",
    "It was not asked for: no call and no viewer was reported",
    "If it was you, your source missed it: `sniffer doctor` checks it. If it was not, look for this time, and for who "
    "has access, in the device's app.",
)

#: For a reason that a later version gave and this one does not know.
_OTHERS: Mapping[VerdictKind | None, Words] = {
    VerdictKind.EXPECTED: Words("asked for", "It was asked for", "Nothing to do."),
    VerdictKind.UNEXPECTED: Words("not asked for", "It was not asked for", "Update sniffer to see the reason."),
    VerdictKind.INCONCLUSIVE: Words(
        "cannot tell whether you asked", "We cannot tell whether you asked", "Update sniffer to see the reason."
    ),
    None: WORDS[Reason.NOT_JUDGED],
}


def words_of(reason: str, verdict: VerdictKind | None, upload_class: str = UploadClass.SPEECH) -> Words:
    """Return the words of a record's reason; those of its verdict alone where the reason is not known."""
    if reason == Reason.NO_WAKE_EVENT and upload_class == UploadClass.MEDIA:
        return _UNASKED_STREAM
    try:
        return WORDS[Reason(reason)]
    except (KeyError, ValueError):
        return _OTHERS[verdict]
