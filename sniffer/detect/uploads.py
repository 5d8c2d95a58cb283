"""Uploads as the detector reports them, from what was measured."""

from __future__ import annotations

import numpy as np

from sniffer.detect.features.pacing import BIN, body_bins
from sniffer.detect.features.rows import Rows
from sniffer.detect.flows.dealt import Piece
from sniffer.detect.flows.flow import Flow
from sniffer.detect.flows.run import Run
from sniffer.detect.hypotheses import Stretch
from sniffer.detect.scoring.classes import speech_seconds
from sniffer.detect.scoring.evidence import Weighed, probability
from sniffer.detect.scoring.observation import Observation
from sniffer.detect.spread import Sum
from sniffer.model import Evidence, Service, Upload, UploadClass

#: Bytes that come back from which on an upload counts as answered.
_ANSWER_BYTES = 4_000
#: Connections that such an upload names.
_MAX_SUM_FLOWS = 16


def upload_of(
    flow: Flow, run: Run, part: Stretch, seen: Observation, weighed: Weighed, upload_class: UploadClass, final_ns: int
) -> Upload:
    """A part of a run as an upload of a class."""
    shape = part.shape
    whole = part.first_ns <= run.start_ns and (part.last_ns >= run.last_ns or run.overflowed)
    paced = shape.body > 0 and shape.writes >= 5
    bins = run.bin_list() if whole else _bins(part.rows)
    return Upload(
        key=flow.key,
        flows=(flow.flow,),
        service=seen.service,
        start_ns=part.first_ns,
        end_ns=run.last_ns if whole else part.last_ns,
        final_ns=final_ns,
        upload_class=upload_class,
        score=weighed.score,
        probability=probability(weighed.score),
        bytes=run.bytes if whole else shape.bytes,
        bytes_toclient=run.bytes_down if whole else run.received(part.first_ns, final_ns),
        packets=run.packets if whole else shape.packets,
        chunk_bytes=shape.chunk if paced and shape.chunk else None,
        chunks_per_second=shape.writes_per_second if paced else None,
        speech_seconds=speech_seconds(seen, upload_class),
        evidence=weighed.evidence,
        one_sided=run.one_sided(final_ns),
        answered=seen.down_after >= _ANSWER_BYTES,
        bins=bins,
        body=body_bins(shape, bins),
    )


def dealt_of(piece: Piece, service: Service) -> Upload:
    """Rows of several connections that say nothing by themselves."""
    return Upload(
        key=piece.flows[0].key,
        flows=tuple(flow.flow for flow in piece.flows[:_MAX_SUM_FLOWS]),
        service=service,
        start_ns=piece.first_ns,
        end_ns=piece.last_ns,
        final_ns=piece.due_ns,
        upload_class=UploadClass.OTHER,
        score=0.0,
        probability=0.5,
        bytes=int(piece.rows.bytes.sum()),
        bytes_toclient=piece.down,
        packets=len(piece.rows.bytes),
        chunk_bytes=None,
        chunks_per_second=None,
        speech_seconds=0.0,
        evidence=(),
        one_sided=piece.one_sided,
        bins=_bins(piece.rows),
    )


def sum_of(parts: Sum, upload_class: UploadClass, weighed: Weighed, speech: float, text: str, final_ns: int) -> Upload:
    """Parts to one service as one upload, with the sentence that says what they are together."""
    return Upload(
        key=parts.key,
        flows=parts.flows[:_MAX_SUM_FLOWS],
        service=parts.service,
        start_ns=parts.start_ns,
        end_ns=max(upload.end_ns for upload in parts.uploads),
        final_ns=final_ns,
        upload_class=upload_class,
        score=weighed.score,
        probability=probability(weighed.score),
        bytes=parts.bytes,
        bytes_toclient=sum(upload.bytes_toclient for upload in parts.uploads),
        packets=sum(upload.packets for upload in parts.uploads),
        chunk_bytes=None,
        chunks_per_second=None,
        speech_seconds=speech,
        evidence=(Evidence("dealt_out", float(len(parts.uploads)), 0.0, text), *weighed.evidence),
        answered=any(upload.answered for upload in parts.uploads),
        one_sided=all(upload.one_sided for upload in parts.uploads),
        bins=parts.bins(),
    )


def _bins(rows: Rows) -> tuple[int, ...]:
    return tuple(np.bincount((rows.seconds / BIN).astype(np.int64), weights=rows.bytes).astype(int).tolist())
