"""The HTTP API over what the daemon holds. It keeps nothing itself: everything comes through `Backend`."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sniffer.errors import SnifferError, StoreError
from sniffer.model import Record, VerdictKind
from sniffer.model.clock import Clock
from sniffer.web.answers import AnswerBackend, answer_body
from sniffer.web.auth import Guesses, Token, authenticate, event_limits, rate_limits
from sniffer.web.settings import HttpSettings

#: A wake event is some hundred bytes; a list of them after an outage, some kilobytes.
MAX_BODY_BYTES = 64 * 1024
MAX_EVENTS = 256
MAX_UPLOADS = 1000
#: Open streams in all, and from one address: each holds a connection.
MAX_STREAMS, MAX_STREAMS_PER_ADDRESS = 48, 16
#: The name of what asks a listener for its testimony: the only thing on the stream that is no record.
ASK = "ask"
#: Seconds between comments on an idle stream, so that a dead connection is noticed.
STREAM_HEARTBEAT = 15.0
#: Records that wait for one slow reader of the stream; then it is cut off and may connect again.
STREAM_BACKLOG = 256

INDEX = """sniffer
/metrics            for Prometheus
/-/healthy          the process lives
/-/ready            packets are being captured
/api/v1/uploads     what was sent   ?device= &verdict= &since= &until= &limit=
/api/v1/uploads/ID  one upload
/api/v1/devices     who is on the network
/api/v1/stats       counters
/api/v1/stream      records as they happen (server-sent events)
POST /api/v1/wake   a wake event (bearer token)
POST /api/v1/answers  an upload was asked for, or not (bearer token)
POST /api/v1/mute   no alerts for a device for some time (bearer token)
"""

#: What `?verdict=` may be: `none` is what is not judged, `judged` what is.
VERDICTS = (*map(str, VerdictKind), "none", "judged")


class Backend(AnswerBackend, Protocol):
    """What the API may ask of the daemon. All calls are safe from the server's thread."""

    def metrics(self, accept: str) -> tuple[bytes, str]: ...

    def ready(self) -> tuple[bool, str]: ...

    def wake(self, event: Mapping[str, Any], source: str) -> Record: ...

    def mute(self, request: Mapping[str, Any]) -> Record: ...

    def unknown(self, device: str) -> str | None: ...

    def uploads(
        self, device: str | None, verdict: str | None, since: str | None, until: str | None, limit: int
    ) -> Sequence[Record]: ...

    def upload(self, identifier: str) -> Record | None: ...

    def devices(self) -> Sequence[Record]: ...

    def stats(self) -> Record: ...

    def subscribe(self, listener: Callable[[Record], None], source: str | None = None) -> Callable[[], None]: ...


def build_app(
    backend: Backend,
    settings: HttpSettings,
    tokens: Sequence[Token],
    clock: Clock,
    *,
    more_routes: Sequence[Route] = (),
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    pages: Sequence[BaseRoute] = (),
    first_page: Callable[[Request], Awaitable[Response]] | None = None,
) -> Starlette:
    """The application. Raises nothing; every error of a caller is a JSON object with `error`."""
    limits, events_left, guesses = rate_limits(tokens), event_limits(tokens), Guesses()
    streams = _Streams()

    async def allowed(request: Request, scope: str) -> Token | Response:
        header = request.headers.get("authorization")
        token = authenticate(header, tokens)
        if token is None:
            if header and (seconds := guesses.pause(_address(request), clock.monotonic())):
                await sleep(seconds)
            hint = "no token is configured (http.tokens)" if not tokens else "a known bearer token is needed"
            return _error(401, hint, {"WWW-Authenticate": "Bearer"})
        if scope not in token.scopes:
            return _error(403, f"the token of '{token.source}' does not carry the scope '{scope}'")
        if not limits[token.source].allows(clock.monotonic()):
            return _error(429, "too many requests", {"Retry-After": "1"})
        return token

    def changes_state(scope: str, act: Callable[[Any, Token], Response]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            token = await allowed(request, scope)
            if isinstance(token, Response):
                return token
            body = await _body(request)
            if isinstance(body, Response):
                return body
            try:
                return await asyncio.to_thread(act, body, token)
            except SnifferError as error:
                return _failed(error)

        return endpoint

    def reads(act: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            if settings.reading_needs_token:
                token = await allowed(request, "read")
                if isinstance(token, Response):
                    return token
            try:
                return await asyncio.to_thread(act, request)
            except SnifferError as error:
                return _failed(error)

        return endpoint

    def wake(body: Any, token: Token) -> Response:
        events = body if isinstance(body, list) else [body]
        if len(events) > MAX_EVENTS:
            return _error(400, f"at most {MAX_EVENTS} events at once")
        accepted: list[Record] = []
        for event in events:
            if not isinstance(event, dict):
                return _error(400, "an event is a JSON object")
            if not events_left[token.source].allows(clock.monotonic()):
                return _error(429, f"too many events; {len(accepted)} were taken", {"Retry-After": "60"})
            accepted.append(backend.wake(event, token.source))
        warnings = {backend.unknown(record["device"]["name"]) for record in accepted if record["device"]} - {None}
        return JSONResponse({"accepted": accepted, "warnings": sorted(map(str, warnings))}, status_code=202)

    def mute(body: Any, token: Token) -> Response:
        if not isinstance(body, dict):
            return _error(400, "the body is a JSON object")
        return JSONResponse(dict(backend.mute(body)), status_code=202)

    def answer(body: Any, token: Token) -> Response:
        return answer_body(body, backend, token.source)

    def uploads(request: Request) -> Response:
        query = dict(request.query_params)
        verdict = query.get("verdict")
        if verdict is not None and verdict not in VERDICTS:
            return _error(400, f"verdict is one of {', '.join(VERDICTS)}")
        unknown = set(query) - {"device", "verdict", "since", "until", "limit"}
        if unknown:
            return _error(400, f"unknown parameter '{sorted(unknown)[0]}'")
        try:
            limit = min(MAX_UPLOADS, max(1, int(query.get("limit", "100"))))
        except ValueError:
            return _error(400, "limit is a number")
        get = query.get
        found = backend.uploads(get("device"), verdict, get("since"), get("until"), limit)
        return JSONResponse([dict(record) for record in found])

    def one_upload(request: Request) -> Response:
        record = backend.upload(request.path_params["identifier"])
        return JSONResponse(dict(record)) if record else _error(404, "no such upload")

    async def stream(request: Request) -> Response:
        if settings.reading_needs_token:
            token = await allowed(request, "read")
            if isinstance(token, Response):
                return token
        address = _address(request)
        if not streams.begin(address):
            return _error(503, "too many streams are open", {"Retry-After": "30"})
        known = authenticate(request.headers.get("authorization"), tokens)
        source = known.source if known else None
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return _Stream(_stream(backend, source), lambda: streams.end(address), headers)

    async def metrics(request: Request) -> Response:
        body, content_type = await asyncio.to_thread(backend.metrics, request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": content_type})

    async def healthy(request: Request) -> Response:
        return PlainTextResponse("sniffer lives\n")

    async def ready(request: Request) -> Response:
        is_ready, reason = backend.ready()
        return PlainTextResponse(reason + "\n", status_code=200 if is_ready else 503)

    async def index(request: Request) -> Response:
        if first_page is not None and "text/html" in request.headers.get("accept", ""):
            return await first_page(request)
        return PlainTextResponse(INDEX)

    return Starlette(
        routes=[
            Route("/", index),
            Route("/metrics", metrics),
            Route("/-/healthy", healthy),
            Route("/-/ready", ready),
            Route("/api/v1/wake", changes_state("wake", wake), methods=["POST"]),
            Route("/api/v1/mute", changes_state("mute", mute), methods=["POST"]),
            Route("/api/v1/answers", changes_state("answer", answer), methods=["POST"]),
            Route("/api/v1/uploads", reads(uploads)),
            Route("/api/v1/uploads/{identifier}", reads(one_upload)),
            Route("/api/v1/devices", reads(lambda _: JSONResponse([dict(r) for r in backend.devices()]))),
            Route("/api/v1/stats", reads(lambda _: JSONResponse(dict(backend.stats())))),
            Route("/api/v1/stream", stream),
            *more_routes,
            *pages,
        ],
        exception_handlers={HTTPException: _refused},
        middleware=[Middleware(_KnownHost, allowed=frozenset({"localhost", *settings.names}))],
    )


class _Streams:
    """Counts open streams, in all and by address."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    def begin(self, address: str) -> bool:
        if self._open.total() >= MAX_STREAMS or self._open[address] >= MAX_STREAMS_PER_ADDRESS:
            return False
        self._open[address] += 1
        return True

    def end(self, address: str) -> None:
        self._open[address] -= 1
        self._open += Counter()  # forgets what is zero


class _Stream(StreamingResponse):
    """Calls `ended` once, however the client leaves."""

    def __init__(self, records: AsyncIterator[str], ended: Callable[[], None], headers: Mapping[str, str]) -> None:
        super().__init__(records, media_type="text/event-stream", headers=headers)
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._ended()


async def _stream(backend: Backend, source: str | None) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[Record | None] = asyncio.Queue(STREAM_BACKLOG)

    def put(record: Record) -> None:
        if queue.full():  # too slow a reader: cut off rather than grow
            queue.get_nowait()
            queue.put_nowait(None)
        else:
            queue.put_nowait(record)

    unsubscribe = backend.subscribe(lambda record: _call_soon(loop, put, record), source)
    try:
        yield ": sniffer\n\n"
        while True:
            try:
                record = await asyncio.wait_for(queue.get(), STREAM_HEARTBEAT)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            if record is None:
                return
            yield f"event: {record.get('event_type', ASK)}\ndata: {json.dumps(record)}\n\n"
    finally:
        unsubscribe()


def _call_soon(loop: asyncio.AbstractEventLoop, put: Callable[[Record], None], record: Record) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(put, record)


async def _body(request: Request) -> Any:
    received = bytearray()
    try:
        async for chunk in request.stream():
            received += chunk
            if len(received) > MAX_BODY_BYTES:
                return _error(413, f"the body is over {MAX_BODY_BYTES} bytes")
    except ClientDisconnect:
        return _error(400, "the client left before the end of the body")  # no client reads it
    try:
        return json.loads(received) if received else {}
    except (ValueError, RecursionError):
        return _error(400, "the body is not JSON")


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else ""


def _failed(error: SnifferError) -> JSONResponse:
    """The answer to a request that an error ended: 503 where the fault is ours and may pass, else 400."""
    return _error(503 if isinstance(error, StoreError) else 400, str(error))


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    shown = message.encode(errors="replace").decode()  # half a surrogate pair, which JSON can hold, is no text
    return JSONResponse({"error": shown}, status_code=status, headers=dict(headers or {}))


async def _refused(request: Request, error: Exception) -> Response:
    """What no route takes."""
    assert isinstance(error, HTTPException)
    return _error(error.status_code, error.detail, error.headers)


class _KnownHost:
    """Refuses requests under a host name that is not configured: a web page must not reach us by DNS rebinding."""

    def __init__(self, app: ASGIApp, allowed: frozenset[str]) -> None:
        self._app, self._allowed = app, allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            header = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
            if not self._knows(header):
                response = _error(421, "this host name is not configured (http.allowed_hosts)")
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _knows(self, header: str) -> bool:
        host = header.rsplit(":", 1)[0] if header.count(":") == 1 else header
        host = host.split("]")[0].lstrip("[").lower()
        if not host or host in self._allowed:
            return True
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True
