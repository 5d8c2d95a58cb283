"""The daemon and everything at its edges, built from a configuration, and built anew when that changes."""

from __future__ import annotations

import contextlib
import logging
import operator
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sniffer import __version__
from sniffer.app.build import Rulebook, build_pipeline, load_rulebook
from sniffer.app.config import Config, read_secret
from sniffer.app.config_lint import remarks
from sniffer.app.daemon import Daemon, Edges
from sniffer.app.notices import link_key, notices, purposes
from sniffer.app.overlay import OverlaidConfig, overlay_path
from sniffer.app.packet_source import PacketSource
from sniffer.app.page import PageSite
from sniffer.app.pipeline import Pipeline
from sniffer.app.surroundings import silence_watch
from sniffer.app.validation import require_startable
from sniffer.diagnostics.clock_state import read_clock_state
from sniffer.errors import ConfigError, SnifferError
from sniffer.model import Sink, WakeEvent
from sniffer.model.clock import SECOND, Clock, SystemClock
from sniffer.settings.places import make_state_folder
from sniffer.sinks.delivery.outbox import Outbox
from sniffer.sinks.delivery.targets import build_targets
from sniffer.sinks.metrics import Metrics
from sniffer.sinks.settings import SinkSettings
from sniffer.sinks.storage.eventlog import EventLog
from sniffer.sinks.storage.pcap_evidence import EvidenceKeeper
from sniffer.sinks.storage.store import Store
from sniffer.wake.file_sources import file_sources
from sniffer.wake.sources import Sources, build_sources
from sniffer.web.api import build_app
from sniffer.web.auth import Token, read_tokens
from sniffer.web.keys import keys_path
from sniffer.web.links import link_routes
from sniffer.web.server import HttpServer

logger = logging.getLogger("sniffer")

STAGES = ("identify", "detect", "judge", "history", "alerts")

#: Seconds that a turn of the daemon waits for packets at most: how long an event from elsewhere may lie unread.
POLL_TIMEOUT = 0.25


class Service:
    """Holds what runs beside the main loop: the HTTP server, the deliveries, the wake sources.

    While a capture is `replayed`, no wake source is asked: what it hears now says nothing of then. Unless `deliver`,
    no notification is sent.

    `events` are those of a replayed capture; `config_path` says where in the file something is.

    `read_config` gives the configuration as it is now (called at the start and at each reload). Everything that can be
    wrong with a configuration is found before the old one is let go: raises SnifferError then.
    """

    def __init__(
        self,
        read_config: Callable[[], Config],
        source: PacketSource,
        capture: str,
        store: Store,
        event_log: EventLog | None,
        clock: Clock,
        *,
        replayed: bool = False,
        deliver: bool = True,
        more_sinks: Sequence[Sink] = (),
        events: Sequence[WakeEvent] = (),
        config_path: Path | None = None,
    ) -> None:
        self._config_path = config_path
        self.store, self.clock, self.replayed = store, clock, replayed
        self.real_clock = SystemClock() if replayed else clock  # sessions live in the present
        self.overlay = OverlaidConfig(read_config)
        self._read_config, self._store, self._event_log, self._clock = self.overlay.read, store, event_log, clock
        self._deliver = deliver
        self._capture, self._replayed, self._more_sinks = capture, replayed, tuple(more_sinks)
        self.events = tuple(events)
        config = self._config = self._read_config()
        self._require(config)
        self.metrics = Metrics(__version__, [device.name for device in config.devices])
        self._remember()
        state = {} if replayed else {name: store.state_get(f"stage.{name}") for name in STAGES}
        rulebook = load_rulebook(config)
        pipeline = self._build(config, rulebook, state)
        self._remark(config, rulebook, pipeline)
        self._describe(pipeline)
        self._outbox = self._build_outbox(config)
        self._evidence = EvidenceKeeper(config.sinks.evidence) if config.sinks.evidence is not None else None
        self.daemon = Daemon(
            source=source,
            edges=Edges(pipeline, self._sinks()),
            store=store,
            metrics=self.metrics,
            clock=clock,
            poll_timeout=POLL_TIMEOUT,
            reload=self._reload,
            replayed=replayed,
            events=self.events,
            silence=None if replayed else silence_watch(),
            clock_state=read_clock_state,
        )
        self._tokens = _tokens(config)
        self._sources = self._build_sources(config)
        self.page = PageSite(self, config_path)
        try:
            self._server = self._build_server(config, self._tokens)
        except ConfigError:
            raise
        except SnifferError as error:
            if not replayed:
                raise
            logger.warning("%s; the capture is judged without HTTP", error)  # a daemon is running here
            self._server = None

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._config

    @property
    def sources(self) -> Sources:
        """The wake sources that run."""
        return self._sources

    @property
    def address(self) -> str | None:
        """The URL at which this machine reaches the HTTP server, or None."""
        return None if self._server is None else self._config.http.url_at(self._server.port)

    @property
    def serving(self) -> str:
        """What is served, where, and to whom, in one line."""
        if self.address is None:
            return "HTTP is off"
        http = self._config.http
        where = f" on every address of this machine, here {self.address}" if http.is_everywhere else f" {self.address}"
        if http.is_local:
            return f"serving{where} (page, metrics, API)"
        reading = "needs a token" if http.reading_needs_token else "is open to every host that reaches this address"
        return f"serving{where} (page, metrics, API); reading uploads, devices and the stream {reading}"

    def start(self) -> None:
        """Start the threads. Privileges must have been given away before: threads keep what they are born with."""
        if self._server is not None:
            self._server.start()
        self._outbox.start()
        self._sources.start()
        self.daemon.subscribe(lambda record: self._sources.ask(record), None)

    def drain(self, seconds: float) -> dict[str, int]:
        """Wait until every message was delivered; return how many still wait, by target."""
        return self._outbox.drain(seconds)

    def close(self) -> None:
        """Stop the threads and let go of the files; messages that wait stay in the store."""
        self._sources.stop()
        if self._server is not None:
            self._server.stop()
        self._outbox.close()
        self.page.close()
        if self._event_log is not None:
            self._event_log.close()

    # --- building -----------------------------------------------------------------------------------------------------

    def _require(self, config: Config, bound: str | None = None) -> None:
        """Raise ConfigError where the daemon could not start with this configuration."""
        live, deliver = not self._replayed, self._deliver
        require_startable(config, self._config_path, live=live, deliver=deliver, bound=bound)

    def _build(self, config: Config, rulebook: Rulebook, state: dict[str, Any]) -> Pipeline:
        sources = [*config.wake.specs(), *file_sources(self.events)]
        return build_pipeline(config, rulebook, sources, self._capture, offline=False, state=state)

    def _remark(self, config: Config, rulebook: Rulebook, pipeline: Pipeline) -> None:
        """Log settings that are valid and probably not meant."""
        seen = [device.name for device in pipeline.stages.identifier.devices()]
        for remark in remarks(config, rulebook, self._config_path, seen):
            logger.warning("%s", remark)
        for change, problem in self.overlay.problems.items():
            logger.warning("%s: change %s is left out: %s", overlay_path(config.store.path), change, problem)

    def _build_outbox(self, config: Config) -> Outbox:
        clock = SystemClock()  # receivers live in the present, also while a capture of last year is replayed
        sinks = config.sinks if self._deliver else SinkSettings()
        if config.sinks.receivers != sinks.receivers:
            logger.info(
                "no notifications are sent for this capture; --deliver sends them to %s",
                ", ".join(config.sinks.receivers),
            )
        key = link_key(self._store)
        notice_of = notices(config.http.public_url, key, clock, config.alerts.time_zone)
        targets = build_targets(
            sinks,
            read_secret,
            notice_of,
            self._store,
            clock,
            __version__,
            config.alerts.time_zone,
            controls=BrokerControls(lambda: self.daemon),
            page=config.http.public_url,
        )
        return Outbox(self._store, clock, targets, settings=config.sinks.outbox, metrics=self.metrics)

    def _build_server(
        self, config: Config, tokens: Sequence[Token], port: int | None = None, before: HttpServer | None = None
    ) -> HttpServer | None:
        if not config.http.enabled:
            return None
        pages, first_page = self.page.build(config)
        routes = link_routes(link_key(self._store), purposes(self.daemon, config.alerts.time_zone), SystemClock())
        app = build_app(
            self.daemon, config.http, tokens, self._clock, more_routes=routes, pages=pages, first_page=first_page
        )
        port = config.http.port if port is None else port
        return HttpServer(app, config.http.host, port, config.http.tls, before=before)

    def _build_sources(self, config: Config) -> Sources:
        if self._replayed:
            return Sources()
        return build_sources(config.wake, self.daemon.deliver, self._clock, read_secret, self._store.installation())

    def _sinks(self) -> list[Sink]:
        log: list[Sink] = [self._event_log] if self._event_log is not None else []
        evidence: list[Sink] = [self._evidence] if self._evidence is not None else []
        return [*log, *evidence, self._outbox, *self._more_sinks]

    def _describe(self, pipeline: Pipeline) -> None:
        """The devices that are known from before, as metrics: they may send nothing for a while."""
        for record in pipeline.devices(self._clock.now_ns()):
            self.metrics.emit(record)

    def _remember(self) -> None:
        """Uploads that were counted before: only a change of their verdict counts now."""
        for upload in self._store.uploads(limit=1000):
            self.metrics.remember(upload)
        now_ns = self._clock.now_ns()
        for record in self._store.records(("question", "answer"), since=now_ns - 86_400 * SECOND):
            self.metrics.emit(record)
        self.metrics.expire(now_ns)

    def _reload(self, old: Pipeline) -> Edges:
        """The configuration anew. Raises SnifferError, and then nothing has changed."""
        config, before = self._read_config(), self._config
        self._require(config, before.http.host if self._server is not None else None)
        rulebook = load_rulebook(config)
        pipeline = self._build(config, rulebook, old.state())
        outbox, sources = self._build_outbox(config), self._build_sources(config)
        self._remark(config, rulebook, pipeline)
        # A certificate may have been renewed, or a token's file. Where the address stays, so does its socket. Where
        # only the port stays, it is free once the old server has gone: another is tried meanwhile.
        tokens = _tokens(config)
        http, old_http = config.http, before.http
        serve_anew = http != old_http or http.tls is not None or self._tokens != tokens
        moves = (http.enabled, http.port) != (old_http.enabled, old_http.port)
        stays = not moves and http.host == old_http.host
        server = None
        if serve_anew:
            port = None if moves or stays else 0
            server = self._build_server(config, tokens, port, self._server if stays else None)
        pipeline.take_over(old)
        for part in ("capture", "store", "detect", "sinks.event_log", "sinks.evidence"):
            new, running = (operator.attrgetter(part)(settings) for settings in (config, self._config))
            if new != running:
                logger.warning("%s: the change takes effect at the next start", part)
        self._config, self._tokens = config, tokens
        self.metrics.announce(device.name for device in config.devices)
        self._describe(pipeline)
        self._outbox.close()
        self._outbox = outbox
        self._outbox.start()
        sources.take_over(self._sources)
        self._sources.stop()
        self._sources = sources
        self._sources.start()
        if serve_anew:
            if self._server is not None:
                self._server.stop()
            self._server = server
            if server is not None and not (moves or stays):
                server.stop()
                self._server = None
                self._server = self._build_server(config, tokens)
            if self._server is not None:
                self._server.start()
            logger.info("%s", self.serving)
        return Edges(pipeline, self._sinks())


class BrokerControls:
    """What Home Assistant may ask of the daemon over a broker. The outbox is built before the daemon."""

    def __init__(self, daemon: Callable[[], Daemon]) -> None:
        self._daemon = daemon

    def mute(self, device: str, seconds: float) -> None:
        """No alerts for a device for a while; 0 ends that. Raises WakeError."""
        self._daemon().mute({"device": device, "seconds": seconds})

    def answer(self, upload: str, answer: str) -> None:
        """A person's answer about an upload. Raises WakeError."""
        self._daemon().answer(upload, answer, "home_assistant")

    def mutes(self) -> tuple[tuple[str, int], ...]:
        """Devices without alerts, and until when."""
        try:
            return self._daemon().mutes()
        except AttributeError:  # the daemon is being built
            return ()


def _tokens(config: Config) -> tuple[Token, ...]:
    return read_tokens(config.http.tokens if config.http.enabled else (), read_secret)


@contextlib.contextmanager
def open_files(config: Config) -> Iterator[tuple[Store, EventLog | None]]:
    """The store and the event log. Raises StoreError, SnifferError."""
    for path in (config.store.path, *_more_files(config)):
        make_state_folder(path.parent)
    store = Store(config.store)
    try:
        yield store, EventLog(config.sinks.event_log) if config.sinks.event_log is not None else None
    finally:
        store.close()


def _more_files(config: Config) -> list[Path]:
    """The event log and the folder of evidence, as far as they are kept."""
    log, evidence = config.sinks.event_log, config.sinks.evidence
    return [*([log.path] if log is not None else []), *([evidence.folder] if evidence is not None else [])]


def files_of(config: Config) -> list[Path]:
    """The files that the unprivileged user must be able to write."""
    found = [
        config.store.path.with_name(config.store.path.name + suffix)
        for suffix in ("", "-wal", "-shm", ".lock", ".reserve")
    ]
    found += _more_files(config)
    found += [keys_path(config.store.path), overlay_path(config.store.path)]
    return found
