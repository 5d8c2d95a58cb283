"""BehavIoT's bursts (Hu et al., IMC 2023): one row a burst with a host name, sums and means, and no packets.

Our detector cannot be run on them, and does not pretend to. What they do show is how far a host name or a rate alone
would go: how many bursts of button presses and app actions go to the voice host, or pass PETS'20's rate.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sniffer.errors import CaptureError
from sniffer.evaluation.baselines.pets20 import STUDY
from sniffer.identify.roles import Roles

_LEAST_BYTES = 2_000


@dataclass(slots=True)
class BurstCounts:
    """Bursts of at least two kilobytes, those to a voice host, those over the rate."""

    bursts: int = 0
    voice_host: int = 0
    over_rate: int = 0


@dataclass(slots=True)
class BurstScore:
    """One device."""

    device: str
    spoken: BurstCounts = field(default_factory=BurstCounts)
    silent: BurstCounts = field(default_factory=BurstCounts)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def find_bursts(paths: Iterable[Path]) -> list[Path]:
    """The burst tables in files and folders."""
    found = (file for path in paths for file in (sorted(path.rglob("*.csv")) if path.is_dir() else [path]))
    return [file for file in found if file.suffix == ".csv" and file.stem.startswith(("train-", "test-"))]


def score_bursts(path: Path, roles: Roles) -> BurstScore:
    """One table. Raises CaptureError."""
    score = BurstScore(f"behaviot/{path.stem.partition('-')[2]}")
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                sent = float(row["network_out"]) * float(row["meanBytes_out_external"])
                seconds = max(1.0, float(row["network_total"]) * float(row["meanTBP"]))
                if sent < _LEAST_BYTES:
                    continue
                counts = score.spoken if row["state"].startswith("local_v") else score.silent
                counts.bursts += 1
                purpose = roles.purpose(row["hosts"])
                counts.voice_host += purpose is not None and purpose.role == "voice"
                counts.over_rate += sent / seconds > STUDY["echo"]
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise CaptureError(f"{path}: cannot be read as bursts: {error}") from None
    return score
