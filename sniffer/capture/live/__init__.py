"""Capture from an interface: AF_PACKET, the kernel filter, privileges."""
