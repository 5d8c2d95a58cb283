"""A stand-in for a FRITZ!Box: its login by both procedures, its capture page and its streams, with its errors."""

from __future__ import annotations

import hashlib
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

ZEROS = "0" * 16
PAGE = """<table><tr><th>1. Internetverbindung</th><td><button name="start" value="2-1">Start</button></td></tr>
<tr><th>lan</th><td><button name="start" id="x" value="1-lan">Start</button></td></tr>
<tr><th>AP (2.4 GHz, ath0) - Schnittstelle 1</th><td><button value="4-133">Start</button></td></tr></table>"""


def kuznetzov(packets: list[tuple[float, bytes]]) -> bytes:
    """Records of the modified format: the usual header, then interface, protocol and type of packet."""
    return b"".join(
        struct.pack("<IIIIIHBx", int(at), round(at % 1 * 1e6), len(frame), len(frame), 7, 0x0800, 0) + frame
        for at, frame in packets
    )


HEADER = struct.pack("<IHHiIII", 0xA1B2CD34, 2, 4, 0, 0, 1600, 1)


@dataclass
class Box:
    """What the box knows, and what it is to do. `queries` are those of the streams that were begun."""

    password: str = "secret-ü€"
    user: str = "monitor"
    modern: bool = True
    block_seconds: int = 0
    busy: bool = False
    hangs_up: bool = False
    no_right: bool = False
    packets: list[tuple[float, bytes]] = field(default_factory=list)
    queries: list[dict[str, str]] = field(default_factory=list)
    stops: int = 0
    logouts: int = 0
    refusals: int = 0
    sessions: set[str] = field(default_factory=set)
    cut: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def challenge(self) -> str:
        return "2$1000$5A1711$200$5A1722" if self.modern else "1234567z"

    def expected(self) -> str:
        """The answer, by the formulas of AVM's document."""
        if not self.modern:
            plain = "".join(c if ord(c) < 256 else "." for c in self.password)
            return f"1234567z-{hashlib.md5(f'1234567z-{plain}'.encode('utf-16le')).hexdigest()}"
        once = hashlib.pbkdf2_hmac("sha256", self.password.encode(), bytes.fromhex("5A1711"), 1000)
        return f"5A1722${hashlib.pbkdf2_hmac('sha256', once, bytes.fromhex('5A1722'), 200).hex()}"

    def info(self, session: str) -> str:
        return (
            f'<?xml version="1.0"?><SessionInfo><SID>{session}</SID><Challenge>{self.challenge}</Challenge>'
            f"<BlockTime>{self.block_seconds}</BlockTime><Rights></Rights>"
            f'<Users><User last="1">{self.user}</User><User>guest</User></Users></SessionInfo>'
        )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    box: Box

    def log_message(self, *arguments: object) -> None:
        pass

    def _text(self, body: str, status: int = 200, kind: str = "text/xml") -> None:
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        if parts.path == "/login_sid.lua":
            if query.get("logout"):
                self.box.logouts += 1
                self.box.sessions.discard(query["sid"])
            self._text(self.box.info(ZEROS))
        elif parts.path == "/cgi-bin/capture_notimeout":
            self._capture(query)
        else:
            self._text("", 404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        if self.path.startswith("/data.lua"):
            self._text(PAGE if form["sid"] in self.box.sessions else "<html>login</html>", kind="text/html")
            return
        if form.get("username") == self.box.user and form.get("response") == self.box.expected():
            session = f"{len(self.box.sessions) + 0xABC:016x}"
            self.box.sessions.add(session)
            self._text(self.box.info(session))
        else:
            self.box.block_seconds = 8
            self.box.refusals += 1
            self._text(self.box.info(ZEROS))

    def _capture(self, query: dict[str, str]) -> None:
        if query.get("capture") == "Stop":
            self.box.stops += 1
            self.box.cut.set()
            self._text("")
        elif self.box.hangs_up:
            self.close_connection = True
        elif self.box.busy:
            self._text("busy", 503)
        elif query.get("sid") not in self.box.sessions or self.box.no_right:
            self._text("<html><body>FRITZ!Box</body></html>", kind="text/html")
        else:
            self.box.queries.append(query)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-binary")
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            if query["ifaceorminor"] == "1-lan":  # of an interface that it does not have it sends nothing
                self.box.cut.clear()
                self.wfile.write(HEADER + kuznetzov(self.box.packets))
                self.wfile.flush()
                self.box.cut.wait(30)


@contextmanager
def fritz_box(box: Box) -> Iterator[Box]:
    handler = type("Handler", (_Handler,), {"box": box})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    box.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield box
    finally:
        box.cut.set()
        server.shutdown()
        thread.join()
        server.server_close()
