"""Frames to columns, and identity packets to facts.

Pure functions over buffers; bounded, and never raises for what came from the network.
"""
