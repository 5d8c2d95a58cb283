"""Packets of watched devices to flows and runs."""
