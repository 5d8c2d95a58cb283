"""Measurements to evidence, score and class."""
