"""The fields of an upload record that a rule can ask for: those of `sniffer.records.upload_record` (a test says so)."""

from __future__ import annotations

_NAMES = """
    event_type id revision capture timestamp end
    device.mac device.ip device.name device.vendor device.model device.kind device.confidence
    src_ip src_port dest_ip dest_port proto community_id
    service.host service.role service.source
    upload.class upload.score upload.probability upload.bytes upload.bytes_toclient upload.packets upload.duration
    upload.bytes_per_second
    upload.chunk_bytes upload.chunks_per_second upload.speech_seconds upload.answered upload.bins upload.body
    evidence.name evidence.value evidence.weight evidence.text flows
    wake.seen wake.relation wake.source wake.trust wake.gap_seconds
    verdict confidence reason listened level rules
    history.speech_uploads history.destination_uploads history.unexpected_in_24h
"""

FIELDS = frozenset(_NAMES.split())
