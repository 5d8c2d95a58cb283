"""Sinks that deliver records to a receiver."""
