"""Sinks that keep records on disk."""
