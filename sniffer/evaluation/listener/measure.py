"""Plays scenes to the real listener, and keeps what it would testify."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sniffer.evaluation.listener.scenes import (
    LENGTH_S,
    Scene,
    asked_scenes,
    confusable_scenes,
    unasked_scenes,
)
from sniffer.evaluation.listener.voices import voices
from sniffer.listener.history import History
from sniffer.listener.recognizer import Tenth, load_recognizer
from sniffer.listener.sound import RATE
from sniffer.model import Testimony
from sniffer.model.clock import SECOND

#: Scenes that one process measures in a row.
BATCH = 20
#: The span that a testimony is about, in seconds before the end of a scene.
SPAN_S = 8.0


@dataclass(frozen=True, slots=True)
class Measured:
    """A scene without its sound, and the testimony about it."""

    model: str
    asked: bool | None
    kind: str
    nearness: str
    engine: str
    testimony: Testimony


def testify(scene: Scene) -> Measured:
    """Return what the listener would testify about the last eight seconds of a scene."""
    recognizer = load_recognizer([scene.model])
    history = History(recognizer.names)
    for heard in recognizer.hear(scene.sound):
        if isinstance(heard, Tenth):
            history.add(heard, heard.sample * SECOND // RATE)
    end_ns = round(LENGTH_S * SECOND)
    said = history.testimony(end_ns - round(SPAN_S * SECOND), end_ns)
    return Measured(scene.model, scene.asked, scene.kind, scene.nearness, scene.engine, said)


def measure_all(folder: Path, asked: int, unasked: int, confusable: int, seed: int, jobs: int) -> Iterator[Measured]:
    """Yield the testimonies about so many scenes of each sort, always the same for one seed and the same voices."""
    batches = [
        (folder, sort, min(BATCH, count - start), seed + start)
        for sort, count in (("asked", asked), ("unasked", unasked), ("confusable", confusable))
        for start in range(0, count, BATCH)
    ]
    batches.sort(key=lambda batch: batch[3])  # of each sort some, so that what is measured so far can be used
    with ProcessPoolExecutor(jobs) as pool:
        for found in pool.map(_batch, batches):
            yield from found


def _batch(batch: tuple[Path, str, int, int]) -> list[Measured]:
    folder, sort, count, seed = batch
    makers = {"asked": asked_scenes, "unasked": unasked_scenes, "confusable": confusable_scenes}
    number = list(makers).index(sort)
    scenes: Iterable[Scene] = makers[sort](list(voices(folder)), count, np.random.default_rng([seed, number]))
    return [testify(scene) for scene in scenes]
