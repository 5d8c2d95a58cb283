"""The fit of the curves of the evidence to real captures and simulated houses."""
