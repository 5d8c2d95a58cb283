"""Who is a speaker, and which service is it talking to. Facts in, devices and names out; no I/O but the rule loader
at the edge."""

from sniffer.identify.identifier import Identifier

__all__ = ["Identifier"]
