"""How far long work is, where a terminal shows it; nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.progress import Progress


class Bar:
    """One bar on standard error, and lines above it. Without a terminal (or `wanted`) only the lines are there, and
    what draws is not even imported: that would be a tenth of the time that a command takes to start."""

    def __init__(self, stack: ExitStack, *, wanted: bool) -> None:
        self._shown: Progress | None = None
        if wanted and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
            self._shown = stack.enter_context(Progress(*columns, console=Console(stderr=True), transient=True))

    def begin(self, title: str, total: int) -> None:
        """From here on this is done, `total` times."""
        if self._shown is not None:
            for task in self._shown.task_ids:
                self._shown.remove_task(task)
            self._shown.add_task(title, total=total)

    def reach(self, done: float, title: str | None = None) -> None:
        """Set how many are done."""
        if self._shown is not None:
            self._shown.update(self._shown.task_ids[0], completed=done, description=title)

    def say(self, text: str) -> None:
        """One line."""
        if self._shown is not None:
            self._shown.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(text, err=True)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the bar off the terminal while results are written to the same terminal."""
        if self._shown is None or not sys.stdout.isatty():
            yield
            return
        self._shown.stop()
        try:
            yield
        finally:
            self._shown.start()

    def end(self) -> None:
        """No bar any more."""
        if self._shown is not None:
            self._shown.stop()
            self._shown = None
