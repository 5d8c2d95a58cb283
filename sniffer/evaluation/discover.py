"""From the files and folders of a command line to labelled captures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sniffer.errors import UsageError
from sniffer.evaluation.datasets import LabelledCapture, by_name
from sniffer.evaluation.labels import NAME, read_labels

_CAPTURES = (".pcap", ".pcapng", ".cap", ".gz")


@dataclass(slots=True)
class Found:
    """Captures with a label, and capture files that nothing is known of."""

    captures: list[LabelledCapture] = field(default_factory=list)
    unlabelled: list[Path] = field(default_factory=list)


def find(paths: Iterable[Path]) -> Found:
    """Every capture in files and folders, each once for each labelled device. A `labels.csv` goes before what a file's
    name says. Raises UsageError where a path does not exist or a `labels.csv` is wrong."""
    found = Found()
    labelled: dict[Path, list[LabelledCapture]] = {}
    read: set[Path] = set()
    taken: set[Path] = set()

    def learn(table: Path) -> None:
        if table.resolve() not in read:
            read.add(table.resolve())
            for label in read_labels(table):
                labelled.setdefault(label.path.resolve(), []).append(label)

    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: does not exist")
        above = next((folder / NAME for folder in path.resolve().parents if (folder / NAME).is_file()), None)
        for table in [*([above] if above else []), *(sorted(path.rglob(NAME)) if path.is_dir() else [])]:
            learn(table)
        if path.name == NAME:
            files = [label.path for label in read_labels(path)]
        else:
            files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.resolve() in taken or not file.is_file():
                continue
            taken.add(file.resolve())
            if mine := labelled.get(file.resolve()):
                found.captures += mine
            elif (label := by_name(file)) is not None:
                found.captures.append(label)
            elif file.suffix in _CAPTURES:
                found.unlabelled.append(file)
    return found
