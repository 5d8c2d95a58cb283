"""The bundled demonstration: a capture of our own making, and what people in it asked for. See README.md here."""

from pathlib import Path

#: The capture, the wake events that belong to it, and what the people of the house call their speakers.
CAPTURE = Path(__file__).parent / "demo.pcap"
WAKE_EVENTS = Path(__file__).parent / "demo.wake.jsonl"
DEVICES = Path(__file__).parent / "devices.yaml"
