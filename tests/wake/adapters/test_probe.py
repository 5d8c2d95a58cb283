"""A satellite answers, or it does not; nothing else comes of asking."""

from __future__ import annotations

import socket

import pytest

from sniffer.wake.adapters.probe import answers


def test_on_a_port_of_another_protocol_it_is_enough_to_accept() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert answers(f"127.0.0.1:{port}")
        assert not answers(f"tcp://127.0.0.1:{port}", timeout=0.1), "a Wyoming satellite describes itself"
    assert not answers(f"127.0.0.1:{port}")


@pytest.mark.parametrize("host", ["a..b", "x" * 64])
def test_a_name_that_cannot_exist_does_not_answer(host: str) -> None:
    assert not answers(f"{host}:6053")
