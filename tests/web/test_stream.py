"""The page's stream takes whatever the daemon publishes."""

import asyncio
from pathlib import Path

import pytest

from tests.app.test_asks import listening as started
from tests.web.house import PageHouse, upload


def test_asks_to_listeners_do_not_break_an_open_page(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    house = PageHouse(tmp_path)
    live = house.service.page._live
    assert live is not None

    async def read() -> list[str]:
        stream = live.events()
        first = await anext(stream)
        house.daemon._subscribers.ask(started(house.clock.now_ns()), house.clock.now_ns())
        house.daemon._emit([upload(1)])
        second = await anext(stream)
        await stream.aclose()
        return [first, second]

    hello, change = asyncio.run(read())
    assert "event: hello" in hello
    assert '"type": "upload"' in change
    assert "failed" not in caplog.text
    house.close()
