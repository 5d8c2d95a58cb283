"""What the page asks of the daemon and what it changes: the answers of `sniffer.web.backend.PageBackend`."""

from __future__ import annotations

import dataclasses
import os
import resource
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sniffer import __version__
from sniffer.app import checks, checks_wake
from sniffer.app.build import load_rulebook
from sniffer.app.compared import read_result
from sniffer.app.config import Config
from sniffer.app.log_keeper import LogKeeper
from sniffer.app.overlay import OverlaidConfig, overlay_path
from sniffer.app.page_overviews import rule_overview, source_overview, target_overview
from sniffer.app.trial import try_targets
from sniffer.errors import UsageError
from sniffer.model import Record, WakeSource, host_key, key_text
from sniffer.model.clock import SECOND, Clock, timestamp
from sniffer.model.summaries import UploadCount, UploadSummary
from sniffer.sinks.delivery.notice import Notice
from sniffer.sinks.delivery.targets import check_targets
from sniffer.sinks.storage.overview import counts, summaries
from sniffer.sinks.storage.store import Store
from sniffer.wake.sources import Sources, build_sources
from sniffer.web.auth import read_tokens
from sniffer.web.stream import STREAMED

if TYPE_CHECKING:
    from sniffer.app.daemon import Daemon

#: Seconds for which the answers of `doctor` hold: some of them look at the whole machine.
CHECK_SECONDS = 20.0
#: Nanoseconds for which an upload waits for an answer: a day later its verdict is final.
OPEN_NS = 86_400 * SECOND
#: Questions that are shown at once.
MAX_QUESTIONS = 200
#: Reasons of doubt that no answer of a person settles: it was no sound, or a rule says so whatever was asked.
NOT_ASKED = frozenset({"may_not_be_speech", "muted", "quiet_hours", "away"})
#: Seconds that a change waits for the daemon to take it.
RELOAD_SECONDS = 5.0


class PageBackend:
    """Reads snapshots of the daemon and the store; changes go through the overlay file and a reload.

    `config` gives the configuration in force; `sources` how the wake sources are; both change with a reload.
    `file_sources` are those of the wake events beside a replayed capture.
    """

    def __init__(
        self,
        daemon: Daemon,
        store: Store,
        clock: Clock,
        overlay: OverlaidConfig,
        config: Callable[[], Config],
        sources: Callable[[], Sources],
        config_path: Path | None,
        read_secret: Callable[..., str],
        *,
        replayed: bool,
        file_sources: Sequence[WakeSource] = (),
    ) -> None:
        self._daemon, self._clock, self._overlay = daemon, clock, overlay
        self._settings = store.settings
        self._second: Store | None = None
        self._config, self._sources, self._config_path = config, sources, config_path
        self._read_secret, self._replayed = read_secret, replayed
        self._file_sources = file_sources
        self._began_ns = clock.now_ns()
        self._listening: dict[str, Record] = {}
        self._changes = 0
        self._lock = threading.Lock()
        self._checked: tuple[float, Sequence[Record]] = (float("-inf"), ())
        self.log = LogKeeper()
        daemon.subscribe(self._heard)

    # --- what the API asks too ---

    def metrics(self, accept: str) -> tuple[bytes, str]:
        return self._daemon.metrics(accept)

    def ready(self) -> tuple[bool, str]:
        return self._daemon.ready()

    def wake(self, event: Mapping[str, Any], source: str) -> Record:
        return self._daemon.wake(event, source)

    def mute(self, request: Mapping[str, Any]) -> Record:
        return self._daemon.mute(request)

    def unknown(self, device: str) -> str | None:
        return self._daemon.unknown(device)

    def uploads(
        self, device: str | None, verdict: str | None, since: str | None, until: str | None, limit: int
    ) -> Sequence[Record]:
        return self._daemon.uploads(device, verdict, since, until, limit)

    def upload(self, identifier: str) -> Record | None:
        return self._reader().upload(identifier)

    def devices(self) -> Sequence[Record]:
        return self._daemon.devices()

    def stats(self) -> Record:
        return self._daemon.stats()

    def subscribe(self, listener: Callable[[Record], None], source: str | None = None) -> Callable[[], None]:
        return self._daemon.subscribe(listener, source)

    def _reader(self) -> Store:
        """A connection of the page's own: what it reads never keeps the daemon waiting for the store."""
        self.step_aside()
        with self._lock:
            if self._second is None:
                self._second = Store(self._settings, read_only=True)
            return self._second

    def close(self) -> None:
        """Let go of the store."""
        with self._lock:
            if self._second is not None:
                self._second.close()
                self._second = None

    def step_aside(self) -> None:
        self._daemon.turns.step_aside()

    # --- how it is ---

    def _heard(self, record: Record) -> None:
        kind = record.get("event_type")  # an ask has none
        self._changes += kind in STREAMED
        if kind != "listening":
            return
        key = str(record["device"].get("mac") or record["device"].get("ip") or record["device"]["name"])
        with self._lock:
            if record["listening"]:
                self._listening[key] = record
            else:
                self._listening.pop(key, None)

    def about(self) -> Record:
        return {"version": __version__, "began": self._began_ns, "changes": self._changes}

    def state(self) -> Record:
        ready, reason = self._daemon.ready()
        stats = self._daemon.stats()
        with self._lock:
            listening = tuple(self._listening.values())
        return {
            **stats,
            "now_ns": self._clock.now_ns(),
            "ready": ready,
            "reason": reason,
            "replayed": self._replayed,
            "began_ns": self._began_ns,
            "last_packet_ns": self._daemon.last_packet_ns or None,
            "captures": [dataclasses.asdict(state) for state in self._daemon.capture.states()],
            "listening": listening if ready else (),
            "memory_bytes": _memory_bytes(),
            "store_bytes": self._reader().used_bytes(),
            "store_max_bytes": self._config().store.max_bytes,
        }

    def summaries(
        self,
        since_ns: int,
        until_ns: int,
        device: str | None = None,
        *,
        keys: Sequence[str] | None = None,
        verdicts: Sequence[str] = (),
        newest: int | None = None,
        skip: int = 0,
    ) -> Sequence[UploadSummary]:
        store = self._reader()
        return summaries(store, since_ns, until_ns, device, keys=keys, verdicts=verdicts, newest=newest, skip=skip)

    def counts(self, since_ns: int, until_ns: int, device: str | None = None) -> Sequence[UploadCount]:
        return counts(self._reader(), since_ns, until_ns, device)

    def moments(self, types: Sequence[str], since_ns: int, until_ns: int, limit: int) -> Sequence[Record]:
        return self._reader().records(types, None, since_ns, until_ns, limit)

    def sources(self) -> Sequence[Record]:
        return source_overview(
            self._config(),
            self._overlay.changes(),
            self._file_sources,
            self._daemon.stats()["sources"],
            {status.name: status.problem for status in self._sources().status()},
        )

    def reconciliation(self) -> Record | None:
        return read_result(self._config().store.path)

    def targets(self) -> Sequence[Record]:
        return target_overview(self._config().sinks, self._overlay.changes(), self._reader())

    def test_target(self, name: str) -> str:
        results = try_targets(self._config(), self._clock, self._read_secret, only=name)
        if not results:
            raise UsageError(f"'{name[:40]}' is not configured")
        ((_, error),) = results
        if error is not None:
            raise UsageError(f"{name}: the test was not taken: {error}")
        return name

    def rules(self) -> Record:
        return rule_overview(self._config(), self._daemon.rules, self._daemon.mutes(), self._clock.now_ns())

    def habits(self, mac: str) -> Mapping[str, Any] | None:
        try:
            key = host_key(mac)
        except ValueError:
            return None
        return self._daemon.habits().get(str(key))

    def checks(self) -> Sequence[Record]:
        now = time.monotonic()
        with self._lock:
            if now - self._checked[0] < CHECK_SECONDS:
                return self._checked[1]
        config = self._config()
        found: list[checks.Check] = []
        if not self._replayed:
            names = tuple(self._daemon.interfaces())
            found += checks.hidden(names) if names else []
            found += checks.forwarding()
            found += checks.clock()
        found += [*checks.store(config), *checks.devices(config)]
        if not (self._replayed and self.sources()):  # beside a capture, the command line names them
            found += checks_wake.wake(config)
        result = tuple({"name": c.name, "status": c.status, "message": c.message, "remedy": c.remedy} for c in found)
        with self._lock:
            self._checked = now, result
        return result

    def log_lines(self) -> Sequence[Record]:
        return self.log.lines()

    def capture_file(self, upload_id: str) -> bytes | None:
        evidence, record = self._config().sinks.evidence, self._reader().upload(upload_id)
        if evidence is None or record is None or record["id"] != upload_id or "/" in upload_id:
            return None
        try:
            return (evidence.folder / f"{upload_id}.pcap").read_bytes()
        except OSError:
            return None

    # --- answers ---

    def questions(self) -> Sequence[UploadSummary]:
        now_ns = self._clock.now_ns()
        since_ns = now_ns - OPEN_NS
        store = self._reader()
        answered = {str(record.get("upload_id")) for record in store.records(("answer",), since=since_ns)}
        doubtful = summaries(
            store,
            since_ns,
            now_ns + OPEN_NS,
            verdicts=("unexpected", "inconclusive"),
            newest=MAX_QUESTIONS + len(answered),
        )
        return [
            upload
            for upload in doubtful
            if upload.upload_class in ("speech", "bulk")
            and upload.reason not in NOT_ASKED
            and upload.id not in answered
        ][:MAX_QUESTIONS]

    def answers(self, limit: int) -> Sequence[Record]:
        return self._reader().records(("answer",), limit=limit, newest_first=True)

    def answer(self, upload_id: str, answer: str, way: str) -> Record:
        return self._daemon.answer(upload_id, answer, way)

    def ask_listeners(self) -> None:
        self._daemon.ask_listeners()

    # --- changes ---

    def settings(self) -> Record:
        config = self._config()
        return {
            "file": str(self._config_path) if self._config_path else None,
            "overlay": str(overlay_path(config.store.path)),
            "grafana": config.http.page.grafana,
            "devices": [
                {"mac": key_text(device.key), "name": device.name, "kind": device.kind, "watch": device.watch}
                for device in config.devices
            ],
            "time_zone": config.judge.time_zone if "time_zone" in config.judge.model_fields_set else None,
        }

    def changes(self) -> Sequence[Record]:
        problems = self._overlay.problems
        return [
            {**change.model_dump(mode="json"), "problem": problems.get(change.id)}
            for change in reversed(self._overlay.changes())
        ]

    def change(self, fragment: Mapping[str, Any], what: str, about: str = "") -> Record:
        change = self._overlay.add(fragment, what, about[:200], timestamp(self._clock.now_ns()), self._checks_out)
        self._take(fragment)
        return change.model_dump(mode="json")

    def undo(self, change_id: str) -> Record:
        change = self._overlay.undo(change_id)
        for token in change.set.get("http", {}).get("tokens", ()):
            path = Path(str(token.get("secret", {}).get("file", "")))
            if path.parent == self._token_folder():
                path.unlink(missing_ok=True)
        self._take(change.set)
        return change.model_dump(mode="json")

    def new_secret(self, name: str) -> tuple[str, str]:
        token = secrets.token_urlsafe(24)
        folder = self._token_folder()
        path = folder / f"{''.join(c if c.isalnum() or c in '-_' else '_' for c in name)[:64]}.token"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with os.fdopen(os.open(path, flags, 0o600), "w") as stream:
                stream.write(token + "\n")
        except FileExistsError:
            raise UsageError(f"there is a token for '{name[:64]}' already") from None
        except OSError as error:
            raise UsageError(f"{path}: cannot be written: {error.strerror}") from None
        return str(path), token

    def _token_folder(self) -> Path:
        return self._config().store.path.absolute().with_name("tokens")

    def _checks_out(self, config: Config) -> None:
        """What a reload would refuse is refused now. Raises SnifferError."""
        load_rulebook(config)
        read_tokens(config.http.tokens, self._read_secret)
        build_sources(config.wake, self._daemon.deliver, self._clock, self._read_secret)
        for _, error in check_targets(config.sinks, self._read_secret, lambda record: Notice(""), self._clock):
            raise error

    def _take(self, fragment: Mapping[str, Any]) -> None:
        before = self._daemon.reloads
        self._daemon.reload()
        with self._lock:
            self._checked = (float("-inf"), ())
        if "http" in fragment:  # the server is replaced, and waits for this request to end
            return
        end = time.monotonic() + RELOAD_SECONDS
        while self._daemon.reloads == before and time.monotonic() < end:
            time.sleep(0.02)


def _memory_bytes() -> int:
    """Resident memory of this process."""
    try:
        with Path("/proc/self/statm").open() as stream:
            return int(stream.read().split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
