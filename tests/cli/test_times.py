from datetime import UTC, datetime

import pytest

from sniffer.cli._times import parse_duration, parse_moment

NOW = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("1.5h", 5400), ("3 d", 259_200)]
)
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "2", "2x", "0s", "-2h", "2h!", "1e9d", "99999999999999999w", "h2"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(ValueError, match="length of time"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2h", "2026-11-22T16:30:00+00:00"),
        ("today", "2026-11-22T00:00:00+00:00"),
        ("Yesterday", "2026-11-21T00:00:00+00:00"),
        ("2026-11-22T18:00:00Z", "2026-11-22T18:00:00+00:00"),
        ("2026-11-22T18:00:00+02:00", "2026-11-22T16:00:00+00:00"),
    ],
)
def test_moments(text: str, moment: str) -> None:
    assert parse_moment(text, NOW) == datetime.fromisoformat(moment)


def test_what_is_no_moment() -> None:
    for text in ("soon", "2026-13-01", "", "9999999999999d"):
        with pytest.raises(ValueError, match="not a time"):
            parse_moment(text, NOW)
