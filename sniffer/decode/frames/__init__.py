"""Frames to packet columns: link, network and transport layer."""
