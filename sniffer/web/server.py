"""The HTTP server in a thread of its own, so that a slow client never delays a packet."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading

import uvicorn
from starlette.applications import Starlette

from sniffer.errors import ConfigError, SnifferError
from sniffer.web.connections import Connection, Door, Limits
from sniffer.web.settings import TlsSettings


class _CalmServer(uvicorn.Server):
    """Accepts through a `Door`, and wakes up once a second, not ten times: that was most of the cost when idle."""

    def __init__(self, config: uvicorn.Config, limits: Limits) -> None:
        super().__init__(config)
        self._limits = limits
        self._doors: list[Door] = []
        self._leaving = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept with our own limits rather than with asyncio's server, which has none."""
        await self.lifespan.startup()
        self.servers = []
        self._doors = [Door(one, self._connection, self.config.ssl, self._limits) for one in sockets or []]
        self.started = True

    def _connection(self) -> Connection:
        return Connection(self.config, self.server_state, self.lifespan.state)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for door in self._doors:
            door.close()
        await super().shutdown(sockets)

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        while not self.should_exit:
            await self.on_tick(0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), 1)

    def leave(self) -> None:
        """End now (from any thread)."""
        self.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._leaving.set)


def tls_options(tls: TlsSettings | None) -> dict[str, str]:
    """Return uvicorn's options for certificate and key. Raises ConfigError where they cannot be used."""
    if tls is None:
        return {}
    for path in (tls.certificate, tls.key):
        try:
            path.open("rb").close()
        except OSError as error:
            raise ConfigError(f"cannot be read: {error.strerror} (http.tls)", file=path) from None
    try:
        # A key with a password is refused: a daemon cannot ask for it.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.certificate, tls.key, password="")
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error)
        raise ConfigError(f"this certificate and {tls.key} do not make TLS: {reason}", file=tls.certificate) from None
    return {"ssl_certfile": str(tls.certificate), "ssl_keyfile": str(tls.key)}


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises SnifferError where the address cannot be bound."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(64)  # connections that come before the server is ready wait
    except (OSError, OverflowError, ValueError) as error:
        bound.close()
        raise SnifferError(f"HTTP cannot listen on {host}:{port}: {error} (see http.host, http.port)") from None
    return bound


class HttpServer:
    """Serves until `stop`. The port is bound in the constructor, so that a taken one is an error at start.

    Or it is that of the server `before` this one: who waits there is not refused, and whoever we have become since need
    not be allowed to bind it. Raises SnifferError where the address cannot be bound, ConfigError where `tls` cannot be
    used.
    """

    def __init__(
        self,
        app: Starlette,
        host: str,
        port: int,
        tls: TlsSettings | None = None,
        *,
        before: HttpServer | None = None,
        limits: Limits | None = None,
    ) -> None:
        options = tls_options(tls)
        self._socket: socket.socket = bind(host, port) if before is None else before._socket.dup()
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app,
            log_level="error",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
            server_header=False,
            http=Connection,
            **options,  # type: ignore[arg-type]
        )
        config.load()  # now, while the key can be read: the privileges to do so may be given away
        self._server = _CalmServer(config, limits or Limits())
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """End, within a second or two."""
        self._server.leave()
        if self._thread.is_alive():
            self._thread.join(5)
        self._socket.close()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])
