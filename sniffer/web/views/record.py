"""The vendor's record beside what left, as `sniffer reconcile --page` left it."""

from __future__ import annotations

from typing import Any

from sniffer.web import reconciliation
from sniffer.web.views.common import Page


def context(page: Page) -> dict[str, Any]:
    """Return what `record.html` shows."""
    result = page.backend.reconciliation()
    if result is None:
        return {"result": None}
    return {"result": result, **reconciliation.context(page.words, result, links=True)}
