"""Flows, runs, evidence, uploads. Packets of watched devices in, uploads out; time comes from the packets."""
