"""The fit writes lines that the detector reads, and shows itself no run that contradicts what is set by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from sniffer.detect.features.pacing import measure
from sniffer.detect.features.rows import Line, Rows
from sniffer.detect.scoring.evidence import ITEMS, features, height
from sniffer.detect.scoring.observation import Observation
from sniffer.detect.scoring.weights import load_weights
from sniffer.evaluation.fit.curves import SET, SHAPES, curves, offset
from sniffer.evaluation.fit.forms import Form, forms
from sniffer.evaluation.fit.regression import Fit
from sniffer.evaluation.fit.report import write
from sniffer.evaluation.fit.samples import Sample, in_form, readings
from sniffer.model import Service
from sniffer.resources import shipped

LINE = Line(1_460)


def utterance() -> tuple[Rows, Observation]:
    """A burst of 18 kB, then a chunk of 437 bytes every 50 ms for three seconds."""
    seconds = np.concatenate((np.arange(13) * 0.0005, 0.1 + np.arange(60) * 0.05))
    size = np.concatenate((np.full(13, 1_400), np.full(60, 437))).astype(np.int64)
    rows = Rows(seconds, size, np.zeros(73, dtype=np.bool_), size, np.ones(73, dtype=np.int64))
    shape = measure(rows, LINE)
    return rows, Observation(shape, Service(), False, None, 0, 0, 900, shape.opening)


def posts() -> tuple[Rows, Observation]:
    """Twenty requests of any size within two seconds, each answered."""
    luck = np.random.default_rng(4)
    seconds = np.sort(luck.uniform(0, 2, 20))
    size = luck.integers(60, 1_400, 20)
    rows = Rows(seconds - seconds[0], size, np.ones(20, dtype=np.bool_), size, np.ones(20, dtype=np.int64))
    shape = measure(rows, LINE)
    return rows, Observation(shape, Service(), False, None, 4_000, 0, 4_000, shape.opening)


def drawn() -> list[Sample]:
    luck = np.random.default_rng(1)
    found = []
    for speech in (True, False):
        rows, observed = utterance() if speech else posts()
        for number in range(6):
            for form in forms(rows, observed.shape.begin if speech else 0.0, speech, luck):
                other = in_form(observed, form, LINE)
                found.append(Sample(f"device {number}", speech, False, readings(form.rows, other, LINE)))
    return found


def test_every_line_that_is_set_is_written_as_it_ships() -> None:
    shipped_curves = load_weights(shipped("rules") / "detect").curves
    written = curves(Fit(drawn()).prior)
    assert {item.name for item in ITEMS} == set(written) == set(SHAPES) | set(SET)
    for name in SET:
        assert tuple(map(tuple, written[name])) == shipped_curves[name]


def test_what_is_set_adds_the_same_in_the_fit_and_in_the_detector() -> None:
    shipped_curves = load_weights(shipped("rules") / "detect").curves
    luck = np.random.default_rng(2)
    for _ in range(50):
        numbers = {name: float(luck.uniform(0, 5)) for name in SET}
        expected = sum(height(shipped_curves[name], number) for name, number in numbers.items())
        assert abs(offset(numbers) - expected) < 1e-9


def test_of_speech_whose_beginning_was_not_captured_nothing_is_said_of_the_opening() -> None:
    rows, observed = utterance()
    made = list(forms(rows, observed.shape.begin, True, np.random.default_rng(1)))
    (headless,) = [form for form in made if not form.whole]
    seen = in_form(observed, headless, LINE)
    assert seen.shape.body > 2.5 and features(seen)["no_opening"] == 0
    assert features(replace(seen, opening=seen.shape.opening))["no_opening"] > 0.9  # what it was taken for
    assert in_form(observed, Form(rows), LINE).opening == observed.opening


def test_a_form_opens_as_it_was_made() -> None:
    rows, observed = utterance()
    slower = Form(replace(rows, seconds=rows.seconds * 40))
    assert in_form(observed, slower, LINE).opening == measure(slower.rows, LINE).opening != observed.opening


def test_fitted_lines_keep_their_direction_and_can_be_read(tmp_path: Path) -> None:
    fit = Fit(drawn())
    at = fit.fitted(np.arange(len(fit.data)))
    scores = fit.scores(at)
    assert scores[fit.truth == 1].mean() > scores[fit.truth == 0].mean() + 2
    write(at, fit.data, tmp_path / "evidence.yml")
    weights = load_weights(tmp_path / "evidence.yml")
    for name, (_, unit) in SHAPES.items():
        levels = np.array([level for _, level in weights.curves[name]])
        assert (np.diff(levels) * np.sign(unit) >= 0).all()
