"""The comparison detector that has to be trained, judged on what it was not trained with.

Twice: without the capture (it knows the device, as in the paper), and without all captures of the device (a device or a
home that it never saw). The labels of single flows follow from those of the captures: of the flows in a capture, those
that sent the most are its commands, as many as were spoken, or one for each known time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sniffer.evaluation.baselines.lsh import Digest, Stretch, Trained, alarms
from sniffer.evaluation.run import Played

TITLES: Mapping[str, str] = {"lsh-home": "LSH, knows the device", "lsh-new": "LSH, new device"}
SOURCE = "Charyyev & Gunes, WiSec 2021: nearest Nilsimsa hashes of flows; trained on the other captures given here"


def judge(played: Sequence[Played]) -> None:
    """Adds the alarms and scores of the trained detector to each capture, where the others suffice to train it."""
    labels = [_labels(one) for one in played]
    for name, leave_out in _SPLITS.items():
        trained: dict[object, Trained] = {}
        for place, one in enumerate(played):
            group = leave_out(place, one)
            if group not in trained:
                kept = [labels[i] for i, other in enumerate(played) if leave_out(i, other) != group]
                commands, others = ([digest for pair in kept for digest in pair[kind]] for kind in (0, 1))
                trained[group] = Trained(commands, others)
            if trained[group].usable:
                scores = trained[group].scores(one.stretches)
                one.alarms[name] = alarms(one.stretches, scores)
                one.scored[name] = [(s.start_ns, s.end_ns, v) for s, v in zip(one.stretches, scores, strict=True)]


_SPLITS: Mapping[str, Callable[[int, Played], object]] = {
    "lsh-home": lambda place, played: place,
    "lsh-new": lambda place, played: played.capture.device,
}


def _labels(played: Played) -> tuple[list[Digest], list[Digest]]:
    """The fingerprints of commands and of others; what is not known is in neither."""
    largest = sorted(played.stretches, key=lambda stretch: -stretch.sent)
    if played.spoken:
        near = [[s for s in largest if s.start_ns < end and s.end_ns > start] for start, end in played.spoken]
        commands = [stretches[0] for stretches in near if stretches]
        unknown = [stretch for stretches in near for stretch in stretches]
    else:
        commands = largest[: played.capture.expected]
        unknown = [] if played.capture.exact or not commands else largest
    left_out = {id(stretch) for stretch in (*commands, *unknown)}
    return _digests(commands), _digests([stretch for stretch in largest if id(stretch) not in left_out])


def _digests(stretches: Sequence[Stretch]) -> list[Digest]:
    return [stretch.digest for stretch in stretches]
