"""A test notification to the configured receivers, past the outbox: whether each took it is known at once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

from sniffer import __version__
from sniffer.app.config import Config
from sniffer.app.notices import link_key, notices
from sniffer.errors import DeliveryError
from sniffer.model.clock import Clock
from sniffer.records.alerts import setup_test_record
from sniffer.sinks.delivery.queue import Message
from sniffer.sinks.delivery.targets import build_targets
from sniffer.sinks.settings import StoreSettings
from sniffer.sinks.storage.store import Store


def try_targets(
    config: Config,
    clock: Clock,
    read_secret: Callable[..., str],
    *,
    only: str | None = None,
) -> list[tuple[str, str | None]]:
    """Send a test to all receivers (or `only` one); each name with the error, or None where it took the test.

    Raises ConfigError where a receiver's secret cannot be read.
    """
    results: list[tuple[str, str | None]] = []
    with ExitStack() as stack:
        # Not the daemon's store: it may be in use, and a test leaves no traces in it.
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sniffer-"))
        store = stack.enter_context(closing(Store(StoreSettings(path=Path(folder) / "test.db"))))
        notice_of = notices(config.http.public_url, link_key(store), clock, config.alerts.time_zone)
        for target in build_targets(config.sinks, read_secret, notice_of, store, clock, __version__):
            if only is not None and target.name != only:
                continue
            now_ns = clock.now_ns()
            record = setup_test_record(now_ns).to_json()
            message = Message(0, target.name, f"msg_setup_{now_ns}", record, now_ns, now_ns, 0, 0)
            try:
                target.start()
                target.send(message, now_ns)
                results.append((target.name, None))
            except DeliveryError as error:
                results.append((target.name, str(error)))
            finally:
                target.close()
    return results
