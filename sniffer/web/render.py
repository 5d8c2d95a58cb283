"""Templates to HTML: Jinja2 with autoescape, and the filters that templates use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from sniffer.web.assets import UPLOT_SCRIPT, UPLOT_STYLE, Assets
from sniffer.web.words import LANGUAGES, Words, plain

TEMPLATES = Path(__file__).parent / "templates"


class Renderer:
    """Holds the compiled templates."""

    def __init__(self, assets: Assets) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            cache_size=64,
        )
        self._environment.filters["plain"] = plain
        self._environment.globals.update(
            asset=assets.url, assets_version=assets.version, uplot_script=UPLOT_SCRIPT, uplot_style=UPLOT_STYLE,
            languages=LANGUAGES,
        )  # fmt: skip

    def html(self, template: str, words: Words, values: dict[str, Any]) -> str:
        """A page. `t` is the reader's words; `time(...)` is a time that the script turns into the reader's zone."""
        return self._environment.get_template(template).render(t=words, time=_times(words), **values)


def _times(words: Words) -> Any:
    def time(value: int | str | None, form: str = "full") -> Markup:
        if value is None:
            return Markup("–")  # noqa: RUF001 - a dash for nothing
        at = words.local(value)
        iso = at.isoformat(timespec="milliseconds")
        return Markup('<time datetime="{}" data-form="{}">{}</time>').format(iso, form, words.time(value, form))

    return time
