"""The bundled demonstration: a capture of our own making, and what people in it asked for. See README.md here."""

from pathlib import Path

#: The capture, and the wake events that belong to it.
CAPTURE = Path(__file__).parent / "demo.pcap"
WAKE_EVENTS = Path(__file__).parent / "demo.wake.jsonl"
