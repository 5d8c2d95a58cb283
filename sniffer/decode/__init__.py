"""Frames to columns, and identity packets to facts. Pure functions over buffers; bounded, and never raises for what
came from the network."""

from sniffer.decode.frames.batch import decode
from sniffer.decode.identity import identity_rows

__all__ = ["decode", "identity_rows"]
