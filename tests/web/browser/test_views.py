"""Every view in a real browser: at both sizes, in both colours, without a foreign request, a console error or an
obstacle for assistive technologies."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sniffer.capture.remote.source import Health
from sniffer.cli.reconcile import command as reconcile
from sniffer.model.clock import SECOND
from sniffer.model.hosts import SENDS_VOICE
from sniffer.records.build import timestamp
from tests.app.test_capture_state import Mixed
from tests.app.test_daemon import START
from tests.web.browser.conftest import DESKTOP, PHONE, Watched, violations
from tests.web.house import PageHouse, upload
from tests.web.test_devices_view import device

pytestmark = pytest.mark.slow

HOSTILE = '<img src=x onerror="alert(1)">\u202e\u200f</script><script>alert(2)</script>' + "W" * 10_000
VIEWS = (
    "/",
    "/timeline",
    "/timeline?span=1h",
    "/uploads/20261122T180405.001-8f3a19c2",
    "/questions",
    "/devices",
    "/devices/68:db:f5:90:19:64",
    "/sources",
    "/record",
    "/rules",
    "/health",
    "/start",
    "/start?step=listener",
    "/start?step=alerts",
    "/start?step=done",
    "/login?again=1",
    "/link/x",
    "/uploads/none",
)

Browse = Callable[..., Watched]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageHouse]:
    made = PageHouse(
        tmp_path_factory.mktemp("house"),
        devices=[{"mac": "68:db:f5:90:19:64", "name": "kitchen"}, {"mac": "68:db:f5:90:19:65", "name": "bedroom"}],
        wake={"sources": [{"type": "http", "name": "kitchen-ear", "heartbeat": 60}]},
    )
    records = [
        upload(1), upload(2, "expected", "wake_event"), upload(3, "inconclusive", "source_may_have_missed"),
        upload(4, None, "not_judged"), upload(5, "expected", "wake_event", mac="68:db:f5:90:19:65", name="bedroom"),
        upload(6, "unexpected", "no_wake_event", mac="68:db:f5:66:66:66", name=HOSTILE,
               service={"host": HOSTILE, "role": "voice", "source": "sni"},
               evidence=[{"name": "x", "value": 1, "weight": 2, "text": HOSTILE}], flows=[HOSTILE], capture=HOSTILE),
        {"event_type": "wake", "timestamp": timestamp(START - 121 * SECOND), "received": timestamp(START),
         "device": "kitchen", "source": HOSTILE, "kind": "wake", "trust": "independent", "vendor": None,
         "miss_rate": None},
        {"event_type": "loss", "timestamp": timestamp(START - 900 * SECOND), "end": timestamp(START - 800 * SECOND),
         "interface": "br-lan", "packets": 3},
        {"event_type": "alert", "id": "a1", "timestamp": timestamp(START - 60 * SECOND), "kind": "upload",
         "dedup_key": "x", "level": "high", "rule": "upload-outside-wake", "rules": ["upload-outside-wake"],
         "device": None, "upload": "20261122T180405.001-8f3a19c2", "uploads": [], "count": 1, "summary": HOSTILE},
    ]  # fmt: skip
    with made.store.transaction():
        for record in records:
            made.store.emit(record)
    said = [START - minutes * 60 * SECOND + 2 * SECOND for minutes in (1, 2, 5, 6, 30)]
    export = made.folder / "own.csv"
    export.write_text("time,device\n" + "".join(f"{timestamp(time)},{HOSTILE.replace(',', ' ')!r}\n" for time in said))
    done = CliRunner().invoke(
        reconcile,
        [str(export), "--store", str(made.store_path), "--page", "--device", "kitchen", "--device", "bedroom"],
    )
    assert done.exit_code == 0, done.output
    router = Mixed(made.clock, router_up=False)
    router.health_of_router = Health(-12.0, 3, own_clock=True, problem=HOSTILE)
    made.daemon._source = router
    made.daemon.step()
    made.daemon._devices = (*made.daemon._devices, device("02:00:00:00:00:01", HOSTILE, (f"{SENDS_VOICE} {HOSTILE}",)))
    made.service.start()
    yield made
    made.close()


def url(house: PageHouse) -> str:
    return str(house.service.address)


@pytest.mark.parametrize("path", VIEWS)
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_a_view_is_whole(house: PageHouse, browse: Browse, axe: str, path: str, viewport: dict[str, int]) -> None:
    watched = browse(viewport)
    answer = watched.open(url(house) + path)
    assert answer.status in ((200, 404) if path == "/uploads/none" else (200,))
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    assert watched.hosts == {url(house).split("/")[2]}
    expected = ["status of 404"] if answer.status == 404 else []
    assert [error for error in watched.errors if not any(text in error for text in expected)] == []
    assert watched.page.evaluate("document.querySelectorAll('img, main script').length") == 0
    assert violations(watched, axe) == []


@pytest.mark.parametrize("path", VIEWS)
def test_german_can_be_read_on_a_phone_in_the_dark(house: PageHouse, browse: Browse, axe: str, path: str) -> None:
    watched = browse(PHONE, color_scheme="dark", locale="de-DE")
    watched.open(url(house) + path)
    assert watched.page.locator("html").get_attribute("lang") == "de"
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert violations(watched, axe) == []


def test_several_are_answered_at_once_and_the_answer_can_be_changed(browse: Browse, tmp_path: Path) -> None:
    made = PageHouse(tmp_path)
    with made.store.transaction():
        for number in (1, 2, 3):
            made.store.emit(upload(number))
    made.service.start()
    watched = browse(PHONE)
    watched.open(url(made) + "/questions")
    several = watched.page.locator("form.several")
    position = "form => getComputedStyle(form).position"
    assert several.evaluate(position) == "static"  # it covers nothing before something is chosen
    watched.page.locator("input[form=several][name=id]").first.check()
    assert several.evaluate(position) == "sticky"
    watched.page.get_by_label("Choose all of these").check()
    several.get_by_role("button", name="Nobody asked").click()
    made.daemon.step()
    watched.page.locator(".notice.fine").get_by_role("link", name="Change this answer").click()
    assert watched.page.locator("#h-given").count() == 1
    assert watched.page.locator("[data-question]").count() == 0
    watched.page.locator("details summary").first.click()
    watched.page.locator("details[open]").get_by_role("button", name="I asked").click()
    made.daemon.step()
    watched.open(url(made) + "/questions")
    assert watched.page.get_by_text("→ I asked").count() == 1
    assert watched.page.get_by_text("→ Nobody asked").count() == 2
    assert watched.errors == []
    made.close()


@pytest.mark.parametrize("path", [path for path in VIEWS if path != "/uploads/none"])
def test_it_works_without_script(house: PageHouse, browse: Browse, path: str) -> None:
    watched = browse(java_script_enabled=False)
    assert watched.open(url(house) + path).status == 200
    assert watched.page.locator("h1").count() == 1


def test_times_are_the_readers_with_their_zone(house: PageHouse, browse: Browse) -> None:
    watched = browse()
    watched.open(url(house) + "/uploads/20261122T180405.001-8f3a19c2")
    shown = watched.page.locator(".hero time").inner_text()
    moment = watched.page.locator(".hero time").get_attribute("datetime")
    assert shown.endswith(("CET", "GMT+1")), shown
    hour = (int(str(moment)[11:13]) + 1) % 24
    assert f"{hour:02d}:" in shown


def test_the_keyboard_reaches_everything_and_shows_where_it_is(house: PageHouse, browse: Browse) -> None:
    watched = browse()
    watched.open(url(house))
    watched.page.keyboard.press("Tab")
    assert watched.page.evaluate("document.activeElement.className") == "skip"
    watched.page.keyboard.press("Enter")
    assert watched.page.evaluate("document.activeElement.id") == "main"
    seen = set()
    for _ in range(60):
        watched.page.keyboard.press("Tab")
        seen.add(watched.page.evaluate("document.activeElement.href || document.activeElement.textContent"))
    links = watched.page.evaluate("[...document.querySelectorAll('main a:not([tabindex])')].map(a => a.href)")
    assert set(links) <= seen


def test_an_upload_can_be_zoomed(house: PageHouse, browse: Browse) -> None:
    watched = browse()
    watched.open(url(house) + "/uploads/20261122T180405.001-8f3a19c2")
    watched.page.wait_for_selector(".plot canvas")
    assert watched.page.locator(".bars").is_hidden()


def test_a_file_can_be_downloaded(house: PageHouse, browse: Browse) -> None:
    watched = browse()
    watched.open(url(house) + "/uploads/20261122T180405.001-8f3a19c2")
    with watched.page.expect_download() as waiting:
        watched.page.get_by_text("Download as JSON").click()
    assert waiting.value.suggested_filename == "20261122T180405.001-8f3a19c2.json"


def test_another_site_cannot_frame_it(house: PageHouse, browse: Browse, tmp_path: Path) -> None:
    watched = browse()
    (tmp_path / "frame.html").write_text(f'<iframe src="{url(house)}/questions"></iframe>')
    watched.page.goto((tmp_path / "frame.html").as_uri())
    watched.page.wait_for_timeout(300)
    frame: Any = watched.page.frames[-1]
    assert "Questions" not in frame.content()


def test_german_is_whole(house: PageHouse, browse: Browse) -> None:
    watched = browse()
    watched.open(url(house))
    watched.page.get_by_role("button", name="Deutsch").click()
    assert watched.page.locator("html").get_attribute("lang") == "de"
    english = re.compile(r"\b(the|and|with|your|nobody|listener|alerts)\b", re.IGNORECASE)
    for path in ("/", "/timeline", "/questions", "/devices", "/sources", "/start"):
        watched.open(url(house) + path)
        for text in watched.page.locator("h1, h2, h3, label, button:not([lang]), th, nav a").all_inner_texts():
            assert not english.search(text), (path, text)


def test_days_begin_at_the_readers_midnight(house: PageHouse, browse: Browse) -> None:
    watched = browse(timezone_id="Asia/Tokyo")
    watched.open(url(house) + "/timeline")
    watched.open(url(house) + "/timeline")
    assert watched.page.locator("html").get_attribute("data-zone") == "Asia/Tokyo"
    assert "00:00" in watched.page.locator("#h-lanes time").first.inner_text()
    assert "GMT+9" in watched.page.locator("#h-lanes .zone").inner_text() or "JST" in watched.page.content()
