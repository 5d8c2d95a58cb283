"""The page of a daemon: its keys, its backend and its routes, built anew when the configuration changes."""

from __future__ import annotations

import datetime
import logging
import zoneinfo
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from sniffer.app.config import Config, read_secret
from sniffer.app.page_backend import PageBackend
from sniffer.errors import ConfigError
from sniffer.model.clock import SECOND
from sniffer.wake.file_sources import file_sources
from sniffer.web.access import Access
from sniffer.web.assets import Assets
from sniffer.web.keys import Role, keys_path, make_keys, make_link
from sniffer.web.page import Site
from sniffer.web.render import Renderer
from sniffer.web.routes import index, routes
from sniffer.web.stream import Live

if TYPE_CHECKING:
    from sniffer.app.service import Service

logger = logging.getLogger("sniffer")

Endpoint = Callable[[Request], Awaitable[Response]]


class PageSite:
    """Holds what outlives a reload: sessions, log lines, open streams."""

    def __init__(self, service: Service, config_path: Path | None) -> None:
        self._service = service
        self.first_start = False
        self.backend = PageBackend(
            service.daemon,
            service.store,
            service.clock,
            service.overlay,
            lambda: service.config,
            lambda: service.sources,
            config_path,
            read_secret,
            replayed=service.replayed,
            file_sources=file_sources(service.events),
        )
        self._access: Access | None = None
        self._assets: Assets | None = None
        self._live = Live(self.backend)
        logger.addHandler(self.backend.log)

    def build(self, config: Config) -> tuple[Sequence[BaseRoute], Endpoint | None]:
        """The routes of the page, and what `/` shows. Without a file for its keys, there is no page."""
        if not config.http.page.enabled:
            return (), None
        passwords = {
            role: read_secret(secret)
            for role, secret in ((Role.CHANGE, config.http.page.password), (Role.LOOK, config.http.page.look_password))
            if secret is not None
        }
        path = keys_path(config.store.path)
        try:
            _, made = make_keys(path)
            self.first_start = self.first_start or made
            if self._access is None:
                self._access = Access(path, self._service.store, self._service.real_clock)
        except ConfigError as error:
            logger.warning("the page is off: %s", error)
            return (), None
        self._access.passwords, self._access.closed = passwords, bool(config.http.read_token)
        self._assets = self._assets or Assets()
        site = Site(
            self.backend,
            config.http,
            self._access,
            Renderer(self._assets),
            self._assets,
            self._live,
            zone_of(config),
        )
        return routes(site), index(site)

    def link(self) -> str:
        """The path of a new one-time link."""
        keys, _ = make_keys(keys_path(self._service.config.store.path))
        return f"/link/{make_link(keys, Role.CHANGE, self._service.real_clock.now_ns() // SECOND)}"

    def close(self) -> None:
        """Stop keeping log lines, and let go of the store."""
        logger.removeHandler(self.backend.log)
        self.backend.close()


def zone_of(config: Config) -> datetime.tzinfo:
    """The time zone in which the page is written: the configured one, or the machine's."""
    name = config.alerts.time_zone
    if name is None and "time_zone" in config.judge.model_fields_set:
        name = config.judge.time_zone
    if name is not None:
        return zoneinfo.ZoneInfo(name)
    try:  # by its name, so that summer and winter are right
        link = Path("/etc/localtime").resolve().parts
        return zoneinfo.ZoneInfo("/".join(link[link.index("zoneinfo") + 1 :]))
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        return (
            zoneinfo.ZoneInfo("UTC")
            if datetime.datetime.now().astimezone().utcoffset() == datetime.timedelta()
            else (datetime.datetime.now().astimezone().tzinfo or datetime.UTC)
        )
