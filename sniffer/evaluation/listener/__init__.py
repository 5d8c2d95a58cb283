"""Fits what a listener's testimony weighs, from speech that synthesisers speak in simulated rooms."""
