"""Templates to HTML: Jinja2 with autoescape, and the filters that templates use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from sniffer.web.assets import UPLOT_SCRIPT, UPLOT_STYLE, Assets
from sniffer.web.words import LANGUAGES, Words, plain

#: Pieces of a page between two calls of `step_aside`: less than a millisecond's.
PIECES = 32
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

    def html(
        self, template: str, words: Words, values: dict[str, Any], step_aside: Callable[[], None] = lambda: None
    ) -> str:
        """A page. `t` is the reader's words; `time(...)` is a time that the script turns into the reader's zone.
        `step_aside` is called between pieces, and at each time: a table is one piece."""
        made: list[str] = []
        for piece in self._environment.get_template(template).generate(
            t=words, time=_times(words, step_aside), **values
        ):
            made.append(piece)
            if len(made) % PIECES == 0:
                step_aside()
        return "".join(made)


def _times(words: Words, step_aside: Callable[[], None]) -> Any:
    def time(value: int | str | None, form: str = "full") -> Markup:
        step_aside()
        if value is None:
            return Markup("–")  # noqa: RUF001 - a dash for nothing
        at = words.local(value)
        iso = at.isoformat(timespec="milliseconds")
        return Markup('<time datetime="{}" data-form="{}">{}</time>').format(iso, form, words.time(value, form))

    return time
