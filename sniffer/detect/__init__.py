"""Flows, runs, evidence, uploads: what could be somebody's voice, and why."""

from sniffer.detect.detector import Detector

__all__ = ["Detector"]
