"""Times as exports write them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer.model.clock import SECOND
from sniffer.vendor.times import from_audio_name, from_file_name, from_number, from_text

BERLIN = ZoneInfo("Europe/Berlin")
#: 2026-11-22 18:04:05 in Berlin.
EVENING = round(datetime(2026, 11, 22, 17, 4, 5, tzinfo=UTC).timestamp()) * SECOND
#: Dates in UTC, to a second.
MOMENTS = st.integers(1_300_000_000, 3_800_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22 18:04:05", "2026-11-22T18:04:05", "22.11.2026 18:04:05", "22.11.2026, 18:04:05 MEZ",
        "11/22/2026 6:04:05 PM", "11/22/2026, 6:04:05 p.m.", "22/11/2026 18:04:05", "22-11-2026 18:04:05",
        "Nov 22, 2026, 6:04:05\u202fPM CET", "22. Nov. 2026, 18:04:05 MEZ", "November 22, 2026 at 6:04:05 PM",
        "22 nov. 2026 à 18:04:05", "dimanche 22 novembre 2026 18:04:05", "22 nov 2026, 18:04:05 CET",
        "2026年11月22日 18:04:05", "2026. 11. 22. 오후 6:04:05", "2026/11/22 18:04:05", "22 de nov. de 2026, 18:04:05",
        "22 listopada 2026, 18:04:05", "22 ноя. 2026, 18:04:05", "18:04:05 22.11.2026", "22.11.2026 18.04.05",
        "22 kas 2026 18:04:05", "nov 22 2026 18:04:05",
    ],
)  # fmt: skip
def test_a_local_time_in_many_languages(text: str) -> None:
    found = from_text(text, BERLIN)
    assert found is not None
    assert (found.time_ns, found.zoned, found.also_ns) == (EVENING, False, None)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T17:04:05Z", "2026-11-22T18:04:05+01:00", "2026-11-22 17:04:05 UTC", "Nov 22, 2026, 5:04:05 PM GMT",
        "Nov 22, 2026, 6:04:05 PM GMT+1", "22.11.2026 12:04:05 UTC-05:00", "1795367045", "1795367045000",
        "1795367045000000",
    ],
)  # fmt: skip
def test_a_time_with_a_zone_needs_none(text: str) -> None:
    found = from_text(text, ZoneInfo("Asia/Tokyo"))
    assert found is not None
    assert (found.time_ns, found.zoned) == (EVENING, True)


@pytest.mark.parametrize(
    "text",
    ["", "yes", "12", "18:04:05", "2026-11-22", "22.11.2026", "1.20", "1234567890123456789", "32.13.2026 18:04:05",
     "2026-11-22 25:61:00", "mardi 2026", "Nov 2026 18:04:05", "1795-01-01T00:00:00Z", "9999999999999"],
)  # fmt: skip
def test_what_is_no_time_good_to_a_second(text: str) -> None:
    assert from_text(text, BERLIN) is None


def test_midnight_and_noon_in_english() -> None:
    for text, hour in (("11/22/2026 12:30:00 AM", 0), ("11/22/2026 12:30:00 PM", 12), ("11/22/2026 1:30:00 PM", 13)):
        found = from_text(text, UTC)
        assert found is not None
        assert datetime.fromtimestamp(found.time_ns / SECOND, UTC).hour == hour


def test_the_hour_that_comes_twice_has_two_times_and_the_one_that_is_skipped_has_one() -> None:
    twice = from_text("2026-10-25 02:30:00", BERLIN)
    assert twice is not None
    assert twice.also_ns is not None
    assert twice.also_ns - twice.time_ns == 3600 * SECOND
    skipped, after = from_text("2026-03-29 02:30:00", BERLIN), from_text("2026-10-25 03:00:00", BERLIN)
    assert skipped is not None
    assert after is not None
    assert skipped.also_ns is after.also_ns is None


@given(MOMENTS)
def test_iso_and_written_forms_agree(at: datetime) -> None:
    expected = round(at.timestamp()) * SECOND
    for text in (
        at.isoformat(" "),
        f"{at:%d.%m.%Y %H:%M:%S}",
        f"{at:%b} {at.day}, {at:%Y, %I:%M:%S %p}",
        f"{at:%Y/%m/%d %H:%M:%S}",
    ):
        found = from_text(text, UTC)
        assert found is not None, text
        assert found.time_ns == expected, text


@given(MOMENTS)
def test_names_of_recordings(at: datetime) -> None:
    expected = round(at.timestamp()) * SECOND
    assert from_audio_name(f"x/{at:%Y-%m-%d_%H_%M_%S}_250_UTC.mp3") == expected + SECOND // 4
    for name in (f"{at:%Y-%m-%dT%H-%M-%S}Z.wav", f"rec_{at:%Y%m%d_%H%M%S}_UTC.ogg", f"{expected // 1_000_000}.wav"):
        found = from_file_name(name, BERLIN)
        assert found is not None, name
        assert (found.time_ns, found.zoned) == (expected, True), name


@given(st.text(max_size=60) | st.from_regex(r"[\d:./ ,-]{8,40}(AM|PM|UTC|GMT[+-]\d{1,3})?", fullmatch=True))
def test_no_text_is_a_surprise(text: str) -> None:
    found = from_text(text, BERLIN)
    assert found is None or 1_262_000_000 * SECOND < found.time_ns < 4_103_000_000 * SECOND
    from_file_name(text, BERLIN)


@given(st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20))
def test_no_number_is_a_surprise(value: object) -> None:
    found = from_number(value)
    assert found is None or 1_262_000_000 * SECOND < found < 4_103_000_000 * SECOND
