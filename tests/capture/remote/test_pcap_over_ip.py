"""A capture over TCP, we as client and as server."""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from pathlib import Path

import pytest
from scapy.utils import PcapNgWriter, PcapWriter

from sniffer.capture.remote.pcap_over_ip import PcapOverIpFeed
from sniffer.capture.remote.source import RemoteSource
from sniffer.capture.source_settings import PcapOverIpSource
from tests.capture.remote.router import Ether, Seen, Traffic


def capture(first: int, count: int, form: type = PcapWriter) -> bytes:
    with tempfile.NamedTemporaryFile() as file:
        writer = form(file.name)
        for number in range(first, first + count):
            packet = Ether(Traffic("x").packet(number))
            packet.time = time.time()
            writer.write(packet)
        writer.close()
        return Path(file.name).read_bytes()


@pytest.mark.parametrize("form", [PcapWriter, PcapNgWriter])
def test_as_client_and_again_where_the_server_ends(form: type) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def serve() -> None:
            for first in (0, 10):
                line = server.accept()[0]
                line.sendall(capture(first, 10, form))
                if first == 0:
                    line.close()
                else:
                    lines.append(line)

        lines: list[socket.socket] = []
        thread = threading.Thread(target=serve)
        thread.start()
        source = RemoteSource(PcapOverIpFeed(PcapOverIpSource(type="pcap_over_ip", host="127.0.0.1", port=port)))
        seen = Seen().take(source, lambda seen: len(seen.numbers) == 20)
        source.close()
        thread.join()
        lines[0].close()
    assert seen.numbers == list(range(20)) and seen.losses
    assert "pcap:127.0.0.1: the sender ended the capture; connecting again" in seen.events


def test_as_server_only_the_sender_may_connect() -> None:
    with socket.create_server(("127.0.0.1", 0)) as trying:
        port = trying.getsockname()[1]
    settings = PcapOverIpSource(type="pcap_over_ip", host="127.0.0.2", listen="127.0.0.1", port=port)
    source = RemoteSource(PcapOverIpFeed(settings))
    source.poll(0)
    deadline = time.monotonic() + 10
    while True:
        try:
            stranger = socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.3", 0))
            break
        except OSError:
            assert time.monotonic() < deadline
    with stranger, socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.2", 0)) as sender:
        sender.sendall(capture(0, 5))
        seen = Seen().take(source, lambda seen: len(seen.numbers) == 5)
        source.close()
    assert seen.numbers == list(range(5))


def test_what_is_no_capture_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def serve() -> None:
            with server.accept()[0] as line:
                line.sendall(b"SSH-2.0-OpenSSH\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        source = RemoteSource(PcapOverIpFeed(PcapOverIpSource(type="pcap_over_ip", host="127.0.0.1", port=port)))
        seen = Seen().take(source, lambda seen: bool(seen.events))
        source.close()
        thread.join()
    assert "is not a capture (neither pcap nor pcapng)" in seen.events[0]
