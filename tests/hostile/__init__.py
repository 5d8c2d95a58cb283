"""Attacks and floods against the daemon as it is used, with memory and loss measured (docs/reliability.md)."""
