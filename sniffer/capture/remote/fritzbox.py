"""The packet capture of a FRITZ!Box: sign in, begin the capture, read its stream; stop it on a connection of its own.

The box streams libpcap's modified format of Alexey Kuznetzov (magic a1b2cd34). It has few resources: the filter is run
on the box, and the capture is begun anew now and then, so that it releases what it holds.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast
from urllib.parse import urlencode, urlsplit

from sniffer.capture.remote.expression import filter_expression
from sniffer.capture.remote.feed import Connection, Keys, stream_blocks
from sniffer.capture.remote.fritz_login import LOGIN_PATH, NO_SESSION, read_challenge, response
from sniffer.capture.source_settings import FritzBoxSource
from sniffer.errors import CaptureError, ConfigError
from sniffer.model import FrameBlock
from sniffer.settings.base import Secret

TIMEOUT_SECONDS = 10.0
#: In a house something is sent every few seconds. A stream that is silent for so long is dead.
SILENCE_SECONDS = 60.0
#: A password that was refused is tried again after so long (seconds), unless it has changed.
REFUSED_SECONDS = 1800.0
#: An answer that is no stream is read so far (bytes).
MAX_ANSWER = 1 << 20
CAPTURE = "/cgi-bin/capture_notimeout"


class PasswordError(CaptureError):
    """The box does not accept the password."""


class FritzBoxFeed:
    """The capture of one interface of a box. `read_secret` reads the password."""

    filters, overlaps, own_clock = True, False, True
    silence_seconds = SILENCE_SECONDS
    alive_seconds = SILENCE_SECONDS

    def __init__(self, settings: FritzBoxSource, read_secret: Callable[[Secret], str]) -> None:
        self.label = settings.label
        self.renew_seconds = settings.reconnect_hours * 3600
        self._settings, self._read_secret = settings, read_secret
        self._refused: tuple[str, str, float] | None = None

    def connect(self, keys: Keys) -> Connection:
        """Sign in and begin. Raises CaptureError."""
        box = Box(self._settings)
        session = self._sign_in(box)
        question = {
            "sid": session,
            "capture": "Start",
            "snaplen": str(self._settings.snap_length),
            "filter": filter_expression(keys, exclude="" if keys is not None else "tcp port 80 or tcp port 443"),
            "ifaceorminor": self._settings.interface,
        }
        try:
            answer = box.ask("GET", f"{CAPTURE}?{urlencode(question)}")
        except CaptureError:
            box.sign_out(session)
            raise
        return FritzBoxConnection(box, session, answer, self._settings)

    def _sign_in(self, box: Box) -> str:
        """Sign in, but not with a password that was refused a short while ago: the box locks everyone out for longer
        each time."""
        password = self._password()
        if self._refused is not None and self._refused[0] == password:
            _, problem, until = self._refused
            if time.monotonic() < until:
                raise CaptureError(problem)
        try:
            return box.sign_in(password)
        except PasswordError as error:
            self._refused = password, str(error), time.monotonic() + REFUSED_SECONDS
            raise

    def interfaces(self) -> list[tuple[str, str]]:
        """The interfaces that the box can capture, each with its name. Raises CaptureError."""
        box = Box(self._settings)
        session = box.sign_in(self._password())
        try:
            return box.interfaces(session)
        finally:
            box.sign_out(session)

    def _password(self) -> str:
        try:
            return self._read_secret(self._settings.password)
        except ConfigError as error:
            raise CaptureError(str(error)) from None

    def close(self) -> None:
        """Nothing is held between connections."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the box answers. `line` may be closed by the client before its socket is read to its end."""

    line: http.client.HTTPConnection
    http: http.client.HTTPResponse
    socket: socket.socket

    def close(self) -> None:
        """Let go of it."""
        self.http.close()
        self.line.close()


class Box:
    """The questions that are asked of a box."""

    def __init__(self, settings: FritzBoxSource) -> None:
        parts = urlsplit(settings.url)
        self._settings = settings
        self._host, self._secure = parts.hostname or "", parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)

    def ask(self, method: str, path: str, body: str | None = None) -> Answer:
        """Ask on a connection of its own. Raises CaptureError."""
        line = self._connection()
        try:
            headers = {"Content-Type": "application/x-www-form-urlencoded"} if body is not None else {}
            line.request(method, path, body, headers)
            connected = line.sock
            answer = line.getresponse()
        except ssl.SSLCertVerificationError:
            line.close()
            raise CaptureError(
                f"the certificate of {self._host} is not trusted: download it from the box and give it as `ca`"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            line.close()
            raise CaptureError(f"{self._host}:{self._port} does not answer: {_reason(error)}") from None
        return Answer(line, answer, connected)

    def _connection(self) -> http.client.HTTPConnection:
        if not self._secure:
            return http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_SECONDS)
        try:
            context = ssl.create_default_context(cafile=str(self._settings.ca) if self._settings.ca else None)
        except (OSError, ssl.SSLError) as error:
            raise CaptureError(f"{self._settings.ca}: cannot be read as a certificate: {_reason(error)}") from None
        # The box makes its certificate for the names that it has given itself, not for its addresses.
        context.check_hostname = self._settings.ca is None
        return http.client.HTTPSConnection(self._host, self._port, timeout=TIMEOUT_SECONDS, context=context)

    def text(self, method: str, path: str, body: str | None = None) -> str:
        """Ask, and read the whole answer. Raises CaptureError."""
        answer = self.ask(method, path, body)
        try:
            if answer.http.status != 200:
                raise CaptureError(f"the box answers {answer.http.status} to {path.partition('?')[0]}")
            return answer.http.read(MAX_ANSWER).decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise CaptureError(f"the answer of the box was cut off: {_reason(error)}") from None
        finally:
            answer.close()

    def sign_in(self, password: str) -> str:
        """Return a session. Raises CaptureError."""
        asked = read_challenge(self.text("GET", LOGIN_PATH))
        if asked.block_seconds:
            raise CaptureError(
                f"the box takes no password for {asked.block_seconds} seconds, since a wrong one was given before"
            )
        user = self._settings.user or asked.last_user
        proof = urlencode({"username": user, "response": response(asked.challenge, password)})
        answered = read_challenge(self.text("POST", LOGIN_PATH, proof))
        if answered.session == NO_SESSION:
            who = f"the user '{user}'" if user else "no user (give `user`)"
            wait = f"; the box waits {answered.block_seconds} seconds now" if answered.block_seconds else ""
            raise PasswordError(f"the box does not accept the password for {who}{wait}")
        return answered.session

    def sign_out(self, session: str) -> None:
        """Give a session up; one that is gone is none."""
        with contextlib.suppress(CaptureError):
            self.text("GET", f"/login_sid.lua?version=2&logout=1&sid={session}")

    def stop(self, session: str) -> None:
        """Stop the capture of our interface."""
        question = {"sid": session, "capture": "Stop", "ifaceorminor": self._settings.interface}
        with contextlib.suppress(CaptureError):
            self.text("GET", f"{CAPTURE}?{urlencode(question)}")

    def interfaces(self, session: str) -> list[tuple[str, str]]:
        """The interfaces on the capture page of the box, each with its name. Raises CaptureError."""
        page = self.text("POST", "/data.lua", urlencode({"sid": session, "page": "cap", "xhr": "1", "lang": "de"}))
        return read_interfaces(page)


_ROW = re.compile(r"<tr[^>]*>(.*?)</tr>", re.DOTALL)
_NAME = re.compile(r"<t[hd][^>]*>(.*?)</t[hd]>", re.DOTALL)
_NUMBER = re.compile(r'value="(\d{1,3}-[\w.-]{1,32})"')


def read_interfaces(page: str) -> list[tuple[str, str]]:
    """The numbers of the interfaces on the capture page, and what stands before them in their row."""
    found = []
    for row in _ROW.findall(page):
        number = _NUMBER.search(row)
        name = _NAME.search(row)
        if number is not None:
            found.append((number[1], re.sub(r"<[^>]*>", "", name[1]).strip()[:64] if name else ""))
    return found


class FritzBoxConnection:
    """The stream of a capture that was begun."""

    def __init__(self, box: Box, session: str, answer: Answer, settings: FritzBoxSource) -> None:
        self._box, self._session, self._answer = box, session, answer
        self._settings = settings
        self._stopped = False

    def blocks(self) -> Iterator[FrameBlock]:
        try:
            self._check()
            self._answer.socket.settimeout(SILENCE_SECONDS)
            yield from stream_blocks(cast("BinaryIO", self._answer.http), self._settings.label)
        except http.client.HTTPException as error:
            raise CaptureError(f"the stream was cut off: {_reason(error)}") from None
        except CaptureError as error:
            if self._stopped:
                return
            raise CaptureError(self._explain(str(error))) from None
        finally:
            self._finish()
            self._answer.close()

    def _check(self) -> None:
        """Raise CaptureError where the answer is no stream."""
        status = self._answer.http.status
        kind = (self._answer.http.getheader("Content-Type") or "").lower()
        if status in (401, 403) or (status == 200 and "html" in kind):
            raise CaptureError(
                "the box does not begin the capture: its user needs the right to change settings, "
                "or the session is lost"
            )
        if status != 200:
            why = "another capture is running, or it is busy" if status == 503 else "it is refused"
            raise CaptureError(f"the box answers {status}: {why} (interface {self._settings.interface})")

    def _explain(self, problem: str) -> str:
        interface = self._settings.interface
        if "is empty" in problem:
            return f"the box sends nothing for the interface {interface}: is that a number of its capture page?"
        if "is not a capture" in problem:
            return "the box sends something else than packets"
        return problem

    def watch(self, keys: Keys) -> bool:
        return False

    def dropped(self) -> int:
        return 0

    def close(self) -> None:
        """Stop the capture on the box, and cut the connection."""
        self._finish()
        with contextlib.suppress(OSError):
            self._answer.socket.shutdown(socket.SHUT_RDWR)

    def _finish(self) -> None:
        if not self._stopped:
            self._stopped = True
            self._box.stop(self._session)
            self._box.sign_out(self._session)


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:200]
