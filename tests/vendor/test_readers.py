"""Readers: whatever a file holds, rows or a reason, and never an error."""

import contextlib
import io
import json
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.vendor import jsonstream
from sniffer.vendor.readers import alexa, google, home_assistant, sound, table
from sniffer.vendor.rows import Meaning, Reading

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = (
    *("recordKey", "activityKey", "timestamp", "device", "deviceInfo", "utteranceType", "voiceHistoryRecordItems"),
    *("utteranceId", "time", "title", "header", "details", "audioFiles", "products", "transcriptText", "serialNumber"),
)
ROWS = st.dictionaries(st.sampled_from(KEYS), JSON, max_size=8)


class Small(io.BytesIO):
    """Gives few bytes at a time, whatever is asked for."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(7)


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=5), JSON, min_size=1, max_size=3), max_size=6))
def test_objects_come_out_as_they_went_in_however_they_are_packed(values: list[dict[str, Any]]) -> None:
    for text in (json.dumps(values), "\n".join(map(json.dumps, values)), "".join(map(json.dumps, values))):
        assert list(jsonstream.rows(Small(text.encode()))) == values
    pages = [{"rows": values[:2], "next": "x"}, {"rows": values[2:]}]
    assert list(jsonstream.rows(Small(json.dumps(pages).encode()), ("rows",))) == values


@given(st.binary(max_size=300))
def test_any_bytes_end(data: bytes) -> None:
    with contextlib.suppress(jsonstream.NotJsonError):
        list(jsonstream.rows(io.BytesIO(b"{" + data), ("rows",)))


def test_an_object_without_end_is_not_kept() -> None:
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1, /) -> bytes:
            self.given += size
            return b'{"a": "' + b"x" * (size - 7) if self.given == size else b"x" * size

    stream = Endless()
    with pytest.raises(jsonstream.NotJsonError):
        list(jsonstream.rows(stream))
    assert stream.given <= jsonstream.MAX_OBJECT + (4 << 20)


@settings(deadline=None)
@given(ROWS)
def test_a_row_of_any_shape_is_read_or_left_out(value: dict[str, Any]) -> None:
    reading = Reading("x")
    if alexa.is_row(value):
        alexa.read_row(value, reading, UTC, transcripts=True)
    if google.is_row(value):
        google.read_row(value, reading, UTC, transcripts=True)
    alexa.merge_parts(reading)
    assert all(len(row.said) <= 64 and len(row.device or "") <= 64 for row in reading.rows)


@settings(deadline=None)
@given(st.binary(max_size=400) | st.text(alphabet='",;\n\t 0123456789:-', max_size=400).map(str.encode))
def test_any_table_page_and_log(data: bytes) -> None:
    table.read_table(io.BytesIO(data), Reading("x", "a table"), UTC, transcripts=True)
    google.read_html(io.BytesIO(b'<div class="outer-cell">' + data), Reading("x"), UTC)
    home_assistant.read_log(io.BytesIO(b"vocal history record: {" + data + b"}"), Reading("x"), UTC, transcripts=True)
    sound.seconds("a.mp3", io.BytesIO(data), len(data))
    sound.seconds("a.wav", io.BytesIO(b"RIFF" + data), len(data))


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("GENERAL", Meaning.REQUEST), ("WAKE_WORD_ONLY", Meaning.WAKE_WORD_ONLY),
        ("FALSE_WAKE_WORD_DETECTED_IN_CLOUD", Meaning.FALSE_ACTIVATION),
        ("DEVICE_ARBITRATION", Meaning.OTHER_SPEAKER_ANSWERED), ("ASR_TIMEOUT", Meaning.NO_SPEECH),
        ("NO_EXPRESSED_INTENT", Meaning.NO_SPEECH), ("ROUTINES_OR_TAP_TO_ALEXA", Meaning.AUTOMATION),
        ("DISCARDED_NON_DEVICE_DIRECTED_INTENT", Meaning.NOT_FOR_DEVICE), ("SOMETHING_NEW", Meaning.UNKNOWN),
    ],
)  # fmt: skip
def test_what_the_words_of_the_vendor_mean(word: str, meaning: Meaning) -> None:
    assert alexa.meaning_of(word) is meaning


def test_names_of_the_first_row_are_not_taken_for_a_time() -> None:
    for delimiter in ",;\t":
        reading = Reading("x", "a table")
        lines = (("device", "when", "what", "seconds"), ("kitchen", "2026-11-22T18:04:05Z", "no speech", "2.5"))
        text = "\n".join(map(delimiter.join, lines))
        table.read_table(io.BytesIO(text.encode()), reading, UTC, transcripts=False)
        (row,) = reading.rows
        assert (row.device, row.meaning, row.seconds) == ("kitchen", Meaning.NO_SPEECH, 2.5)
        assert "column 2 ('when')" in reading.taken
