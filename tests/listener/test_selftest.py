"""The self-test: five words, and where the microphone should stand."""

from __future__ import annotations

import pytest

from sniffer.listener.recognizer import Tenth
from sniffer.listener.selftest import SelfTest, Try, advice


def quiet(count: int, level: float = -65.0) -> list[Tenth]:
    return [Tenth(0, (0.0,), 0.0, level, False)] * count


def word(score: float, level: float = -30.0) -> list[Tenth]:
    return [*[Tenth(0, (score / 2,), 1.0, level, False)] * 3, Tenth(0, (score,), 1.0, level, False), *quiet(10)]


def test_five_words_are_five_tries() -> None:
    test = SelfTest()
    for tenth in [*quiet(30), *(t for score in (0.9, 0.8, 0.3, 0.01, 0.95) for t in [*word(score), *quiet(20)])]:
        test.feed(tenth)
    assert test.done
    assert [one.score for one in test.tries] == [0.9, 0.8, 0.3, 0.01, 0.95]
    assert {one.level_db - one.noise_db for one in test.tries} == {35.0}


def test_a_voice_before_the_noise_is_known_is_no_try() -> None:
    test = SelfTest()
    for tenth in [*word(0.9), *quiet(30)]:
        assert test.feed(tenth) is None


def test_a_word_that_never_comes_is_not_waited_for_for_ever() -> None:
    test = SelfTest()
    for tenth in quiet(20 + 5 * 150 + 5):
        test.feed(tenth)
    assert test.done
    assert not any(one.voice for one in test.tries)
    assert "No voice arrived" in " ".join(advice(test.tries))


def test_a_voice_that_never_ends_is_cut() -> None:
    test = SelfTest()
    for tenth in [*quiet(30), *[Tenth(0, (0.5,), 1.0, -30.0, False)] * 200]:
        test.feed(tenth)
    assert len(test.tries) == 5


@pytest.mark.parametrize(
    ("score", "level", "noise", "words"),
    [
        (0.95, -30, -65, "5 of 5 words were heard clearly, 0 faintly, 0 not at all. This is a good place"),
        (0.3, -30, -65, "0 of 5 words were heard clearly, 5 faintly"),
        (0.3, -55, -65, "only 10 dB above the noise"),
        (0.3, -10, -40, "The room is loud (-40 dB)"),
        (0.9, -2, -65, "overdrives the microphone"),
        (0.01, -30, -65, "the model does not recognise the word"),
    ],
)
def test_what_the_scores_mean(score: float, level: float, noise: float, words: str) -> None:
    assert words in " ".join(advice([Try(score, level, noise, True)] * 5))
