"""The design's table of verdicts, row by row."""

import dataclasses
from typing import Any

import pytest

from sniffer.judge import KIND, Judge, Reason
from sniffer.model import Trust, UploadClass, VerdictKind, WakeKind
from sniffer.model.clock import SECOND
from tests.judge.story import DEVICES, START, ear, final, hand, hears, history, judge, lost, says, told, verdicts

BULK, MEDIA, TELEMETRY = UploadClass.BULK, UploadClass.MEDIA, UploadClass.TELEMETRY


def test_every_reason_has_a_meaning_and_a_verdict() -> None:
    assert set(KIND) == set(Reason)


def test_a_wake_event_explains() -> None:
    court = judge(ear())
    hand(court, [hears(0.0), says(0.4)])
    (judged,) = court.finish()
    assert judged.verdict.kind is VerdictKind.EXPECTED
    assert judged.verdict.reason == "wake_event"
    assert judged.verdict.wake.seen
    assert judged.verdict.wake.relation == "direct"
    assert judged.verdict.wake.gap_seconds == pytest.approx(0.4)
    assert judged.verdict.listened == ("ear",)


def test_nobody_asked() -> None:
    court = judge(ear())
    hand(court, [says(0.4)])
    (judged,) = court.finish()
    assert judged.verdict.kind is VerdictKind.UNEXPECTED
    assert judged.verdict.reason == "no_wake_event"
    assert judged.verdict.confidence > 0.9


def test_without_a_source_nothing_is_known() -> None:
    assert verdicts(judge(), says(0), says(60, what=BULK), says(90, what=MEDIA)) == ["no_wake_source"] * 3


def test_classes_that_are_not_judged_have_no_verdict() -> None:
    court = judge(ear())
    hand(court, [says(0, what=TELEMETRY)])
    (judged,) = court.finish()
    assert judged.verdict.kind is None
    assert judged.verdict.reason == "not_judged"


def test_what_is_sent_in_bulk_may_be_anything() -> None:
    court = judge(ear())
    hand(court, [hears(0), says(0.5, what=BULK), says(60, what=BULK, probability=0.02)])
    asked, unasked = court.finish()
    assert asked.verdict.reason == "wake_event"
    assert (unasked.verdict.kind, unasked.verdict.reason) == (VerdictKind.INCONCLUSIVE, "may_not_be_speech")


def test_who_accuses_must_be_sure_that_it_was_speech() -> None:
    found = verdicts(judge(ear()), *(says(n * 60.0, probability=p) for n, p in enumerate((0.6, 0.9, 0.95, 0.99))))
    assert found == ["may_not_be_speech"] * 2 + ["no_wake_event"] * 2


def test_an_answer_to_a_part_of_a_dialogue_speaks_for_all_of_it() -> None:
    ear_that_misses = ear(miss_rate=0.01)
    assert verdicts(judge(ear_that_misses), says(0), says(8, answered=False), says(90, answered=False)) == [
        "source_may_have_missed",
        "source_may_have_missed",
        "no_wake_event",
    ]


def test_one_wake_explains_one_upload_a_device() -> None:
    assert verdicts(judge(ear()), hears(0), says(0.5), says(40)) == ["wake_event", "no_wake_event"]


def test_a_dialogue_goes_on_without_a_wake_word_but_not_for_ever() -> None:
    uploads = [says(8.0 * n) for n in range(6)]
    assert verdicts(judge(ear()), hears(-0.5), *uploads) == ["wake_event", *["follow_up"] * 3, *["no_wake_event"] * 2]


def test_nothing_follows_what_nobody_asked_for() -> None:
    assert verdicts(judge(ear()), says(0), says(6)) == ["no_wake_event", "no_wake_event"]


def test_a_dialogue_needs_an_answer() -> None:
    first = hears(0), says(0, seconds=9, answered=False)
    assert verdicts(judge(ear()), *first, says(20)) == ["wake_event", "no_wake_event"]


def test_while_a_clock_is_not_known_an_event_may_be_either_uploads() -> None:
    assert verdicts(judge(ear()), hears(0), says(0, answered=False), says(12)) == ["wake_event", "wake_event_off_time"]


def test_speakers_of_one_vendor_in_earshot_answer_one_wake_word() -> None:
    court = judge(ear())
    assert verdicts(court, hears(0, "kitchen"), says(0.3), says(0.5, "bedroom")) == ["wake_event", "arbitration"]


def test_one_event_for_the_whole_house() -> None:
    court = judge(ear())
    assert verdicts(court, hears(0), says(0.3), says(0.5, "bedroom")) == ["wake_event", "arbitration"]


def test_a_speaker_out_of_earshot_was_not_asked() -> None:
    assert verdicts(judge(ear()), hears(0, "kitchen"), says(0.3), says(0.5, "attic")) == [
        "wake_event",
        "no_wake_event",
    ]


def test_a_speaker_of_another_vendor_was_not_asked() -> None:
    assert verdicts(judge(ear()), hears(0, "kitchen"), says(0.3), says(0.5, "hall")) == ["wake_event", "no_wake_event"]


def test_a_wake_word_of_one_vendor_does_not_explain_another() -> None:
    items = [hears(0, vendor="Amazon"), says(0.3, "hall"), hears(60, vendor="Amazon"), says(60.3)]
    assert verdicts(judge(ear()), *items) == ["no_wake_event", "wake_event"]


def test_an_ear_for_one_vendor_says_nothing_of_another() -> None:
    assert verdicts(judge(ear(vendor="Amazon")), says(0, "hall"), says(60), says(99, "nameless")) == [
        "no_wake_source",
        "no_wake_event",
        "no_wake_source",
    ]


def test_an_ear_in_one_room_says_nothing_of_another() -> None:
    assert verdicts(judge(ear(devices=("kitchen",))), says(0, "bedroom"), says(60)) == [
        "no_wake_source",
        "no_wake_event",
    ]


@pytest.mark.parametrize("name", ["00:00:00:00:00:0A", "00-00-00-00-00-0a", "00000000000a", "CELLAR"])
def test_a_device_may_be_called_by_its_mac(name: str) -> None:
    assert verdicts(judge(ear()), hears(0, name), says(0.3, "cellar")) == ["wake_event"]


def test_the_vendors_word_explains_alone() -> None:
    court = judge(history())
    hand(court, [hears(0, source="vendor", trust=Trust.SELF_REPORT), says(0.3)])
    (judged,) = court.finish()
    assert judged.verdict.kind is VerdictKind.EXPECTED
    assert judged.verdict.reason == "vendor_reports_request"
    assert judged.verdict.wake.trust is Trust.SELF_REPORT


def test_the_vendors_word_reaches_as_far_as_a_wake_event() -> None:
    report = hears(0, "kitchen", source="vendor", trust=Trust.SELF_REPORT)
    court = judge(history())
    assert verdicts(court, report, says(0.3), says(0.6, "bedroom"), says(8)) == ["vendor_reports_request"] * 3


def test_the_vendors_word_counts_nothing_against_an_ear_that_heard_nothing() -> None:
    report = hears(0, source="vendor", trust=Trust.SELF_REPORT)
    court = judge(history(), ear())
    hand(court, [report, says(0.3)])
    (judged,) = court.finish()
    assert judged.verdict.kind is VerdictKind.UNEXPECTED
    assert not judged.verdict.wake.seen
    assert judged.verdict.wake.source == "vendor", "shown, not believed"


def test_the_vendors_word_explains_while_the_ear_is_down() -> None:
    report = hears(0, source="vendor", trust=Trust.SELF_REPORT)
    court = judge(history(), ear())
    assert verdicts(court, told(WakeKind.SOURCE_DOWN, -90), report, says(0.3)) == ["vendor_reports_request"]


def test_the_vendors_silence_accuses_nobody() -> None:
    assert verdicts(judge(history()), says(0)) == ["no_independent_source"]


def test_a_source_that_went_down_before_its_event_could_have_come_is_no_witness() -> None:
    assert verdicts(judge(ear()), says(0), told(WakeKind.SOURCE_DOWN, 2)) == ["wake_source_down"]


def test_a_mute_is_believed_as_long_as_its_source_lives() -> None:
    def court() -> Judge:
        return judge(ear(), ear("switch", hears=frozenset(), expires=60.0))

    mute = told(WakeKind.MUTE, 0, "kitchen", source="switch")
    alive = [told(WakeKind.SOURCE_UP, 40.0 * n, source="switch") for n in range(12)]
    assert verdicts(court(), mute, *alive, says(400)) == ["muted"]
    assert verdicts(court(), mute, alive[1], says(400)) == ["no_wake_event"]


def test_a_source_that_was_down_heard_nothing() -> None:
    down, up = told(WakeKind.SOURCE_DOWN, 100), told(WakeKind.SOURCE_UP, 200)
    court = judge(ear())
    assert verdicts(court, down, up, says(0), says(150), says(202), says(300)) == [
        "no_wake_event",
        "wake_source_down",
        "wake_source_down",  # it came up only after the word could have been said
        "no_wake_event",
    ]


def test_one_of_two_ears_is_enough() -> None:
    court = judge(ear("a"), ear("b"))
    hand(court, [told(WakeKind.SOURCE_DOWN, -60, source="a"), says(0)])
    (judged,) = court.finish()
    assert judged.verdict.reason == "no_wake_event"
    assert judged.verdict.listened == ("b",)


def test_a_source_may_miss_too_many_to_tell() -> None:
    court = judge(ear())
    hand(court, [told(WakeKind.SOURCE_UP, -60, miss_rate=0.3), says(0)])
    (judged,) = court.finish()
    assert judged.verdict.kind is VerdictKind.INCONCLUSIVE
    assert judged.verdict.reason == "source_may_have_missed"
    assert judged.verdict.confidence < 0.5


def test_an_answer_speaks_for_a_request() -> None:
    found = {}
    for answered in (True, False):
        court = judge(ear(miss_rate=0.01))
        hand(court, [says(0, answered=answered)])
        (found[answered],) = court.finish()
    assert found[True].verdict.reason == "source_may_have_missed"
    assert found[False].verdict.reason == "no_wake_event"


def test_lost_packets_accuse_nobody() -> None:
    assert verdicts(judge(ear()), lost(1, 2), says(0), hears(59.8), says(60), lost(61, 62), says(120)) == [
        "capture_loss",
        "wake_event",
        "no_wake_event",
    ]


def test_a_camera_is_explained_by_who_watches() -> None:
    assert verdicts(judge(ear()), says(0, "door", 30, MEDIA)) == ["no_view_source"]
    watcher = ear("watch", hears=frozenset({"view"}))
    seen = [told(WakeKind.VIEW_START, 1, "door", "watch"), told(WakeKind.VIEW_END, 33, "door", "watch")]
    assert verdicts(judge(watcher), *seen, says(0, "door", 30, MEDIA), says(90, "door", 30, MEDIA)) == [
        "view",
        "no_wake_event",
    ]


def test_a_call_is_explained_by_who_began_it() -> None:
    began, ended = told(WakeKind.CALL_START, 0, "kitchen", "phone"), told(WakeKind.CALL_END, 90, "kitchen", "phone")
    phone = ear("phone", hears=frozenset({"call"}))
    court = judge(ear(), phone)
    assert verdicts(court, began, ended, says(2, seconds=80, what=MEDIA), says(300, seconds=50, what=MEDIA)) == [
        "call",
        "no_wake_event",
    ]


def test_a_call_that_was_asked_for_needs_no_call_source() -> None:
    court = judge(ear())
    asked = [hears(0), says(0.4), says(12, seconds=60, what=MEDIA)]
    assert verdicts(court, *asked, says(12.5, "bedroom", 60, MEDIA), says(400, seconds=60, what=MEDIA)) == [
        "wake_event",
        "call",
        "call",  # drop in on the bedroom
        "no_call_source",
    ]


def test_muted_overrides_everything() -> None:
    muted, unmuted = told(WakeKind.MUTE, 0, "kitchen"), told(WakeKind.UNMUTE, 100, "kitchen")
    court = judge(ear())
    items = [muted, unmuted, hears(50), says(50.3), says(50.9, "bedroom"), hears(149), says(150)]
    assert verdicts(court, *items) == ["muted", "arbitration", "wake_event"]


def test_mute_needs_no_ear() -> None:
    switch = ear("switch", hears=frozenset())
    assert verdicts(judge(switch), told(WakeKind.MUTE, 0, source="switch"), says(50), says(60, "door", 9, MEDIA)) == [
        "muted",
        "no_view_source",
    ]


def test_a_mute_state_that_nobody_tells_the_end_of_is_no_state() -> None:
    items = [told(WakeKind.MUTE, 0, "kitchen"), told(WakeKind.SOURCE_DOWN, 20), says(50)]
    assert verdicts(judge(ear()), *items) == ["wake_source_down"]


# The story begins at 22:13:20 UTC on a Tuesday.
@pytest.mark.parametrize(
    ("hours", "reason"),
    [
        ({"start": "22:00", "end": "06:00"}, "quiet_hours"),
        ({"start": "22:00", "end": "06:00", "days": ["tue"]}, "quiet_hours"),
        ({"start": "22:00", "end": "06:00", "days": ["wed"]}, "wake_event"),
        ({"start": "22:00", "end": "06:00", "devices": ["bedroom"]}, "wake_event"),
        ({"start": "22:00", "end": "06:00", "unless_asked": True}, "wake_event"),
        ({"start": "08:00", "end": "22:00"}, "wake_event"),
        ({"start": 22 * 60, "end": 1380}, "quiet_hours"),
    ],
)
def test_quiet_hours(hours: dict[str, object], reason: str) -> None:
    assert verdicts(judge(ear(), quiet_hours=[hours]), hears(0), says(0.3)) == [reason]


def test_a_clock_that_was_never_set_breaks_no_quiet_hours() -> None:
    """A router without a battery begins at midnight of 1970 or 2000."""
    night = {"start": "22:00", "end": "06:00"}
    for begin in (0, 946_684_800):
        long_ago = begin + 3600 - START / SECOND
        assert verdicts(judge(ear(), quiet_hours=[night]), says(long_ago)) == ["no_wake_event"]


@pytest.mark.parametrize(
    ("doubt_s", "start", "reason"),
    [
        (0, "22:13:00", "quiet_hours"),
        (900, "22:00", "no_wake_event"),  # the story begins at 22:13:20
        (900, "21:50", "quiet_hours"),
        (900, "08:00", "quiet_hours"),
        (86_400, "08:00", "no_wake_event"),
    ],
)
def test_quiet_hours_accuse_only_where_the_clock_cannot_be_wrong_by_as_much(
    doubt_s: int, start: str, reason: str
) -> None:
    court = judge(ear(), quiet_hours=[{"start": start, "end": "06:00"}])
    assert court.doubt_clock(START - SECOND, doubt_s * SECOND) is (doubt_s > 0)
    assert not court.doubt_clock(START, doubt_s * SECOND)
    again = Judge(court._settings, (ear(),), DEVICES.__getitem__, court.state())
    assert verdicts(again, says(0)) == [reason]


def test_a_clock_that_is_synchronised_later_is_believed_from_then_on() -> None:
    court = judge(ear(), quiet_hours=[{"start": "08:00", "end": "06:00"}])
    court.doubt_clock(START - SECOND, 86_400 * SECOND)
    court.doubt_clock(START + 100 * SECOND, 0)
    assert verdicts(court, says(0), says(200)) == ["no_wake_event", "quiet_hours"]


def test_a_request_that_may_belong_to_an_upload_excuses_it_where_the_hours_say_so() -> None:
    night = {"start": "22:00", "end": "06:00"}
    unless = judge(ear(), quiet_hours=[night | {"unless_asked": True}])
    followed = hears(0), says(0, answered=False), says(12)
    assert verdicts(unless, *followed) == ["wake_event", "wake_event_off_time"]
    unless = judge(ear(), quiet_hours=[night | {"unless_asked": True}])
    assert verdicts(unless, hears(0, "kitchn"), says(0.3)) == ["wake_event_elsewhere"]
    unless = judge(ear(), quiet_hours=[night | {"unless_asked": True}])
    assert verdicts(unless, says(0.3)) == ["quiet_hours"]
    both = judge(ear(), quiet_hours=[night | {"unless_asked": True}, night])
    assert verdicts(both, *followed) == ["quiet_hours", "quiet_hours"], "the stricter hours count"


def test_quiet_hours_are_local_time() -> None:
    hours = {"start": "23:00", "end": "06:00"}
    assert verdicts(judge(ear(), quiet_hours=[hours], time_zone="Europe/Berlin"), says(0)) == ["quiet_hours"]
    assert verdicts(judge(ear(), quiet_hours=[hours]), says(0)) == ["no_wake_event"]


def test_past_midnight_the_day_is_the_one_on_which_it_began() -> None:
    tuesday_night = {"start": "22:00", "end": "06:00", "days": ["tue"]}
    assert verdicts(judge(ear(), quiet_hours=[tuesday_night]), says(4 * 3600)) == ["quiet_hours"]


def test_nobody_home() -> None:
    phones = ear("phones", hears=frozenset())
    away, home = told(WakeKind.AWAY, 0, source="phones"), told(WakeKind.HOME, 1000, source="phones")
    items = [away, home, says(60), says(500), says(950), says(1200)]
    assert verdicts(judge(phones), *items) == ["no_wake_source", "away", "no_wake_source", "no_wake_source"]


@pytest.mark.parametrize(
    ("infers", "setting", "reasons"),
    [
        (True, {}, ["wake_event", "away"]),
        (False, {}, ["away", "away"]),
        (True, {"away": {"unless_asked": False}}, ["away", "away"]),
        (False, {"away": {"unless_asked": True}}, ["wake_event", "away"]),
    ],
)
def test_phones_that_are_silent_accuse_nothing_that_was_asked_for(
    infers: bool, setting: dict[str, object], reasons: list[str]
) -> None:
    """A phone may be off, or was never there: one frame with its address is easily forged, and silence follows."""
    reporter = ear("phones", hears=frozenset(), infers_absence=infers)
    items = [told(WakeKind.AWAY, 0, source="phones"), hears(400), says(400.3), says(600)]
    assert verdicts(judge(ear(), reporter, **setting), *items) == reasons


def test_an_event_for_another_name_that_sent_nothing_accuses_nobody() -> None:
    assert verdicts(judge(ear()), hears(0, "kitchn"), says(0.3), says(90)) == ["wake_event_elsewhere", "no_wake_event"]


def test_late_news_judge_anew() -> None:
    court = judge(ear())
    court.upload(says(0.4))
    (first,) = court.advance(says(30).end_ns)
    assert (first.verdict.kind, first.verdict.revision) == (VerdictKind.UNEXPECTED, 0)
    court.wake(hears(0, received=60))
    assert court.advance(says(50).end_ns) == []
    (second,) = court.advance(says(90).end_ns)
    assert (second.verdict.kind, second.verdict.revision) == (VerdictKind.EXPECTED, 1)
    assert second.upload == first.upload


def test_news_of_yesterday_judge_nothing() -> None:
    court = judge(ear())
    court.upload(says(0.4))
    court.advance(says(90_000).end_ns)
    court.wake(hears(0, received=90_100))
    assert court.advance(says(90_200).end_ns) == []
    assert court.refused == 1


def test_the_hold_off_is_that_of_the_ears_alone() -> None:
    court = judge(ear(hold_off=2.0), history(hold_off=75.0))
    court.upload(says(0))
    assert court.advance(says(0).final_ns + 1_999_999_999) == []
    assert len(court.advance(says(0).final_ns + 2_000_000_000)) == 1
    court = judge(history(hold_off=75.0))
    court.upload(says(0))
    assert court.advance(says(0).final_ns + 74_000_000_000) == []


def test_devices_are_asked_only_by_key() -> None:
    court = judge(ear())
    hand(court, [hears(0, "KITCHEN"), says(0.2)])
    assert final(court.finish())[0.2, "kitchen"].verdict.reason == "wake_event"
    assert DEVICES


@pytest.mark.parametrize("settings", [{}, {"quiet_hours": [{"start": "00:00", "end": "23:59"}]}])
def test_silence_alone_accuses_nobody_of_what_is_perhaps_no_sound(settings: dict[str, Any]) -> None:
    """A flush of logs that nobody asked for is listed, in quiet hours too, and is no accusation."""
    flush = dataclasses.replace(says(10, what=BULK), probability=0.02)
    assert verdicts(judge(ear(), **settings), flush) == ["may_not_be_speech"]


@pytest.mark.parametrize("settings", [{}, {"quiet_hours": [{"start": "00:00", "end": "23:59"}]}])
def test_frames_that_nothing_answered_accuse_nobody(settings: dict[str, Any]) -> None:
    forged = dataclasses.replace(says(10), one_sided=True)
    assert verdicts(judge(ear(), **settings), forged) == ["nothing_came_back"]


def test_what_perhaps_has_no_microphone_is_not_accused() -> None:
    assert verdicts(judge(ear()), says(10, device="perhaps")) == ["device_not_recognised"]


def test_a_stream_that_only_goes_out_is_believed_as_far_as_its_pace() -> None:
    """A minute and a half of logs in quiet hours is no voice; a call is."""
    quiet = {"quiet_hours": [{"start": "00:00", "end": "23:59"}]}
    out = dataclasses.replace(says(10, what=MEDIA, seconds=90), probability=0.03, bytes=200_000, bytes_toclient=4_000)
    assert verdicts(judge(ear(), **quiet), out) == ["may_not_be_speech"]
    call = dataclasses.replace(out, bytes_toclient=190_000)
    assert verdicts(judge(ear(), **quiet), call) == ["quiet_hours"]
