"""Packets go in at one end in batches, verdicts come out at the other; every stage is a
function of what it is handed, and time is in the data.

The stages, in the order that `sniffer.app.pipeline` alone knows::

    capture -> decode -> identify -> detect -> judge -> sinks
    frames     packet    devices,    runs ->   verdicts  metrics, log, store, webhook, mqtt, page
               batches   services    uploads     ^
                                                 |
                                                wake     events from file, HTTP, MQTT, Home Assistant, ...

The words, which mean the same everywhere:

frame
    Bytes as they were on the link.
packet
    A frame whose headers were read. Packets travel in columns (`model.PacketBatch`), never alone.
device
    A host on the local network, known by its MAC address (or by its address where the link has none).
service
    Whom a device talks to: a host name and the role it has for the vendor (voice, telemetry, ...).
flow
    One connection: addresses, ports, protocol.
run
    A stretch of upload in time.
upload
    A run with a meaning: speech, bulk, media, sync, telemetry, other.
evidence
    Why an upload has its class; each item carries a value, a weight and a sentence.
wake event
    Somebody asked: a wake word was heard, a button pressed, a call begun, a camera viewed.
verdict
    Was the upload asked for: expected, unexpected, or inconclusive with the reason.
alert
    Somebody was told.
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
