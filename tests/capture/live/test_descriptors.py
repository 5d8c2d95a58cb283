"""A process that has no file descriptor left still knows that its interface is there."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sniffer.capture.live import live
from sniffer.capture.live.live import LiveCapture
from sniffer.capture.settings import CaptureSettings
from tests.capture.net import namespace, why_not

REASON = why_not()
pytestmark = [pytest.mark.root, pytest.mark.skipif(REASON is not None, reason=str(REASON)), pytest.mark.slow]


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    try:
        while True:
            held.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_without_a_free_descriptor_the_interface_is_not_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LOOK_INTERVAL", 0.0)
    with namespace(), LiveCapture(["lan0"], CaptureSettings(drain_interval=0.02), None) as capture:
        with no_descriptor_left():
            for _ in range(40):
                capture.poll(0)
        assert capture.events() == []
        assert capture.up() == {"lan0": True}
        assert capture.losses() == []
