"""The routes of the page: which address shows which view, and which form does what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sniffer.model import Record
from sniffer.web import actions
from sniffer.web.page import Act, Site
from sniffer.web.refusal import Refusal
from sniffer.web.views import devices, health, now, questions, record, rules, sources, start, timeline, upload
from sniffer.web.views.common import Page


def routes(site: Site) -> list[Route]:
    """All routes of the page but `/`, which the API shares."""

    def posts(path: str, act: Act, leads_to: str) -> Route:
        return Route(path, site.changes(act, leads_to), methods=["POST"])

    return [
        Route("/timeline", site.view("timeline.html", timeline.context)),
        Route("/uploads/{identifier}", site.shown(_upload)),
        Route("/uploads/{identifier}/record.json", site.shown(_record)),
        Route("/uploads/{identifier}/capture.pcap", site.shown(_capture)),
        Route("/questions", site.view("questions.html", questions.context)),
        posts("/questions", actions.answer, "/questions"),
        Route("/devices", site.view("devices.html", devices.context)),
        Route("/devices/{host}", site.shown(_device)),
        posts("/devices/{host}", actions.device, "/devices"),
        Route("/sources", site.view("sources.html", sources.context)),
        posts("/sources", actions.source, "/sources"),
        posts("/sources/test", actions.try_listeners, "/sources"),
        Route("/record", site.view("record.html", record.context)),
        Route("/rules", site.view("rules.html", rules.context)),
        posts("/rules/target", actions.target, "/rules"),
        posts("/rules/test", actions.try_target, "/rules"),
        posts("/rules/level", actions.level, "/rules"),
        posts("/rules/exception", actions.exception, "/rules"),
        posts("/rules/quiet", actions.quiet_hours, "/rules"),
        posts("/mute", actions.mute, "/rules"),
        Route("/health", site.view("health.html", health.context)),
        Route("/start", site.view("start.html", start.context)),
        posts("/start/devices", actions.first_devices, "/start?step=listener"),
        posts("/start/zone", actions.zone, "/start?step=done"),
        posts("/undo", actions.undo, "/start"),
        Route("/login", site.login, methods=["GET", "POST"]),
        Route("/link/{token}", site.link, methods=["GET", "POST"]),
        Route("/logout", site.logout, methods=["POST"]),
        Route("/language", site.language, methods=["POST"]),
        Route("/live", site.live),
        Route("/static/{version}/{name:path}", site.static),
    ]


def index(site: Site) -> Callable[[Request], Awaitable[Response]]:
    """What `/` shows to a browser."""
    return site.view("now.html", now.context)


def _found(page: Page, request: Request) -> Record:
    record = page.backend.upload(request.path_params["identifier"])
    if record is None:
        raise Refusal(404, "refused.no_upload")
    return record


def _upload(page: Page, request: Request) -> tuple[str, dict[str, Any]]:
    return "upload.html", upload.context(page, _found(page, request))


def _record(page: Page, request: Request) -> Response:
    record = _found(page, request)
    name = f'attachment; filename="{_file_name(record)}.json"'
    return JSONResponse(dict(record), headers={"Content-Disposition": name})


def _capture(page: Page, request: Request) -> Response:
    record = _found(page, request)
    content = page.backend.capture_file(str(record["id"]))
    if content is None:
        raise Refusal(404, "refused.no_capture")
    name = f'attachment; filename="{_file_name(record)}.pcap"'
    return Response(content, media_type="application/vnd.tcpdump.pcap", headers={"Content-Disposition": name})


def _file_name(record: Record) -> str:
    return "".join(c for c in str(record["id"]) if c.isascii() and (c.isalnum() or c in ".-"))[:80]


def _device(page: Page, request: Request) -> tuple[str, dict[str, Any]]:
    record = devices.find(page, request.path_params["host"])
    if record is None:
        raise Refusal(404, "refused.no_device")
    return "device.html", devices.one(page, record)
