"""`sniffer run`: the daemon."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sniffer.app.repeated_lines import Limited
from sniffer.capture.live.privileges import UNPRIVILEGED, Account, account, drop, hand_over, unprivileged
from sniffer.cli._common import config_option, device_option, effective_config
from sniffer.cli._imports import importing
from sniffer.errors import CaptureError, DeliveryError, UsageError
from sniffer.model.clock import Clock, SystemClock

if TYPE_CHECKING:
    from sniffer.app.config import Config
    from sniffer.app.packet_source import PacketSource
    from sniffer.app.service import Service

logger = logging.getLogger("sniffer")

#: Seconds that a replay with --deliver waits at its end for receivers to accept what is left.
DRAIN_SECONDS = 60.0


@click.command()
@config_option
@click.option("-i", "--interface", "interfaces", multiple=True, help="Capture here (default: the LAN side).")
@device_option
@click.option(
    "--capture", type=click.Path(path_type=Path, dir_okay=False),
    help="Judge this file instead of an interface. No notifications are sent (see --deliver) and nothing is kept (see "
    "--store).",
)  # fmt: skip
@click.option(
    "--speed", type=click.FloatRange(min=0, min_open=True), help="Replay speed factor; 1 is the speed of the capture."
)
@click.option(
    "--wake", type=click.Path(path_type=Path, dir_okay=False), help="With --capture: wake events (JSON Lines)."
)
@click.option("--deliver", is_flag=True, help="With --capture: tell the configured receivers.")
@click.option("--exit", "exit_at_end", is_flag=True, help="With --capture: exit at its end rather than go on serving.")
@click.option("--store", "store_path", type=click.Path(path_type=Path), help="The embedded store (SQLite).")
@click.option(
    "--format", "output_format", type=click.Choice(["text", "jsonl", "none"]), default="text", show_default=True
)
def command(
    config_path: Path | None,
    interfaces: Sequence[str],
    devices: Sequence[str],
    capture: Path | None,
    speed: float | None,
    wake: Path | None,
    deliver: bool,
    exit_at_end: bool,
    store_path: Path | None,
    output_format: str,
) -> int:
    """Watch an interface; report when a speaker sends what could be a voice, and whether it was asked to.

    \b
    Examples:
      sniffer run -i br-lan -c sniffer.yaml
      sniffer run --capture evening.pcap --speed 1
    """
    logging.basicConfig(format="sniffer: %(message)s", level=logging.INFO, handlers=[Limited(sys.stderr)])
    logging.getLogger("httpx").setLevel(logging.WARNING)
    if capture is None and (speed or exit_at_end or wake or deliver):
        raise UsageError("--speed, --wake, --deliver and --exit go with --capture")
    with ExitStack() as stack:
        scratch = None
        if capture is not None and store_path is None:
            # A replay leaves no traces, and does not mix with what a daemon found here.
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sniffer-")))

        def read_config() -> Config:
            return _placed(effective_config(config_path, devices), interfaces, store_path, scratch)

        with importing():  # all of it before the capture is opened: until devices are watched, only their names arrive
            from sniffer.app.config import read_secret
            from sniffer.app.service import Service, open_files
            from sniffer.app.turns import SWITCH_SECONDS
            from sniffer.capture.files.open import open_capture
            from sniffer.capture.files.replay import ReplayCapture, ReplayClock
            from sniffer.capture.sources import open_sources
            from sniffer.cli._show import RecordLines
            from sniffer.wake.adapters.file import read_events

        sys.setswitchinterval(SWITCH_SECONDS)

        config = read_config()
        clock: Clock = SystemClock()
        source: PacketSource
        if capture is not None:
            reader = stack.enter_context(open_capture(capture))
            replay_clock = ReplayClock(clock, speed)
            source, name, clock = ReplayCapture(reader, replay_clock, speed), str(capture), replay_clock
        else:
            source, name = open_sources(config.capture, clock, read_secret)
            stack.callback(source.close)
            logger.info("capturing on %s", name)
            name = name.partition(" (")[0]
        store, event_log = stack.enter_context(open_files(config))
        lines = RecordLines(sys.stdout, output_format)
        events = read_events(wake) if wake is not None else []
        service = Service(
            read_config,
            source,
            name,
            store,
            event_log,
            clock,
            replayed=capture is not None,
            deliver=capture is None or deliver,
            more_sinks=[lines],
            events=events,
            config_path=config_path,
        )
        if capture is None:
            _give_up_privileges(config)
        if service.address:
            logger.info("%s", service.serving)
        _tell_link(service)
        _handle_signals(service)
        service.start()
        gc.freeze()  # what was built until here stays: collections of what views and turns leave need not look at it
        try:
            service.daemon.run()
            if capture is not None and not exit_at_end and not service.daemon.stopping and service.address:
                logger.info("the capture has ended; still serving %s until Ctrl-C", service.address)
                service.daemon.wait()
            if capture is not None and deliver and (waiting := service.drain(DRAIN_SECONDS)):
                left = ", ".join(f"{target} ({number})" for target, number in waiting.items())
                raise DeliveryError(f"not everything was delivered within {DRAIN_SECONDS:.0f} s: {left}")
        finally:
            service.close()
    return 0


def _tell_link(service: Service) -> None:
    """At the first start, beyond this machine: the link that signs the first browser in. It is no log line: the page
    shows those."""
    from sniffer.cli.page import is_local, page_url

    if not (service.page.first_start and service.address and not is_local(service.config.http.host)):
        return
    click.echo(f"sniffer: open {page_url(service.config)}{service.page.link()}", err=True)
    click.echo("sniffer: it signs one browser in, once, within 24 hours; another: `sniffer page --link`", err=True)


def _placed(config: Config, interfaces: Sequence[str], store_path: Path | None, scratch: Path | None) -> Config:
    """The configuration with what the command line says of places."""
    update: dict[str, Any] = {}
    if interfaces:
        update["capture"] = config.capture.model_copy(update={"interface": tuple(interfaces), "sources": ()})
    if store_path is not None:
        update["store"] = config.store.model_copy(update={"path": store_path})
    if scratch is not None:
        update["store"] = config.store.model_copy(update={"path": scratch / "sniffer.db"})
        update["sinks"] = config.sinks.model_copy(update={"event_log": None, "evidence": None})
    return config.model_copy(update=update)


def _give_up_privileges(config: Config) -> None:
    """As root, become another user: the configured one, who called sudo, or an unprivileged one that reaches the files.
    Keep the privilege to capture, and drop all others."""
    from sniffer.app.service import files_of

    to = account(config.capture.user)
    if to is None and os.geteuid() == 0:
        folders = list(dict.fromkeys(path.absolute().parent for path in files_of(config)))
        to = unprivileged(folders)
        if to is None and not folders[0].stat().st_uid:
            to = _owner_for(folders[0])
        if to is None:
            where = ", ".join(map(str, folders))
            logger.warning("stays root: no unprivileged user reaches %s; name one in capture.user", where)
        else:
            logger.info("running as the user '%s' from now on (capture.user names another)", to.name)
    if to is not None:
        for path in files_of(config):
            hand_over(path, to)
    drop(to)


def _owner_for(folder: Path) -> Account | None:
    """Give root's own state folder to an unprivileged account, which is returned; None where there is none."""
    from sniffer.settings.places import SYSTEM

    if folder != SYSTEM:
        return None
    for name in UNPRIVILEGED:
        with contextlib.suppress(CaptureError):
            to = account(name)
            if to is not None:
                hand_over(folder, to)
                return to
    return None


def _handle_signals(service: Service) -> None:
    def end(number: int, frame: object) -> None:
        service.daemon.stop()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGHUP, lambda number, frame: service.daemon.reload())
