"""Packets go in at one end in batches, verdicts come out at the other; every stage is a
function of what it is handed, and time is in the data.

The stages, in the order that `sniffer.app.pipeline` alone knows::

    capture -> decode -> identify -> detect -> judge -> sinks
    frames     packet    devices,    runs ->   verdicts  metrics, log, store, webhook, mqtt, page
               batches   services    uploads     ^
                                                 |
                                                wake     events from file, HTTP, MQTT, Home Assistant, ...

docs/architecture.md describes the rooms, docs/glossary.md the words.
"""


def __getattr__(name: str) -> str:
    """`__version__`, for those who ask: looking it up takes a twentieth of the time that a command takes to start."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("speaker-sniffer")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0.0.0"
