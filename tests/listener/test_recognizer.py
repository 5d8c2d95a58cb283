"""Sound in, words and tenths of a second out: real models on synthesised speech, and scripted ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.errors import WakeError
from sniffer.listener.recognizer import (
    GATE_TENTHS,
    LEAD_TENTHS,
    SILENCE_DB,
    Gate,
    Recognizer,
    Tenth,
    Word,
    level_db,
    load_recognizer,
)
from sniffer.listener.sound import RATE
from tests.listener.listening import room, samples, scripted, speech


@pytest.fixture(scope="module")
def alexa() -> bytes:
    pytest.importorskip("pymicro_wakeword", reason="the extra 'listen' is not installed")
    return speech("Alexa", noise=10)


def words(recognizer: Recognizer, sound: bytes) -> list[Word]:
    return [heard for heard in recognizer.hear(sound) if isinstance(heard, Word)]


def tenths(recognizer: Recognizer, sound: bytes) -> list[Tenth]:
    return [heard for heard in recognizer.hear(sound) if isinstance(heard, Tenth)]


def test_the_word_is_heard_where_it_was_said(alexa: bytes) -> None:
    (word,) = words(load_recognizer(["alexa"]), alexa)
    assert word.name == "Alexa"
    assert 1.3 <= word.sample / RATE <= 2.2


@pytest.mark.parametrize("text", ["a lexicon", "electric guitar", "what time is it"])
def test_another_word_is_not(alexa: bytes, text: str) -> None:
    assert words(load_recognizer(["alexa"]), speech(text)) == []


def test_each_tenth_of_a_second_has_its_scores_voice_and_level(alexa: bytes) -> None:
    recognizer = load_recognizer(["alexa", "okay_nabu"])
    assert recognizer.names == ("alexa", "okay_nabu")
    heard = tenths(recognizer, alexa + room(1))
    assert [tenth.sample for tenth in heard] == [1600 * (n + 1) for n in range(len(heard))]
    best = max(heard, key=lambda tenth: tenth.scores[0])
    assert best.scores[0] > 0.9 > max(tenth.scores[1] for tenth in heard)
    quiet = heard[2:9]
    assert max(tenth.voice for tenth in quiet) < 0.5 < max(tenth.voice for tenth in heard)
    assert max(tenth.level_db for tenth in quiet) + 20 < max(tenth.level_db for tenth in heard)
    assert not any(tenth.flat for tenth in heard)


def test_the_size_of_pieces_makes_no_difference(alexa: bytes) -> None:
    recognizer = load_recognizer(["alexa"])
    pieces = [alexa[place : place + 322] for place in range(0, len(alexa), 322)]
    assert [heard for piece in pieces for heard in recognizer.hear(piece)] == list(
        load_recognizer(["alexa"]).hear(alexa)
    )


@given(st.lists(st.integers(1, 999), min_size=1, max_size=120), st.lists(st.integers(1, 700), max_size=40))
@settings(max_examples=50, deadline=None)
def test_pieces_of_any_size_give_the_same(values: list[int], sizes: list[int]) -> None:
    sound, place, pieces = samples(values), 0, []
    for size in sizes:
        pieces.append(sound[place : place + 2 * size])
        place += 2 * size
    recognizer = scripted()
    assert [heard for piece in [*pieces, sound[place:]] for heard in recognizer.hear(piece)] == list(
        scripted().hear(sound)
    )


def test_one_word_is_reported_once() -> None:
    heard = words(scripted(), samples([950] * 400))
    assert [word.sample / RATE for word in heard] == pytest.approx([0.01, 1.51, 3.01], abs=0.02)


def test_a_tenth_keeps_the_best_of_its_ten_parts() -> None:
    (first, second) = tenths(scripted(), samples([0, 0, 0, 700, 0, 0, 0, 0, 0, 0, *[50] * 10]))
    assert (first.scores, second.scores) == ((0.7,), (0.05,))


class Looker:
    """A voice detector that keeps what it is shown, and is surer of louder sound."""

    def __init__(self) -> None:
        self.shown = b""

    def process_10ms(self, audio: bytes) -> float:
        assert len(audio) == 320
        self.shown += audio
        return -1.0 if len(self.shown) <= 320 else abs(int.from_bytes(audio[:2], "little", signed=True)) / 1000


def test_the_voice_detector_rests_in_a_quiet_room_and_hears_how_a_voice_begins() -> None:
    looker = Looker()
    gate = Gate(looker)
    parts = [room(0.1, seed=n) for n in range(100)]
    assert [gate.voice(part, level_db(part)) for part in parts] == [0.0] * 100
    assert looker.shown == b""
    loud = [np.tile([600, -600], 800).astype("<i2").tobytes()] * 5
    assert [gate.voice(part, level_db(part)) for part in loud] == [0.6] * 5
    after = [gate.voice(part, level_db(part)) for part in parts]
    assert looker.shown == b"".join([*parts[-LEAD_TENTHS:], *loud, *parts[: GATE_TENTHS - 1]])
    assert after[GATE_TENTHS:] == [0.0] * (100 - GATE_TENTHS)


def test_a_room_that_stays_loud_is_the_room() -> None:
    looker = Looker()
    gate = Gate(looker)
    for level in [-60.0] * 50 + [-40.0] * 600:
        gate.voice(room(0.1), level)
    looker.shown = b""
    assert gate.voice(room(0.1), -40.0) == 0.0
    assert looker.shown == b""
    gate.voice(room(0.1), -35.0)
    assert looker.shown


def test_digital_silence_is_no_room() -> None:
    recognizer = scripted()
    heard = tenths(recognizer, b"\0" * RATE * 2 * 12)
    assert recognizer.flat_seconds == pytest.approx(12)
    assert all(tenth.flat for tenth in heard)
    assert not tenths(recognizer, room(0.1))[0].flat
    assert recognizer.flat_seconds == 0


def test_levels() -> None:
    assert level_db(b"\0" * 3200) == SILENCE_DB
    assert level_db(np.full(1600, 900, "<i2").tobytes()) == SILENCE_DB, "an offset is no sound"
    square = np.tile([16384, -16384], 800).astype("<i2").tobytes()
    assert level_db(square) == pytest.approx(-6.02, abs=0.01)


@pytest.mark.parametrize("name", ["hal", "nothing.json", __file__])
def test_a_model_that_is_none(name: str) -> None:
    pytest.importorskip("pymicro_wakeword")
    with pytest.raises(WakeError, match=r"no such model|not a microWakeWord model"):
        load_recognizer([name])


def test_a_model_file_of_ones_own(alexa: bytes, tmp_path: Path) -> None:
    import pymicro_wakeword

    models = Path(pymicro_wakeword.__file__).parent / "models"
    for name in ("alexa.json", "alexa.tflite"):
        shutil.copy(models / name, tmp_path / name)
    assert len(words(load_recognizer([str(tmp_path / "alexa.json")]), alexa)) == 1
