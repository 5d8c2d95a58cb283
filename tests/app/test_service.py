"""What runs beside the main loop, at a reload."""

import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sniffer.alerts.policy import AlertPolicy
from sniffer.app.config import Config
from sniffer.app.notices import link_key, notices
from sniffer.app.service import Service
from sniffer.model.clock import SECOND, SystemClock
from sniffer.records.types import UploadRecord
from sniffer.sinks.settings import StoreSettings
from sniffer.sinks.storage.store import Store
from sniffer.testing import ManualClock
from tests.app.test_daemon import START, Source
from tests.sinks.builders import upload_value
from tests.web.test_tls import certificate

Reload = Callable[..., str | None]


@pytest.fixture
def reload(tmp_path: Path) -> Iterator[Reload]:
    """Reads a configuration with this `http`; gives where it is served since."""
    clock, now = ManualClock(START), [Config()]
    store = Store(StoreSettings(path=tmp_path / "store.db"))
    made: list[Service] = []

    def reload(**http: Any) -> str | None:
        now[0] = Config.model_validate({"http": {"port": 0, **http}})
        if made:
            made[0].daemon.reload()
            made[0].daemon.step()
        else:
            made.append(Service(lambda: now[0], Source(clock), "br-lan", store, None, clock))
            made[0].start()
        return made[0].address

    yield reload
    made[0].close()
    store.close()


def refuse(self: socket.socket, address: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_a_renewed_certificate_is_served_by_whoever_may_not_bind_the_port_again(
    reload: Reload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = certificate(tmp_path)
    files = {"certificate": str(tls.certificate), "key": str(tls.key)}
    url = reload(tls=files)
    assert url is not None
    monkeypatch.setattr(socket.socket, "bind", refuse)  # below 1024, and root is root no more
    renewed = certificate(tmp_path)
    assert reload(tls=files) == url
    trusting = ssl.create_default_context(cafile=str(renewed.certificate))
    assert httpx.get(f"{url}/-/healthy", verify=trusting).text == "sniffer lives\n"
    assert reload() == url.replace("https", "http")
    assert httpx.get(url.replace("https", "http") + "/-/healthy").text == "sniffer lives\n"


def test_an_address_that_cannot_be_had_leaves_the_old_one(reload: Reload) -> None:
    url = reload()
    assert url is not None
    assert reload(host="192.0.2.1") == url
    assert httpx.get(f"{url}/-/healthy").text == "sniffer lives\n"
    assert reload(enabled=False) is None


def test_a_signed_link_mutes_its_device_in_the_running_daemon(tmp_path: Path) -> None:
    clock = SystemClock()
    store = Store(StoreSettings(path=tmp_path / "store.db"))
    config = Config.model_validate({"http": {"port": 0, "public_url": "http://speakers.lan"}})
    service = Service(lambda: config, Source(ManualClock(START)), "br-lan", store, None, clock)
    try:
        service.start()
        notice = notices("http://speakers.lan", link_key(store), clock)(alert(upload_value()))
        (button,) = notice.actions
        assert service.address is not None
        url = button.url.replace("http://speakers.lan", service.address)
        asked = httpx.get(url, headers={"host": "speakers.lan"})
        assert (asked.status_code, "68:db:f5:90:19:64" in asked.text) == (200, True)
        assert service.daemon._pipeline.stages.alerts.mutes(clock.now_ns()) == {}
        assert "No alerts about 68:db:f5:90:19:64 until" in httpx.post(url).text
        service.daemon.step()
        (until,) = service.daemon._pipeline.stages.alerts.mutes(clock.now_ns()).values()
        assert 3500 < (until - clock.now_ns()) / SECOND <= 3600
        assert httpx.post(url + "x").status_code == 403
    finally:
        service.close()
        store.close()


def alert(record: UploadRecord) -> dict[str, Any]:
    return AlertPolicy().process(record, START)[0].to_json()
