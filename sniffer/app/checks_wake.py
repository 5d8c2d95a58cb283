"""What `sniffer doctor` looks at of the wake sources: which there are, when each heard last, and whether it works."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from sniffer.app.checks import Check, reached
from sniffer.app.config import Config, read_secret
from sniffer.errors import SnifferError
from sniffer.explain.hearing import hearing_text, hears_badly
from sniffer.judge import Judge
from sniffer.model import Device, Trust
from sniffer.model.clock import SystemClock
from sniffer.sinks.storage.store import Store
from sniffer.wake.session import Session
from sniffer.wake.settings import FileSource, HomeAssistantSource, MqttSource, WyomingSource
from sniffer.wake.sources import feed_of

#: Seconds that a source has to show that it hears, or what is wrong.
TRY_SECONDS = 8.0
#: What is wrong although a source is up comes this soon, in seconds, or not at all.
SETTLE_SECONDS = 0.3


def wake(config: Config) -> Iterator[Check]:
    names = {spec.name for spec in config.wake.specs()}
    names |= {token.source for token in config.http.tokens if "wake" in token.scopes}
    ears = {spec.name for spec in config.wake.specs() if spec.hears and spec.trust is Trust.INDEPENDENT}
    if names and not ears:
        yield Check(
            "wake",
            "warning",
            f"configured: {', '.join(sorted(names))}, none is a listener: unexplained uploads are inconclusive",
            "add a listener: `sniffer listen` near the speaker (with `heartbeat`), or a voice satellite (docs/wake.md)",
        )
        return
    if names:
        yield Check("wake", "ok", f"configured: {', '.join(sorted(names))}")
        return
    yield Check(
        "wake",
        "warning",
        "no wake source: uploads are listed, but it is unknown whether they were asked for",
        "add one: `sniffer listen` near the speaker, Home Assistant, MQTT, or a button (docs/wake.md)",
    )


def heard(config: Config) -> Iterator[Check]:
    """Say for each ear when it heard last, as the daemon remembers it."""
    ears = [spec for spec in config.wake.specs() if "wake" in spec.hears and spec.trust is Trust.INDEPENDENT]
    if not ears or not config.store.path.is_file():
        return
    try:
        store = Store(config.store, read_only=True)
        try:
            learned = (store.state_get("stage.judge") or {}).get("learned", {}).get("sources", {})
        finally:
            store.close()
    except SnifferError as error:
        yield Check("wake", "skipped", f"when each source heard last is not known: {error}")
        return
    remedy = "say the wake word once to each speaker: until then its silence does not count"
    for ear in ears:
        last_ns = int(learned.get(ear.name, {}).get("last_event_ns") or 0)
        if not last_ns:
            yield Check("wake", "warning", f"{ear.name} has never reported a wake word", remedy)
            continue
        when = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(last_ns / 1e9))
        late = ear.heard_within is not None and time.time() - last_ns / 1e9 > ear.heard_within
        yield Check("wake", "warning" if late else "ok", f"{ear.name} heard last {when}", remedy if late else None)


def hearing(config: Config, now_ns: int) -> Iterator[Check]:
    """Report how well each source heard so far, as the daemon's memory has it."""
    specs = [spec for spec in config.wake.specs() if spec.hears and spec.trust is Trust.INDEPENDENT]
    if not specs or not config.store.path.exists():
        return
    try:
        kept = Store(config.store, read_only=True)
        try:
            memory = kept.state_get("stage.judge")
        finally:
            kept.close()
        judge = Judge(config.judge, specs, _unnamed, memory)
    except (SnifferError, ValueError, LookupError) as error:
        yield Check("wake", "skipped", f"how well the wake sources hear could not be read: {error}")
        return
    for quality in judge.sources(now_ns):
        if quality.events or quality.requests:
            yield Check("wake", "warning" if hears_badly(quality) else "ok", hearing_text(quality))


def _unnamed(key: int) -> Device:
    return Device(key, "")


def sources(config: Config) -> Iterator[Check]:
    """Ask every wake source that is reached over a network or in a file, as `run` will. A broker is only reached:
    another client with our name would throw the daemon out."""
    for source in config.wake.sources:
        if isinstance(source, FileSource):
            if source.path.parent.is_dir():
                yield Check("wake", "ok", f"{source.name}: {source.path} can be followed")
            else:
                yield Check("wake", "fail", f"{source.name}: {source.path.parent} is no folder", "create it")
        elif isinstance(source, MqttSource):
            port = source.port or (8883 if source.tls else 1883)
            yield reached("wake", source.name, source.host, port, source.tls, source.ca_file)
        elif isinstance(source, HomeAssistantSource) or (isinstance(source, WyomingSource) and source.host is not None):
            yield _tried(source)


def _tried(source: HomeAssistantSource | WyomingSource) -> Check:
    """Run a source for a few seconds as the daemon does, and say how it went."""
    try:
        feed = feed_of(source, read_secret)
    except SnifferError as error:
        return Check("wake", "fail", f"{source.name}: {error}", "correct the configuration")
    assert feed is not None
    session = Session(source.name, lambda event: None, SystemClock())
    thread = threading.Thread(target=session.drive, args=(feed,), daemon=True)
    thread.start()
    end = time.monotonic() + TRY_SECONDS
    while time.monotonic() < end and not (session.status().up or session.status().problem):
        time.sleep(0.05)
    time.sleep(SETTLE_SECONDS)
    status = session.status()
    session.stop()
    thread.join(2)
    if not status.up:
        return Check("wake", "fail", f"{source.name}: {status.problem or 'no answer'}", "correct it (docs/wake.md)")
    if status.problem:
        return Check("wake", "warning", f"{source.name}: connected, but {status.problem}", "docs/wake.md")
    return Check("wake", "ok", f"{source.name}: connected, as `run` will be")
