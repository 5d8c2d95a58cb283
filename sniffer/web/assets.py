"""The style sheet and the scripts, held in memory under names that change with their content."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

STATIC = Path(__file__).parent / "static"
#: Everything that browsers may ask for.
FILES = (
    "page.css",
    "page.js",
    "plot.js",
    "icon.svg",
    "vendor/uPlot-1.6.32.min.js",
    "vendor/uPlot-1.6.32.min.css",
)
UPLOT_SCRIPT, UPLOT_STYLE = FILES[-2:]


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    packed: bytes
    media_type: str


class Assets:
    """`url(name)` for templates, `serve` for the route `/static/{version}/{name:path}`."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}
        digest = hashlib.sha256()
        for name in FILES:
            content = (STATIC / name).read_bytes()
            digest.update(content)
            media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
            self._files[name] = _File(content, gzip.compress(content, 6, mtime=0), media_type)
        self.version = digest.hexdigest()[:12]

    def url(self, name: str) -> str:
        """The path of a file, which holds until the file changes."""
        assert name in self._files, name
        return f"/static/{self.version}/{name}"

    def serve(self, request: Request) -> Response:
        """One file; browsers may keep it for a year."""
        found = self._files.get(request.path_params["name"])
        if found is None or request.path_params["version"] != self.version:
            return Response("not found\n", status_code=404, media_type="text/plain")
        headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
        content = found.content
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"], content = "gzip", found.packed
        return Response(content, media_type=found.media_type, headers=headers)
