"""Pictures as SVG without a style attribute: they obey the page's style sheet and its content security policy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

#: Columns of a lane: what begins in one of them with one verdict is drawn as one mark.
COLUMNS = 288
#: The narrowest mark, in per cent of a lane.
MIN_WIDTH = 0.45


@dataclass(frozen=True, slots=True)
class Mark:
    """Something on a lane between two shares (0 to 1) of its time. `kind` is a class of the style sheet."""

    begin: float
    end: float
    kind: str
    title: str = ""
    link: str = ""


def lane(marks: Sequence[Mark], grid: Iterable[float] = (), *, height: int = 32) -> Markup:
    """A lane: wide marks are bars; `wake` and `answer` marks have a shape of their own.

    Screen readers and the keyboard skip it: the table that each page shows beside it has the same links.
    """
    parts = [f'<svg class="lane" aria-hidden="true" width="100%" height="{height}">']
    parts += [f'<line class="grid" x1="{x:.3%}" x2="{x:.3%}" y1="0" y2="{height}"/>' for x in grid]
    parts += [_mark(mark, height) for mark in marks]
    parts.append("</svg>")
    return Markup("".join(parts))  # noqa: S704 - every text in it is escaped above and below


def _mark(mark: Mark, height: int) -> str:
    begin, width = 100 * mark.begin, 100 * (mark.end - mark.begin)
    if width < MIN_WIDTH:
        width = MIN_WIDTH
    if mark.kind in ("hidden", "quiet"):
        shape = f'<rect class="m-{mark.kind}" x="{begin:.2f}%" width="{width:.2f}%" y="0" height="{height}">'
    elif mark.kind == "answer":
        title = f"<title>{escape(mark.title)}</title>" if mark.title else ""
        return f'<circle class="m-answer" cx="{begin:.2f}%" cy="{height - 4}" r="3.5">{title}</circle>'
    elif mark.kind == "wake":
        shape = f'<rect class="m-wake" x="{begin:.2f}%" width="3" y="1" height="7" rx="1.5">'
    else:
        low = {"none": 0.62, "expected": 0.4, "inconclusive": 0.28, "unexpected": 0.22}.get(mark.kind, 0.3)
        top = low * height
        shape = (
            f'<rect class="m-{mark.kind}" x="{begin:.2f}%" width="{width:.2f}%" y="{top:.1f}" '
            f'height="{height - top - 3:.1f}" rx="1.5">'
        )
    title = f"<title>{escape(mark.title)}</title>" if mark.title else ""
    drawn = f"{shape}{title}</rect>"
    return f'<a href="{escape(mark.link)}" tabindex="-1">{drawn}</a>' if mark.link else drawn


def bars(values: Sequence[float], marked: tuple[int, int] | None, label: str) -> Markup:
    """Bytes over time: one bar a bin, those of the paced part marked, on a square-root scale.

    The head of an utterance is many times higher than the sound behind it: the root shows both.
    """
    top = max([*values, 1.0]) ** 0.5
    parts = [
        f'<svg class="bars" role="img" aria-label="{escape(label)}" viewBox="0 0 {max(len(values), 1)} 100" '
        f'preserveAspectRatio="none" width="100%" height="160">'
    ]
    if marked:
        parts.append(f'<rect class="body" x="{marked[0]}" y="0" width="{marked[1] - marked[0]}" height="100"/>')
    for place, value in enumerate(values):
        if value > 0:
            height = max(1.5, value**0.5 / top * 96)
            kind = "paced" if marked and marked[0] <= place < marked[1] else "rest"
            parts.append(
                f'<rect class="{kind}" x="{place + 0.1:.1f}" y="{100 - height:.2f}" width="0.8" height="{height:.2f}"/>'
            )
    parts.append("</svg>")
    return Markup("".join(parts))  # noqa: S704 - every text in it is escaped above


def share_bar(shares: Sequence[tuple[str, float]], label: str) -> Markup:
    """One bar divided into kinds, by their share of the whole width (0 to 1)."""
    parts = [f'<svg class="shares" role="img" aria-label="{escape(label)}" width="100%" height="10">']
    at = 0.0
    for kind, share in shares:
        if share > 0:
            parts.append(f'<rect class="m-{escape(kind)}" x="{at * 100:.2f}%" width="{share * 100:.2f}%" height="10"/>')
            at += share
    parts.append("</svg>")
    return Markup("".join(parts))  # noqa: S704 - every text in it is escaped above


def weight_bar(weight: float, most: float) -> Markup:
    """An item of evidence: a bar to the right for speech, to the left against it."""
    share = min(1.0, abs(weight) / most) * 50 if most else 0.0
    kind, begin = ("for", 50.0) if weight >= 0 else ("against", 50 - share)
    return Markup(  # noqa: S704 - numbers only
        f'<svg class="weight" aria-hidden="true" width="100%" height="12"><rect class="{kind}" x="{begin:.2f}%" '
        f'width="{share:.2f}%" y="1" height="10" rx="2"/><line class="axis" x1="50%" x2="50%" y1="0" y2="12"/></svg>'
    )
