"""What the page may ask of the daemon, beside what the API may ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sniffer.model import Record
from sniffer.model.summaries import UploadCount, UploadSummary
from sniffer.web.api import Backend


class PageBackend(Backend, Protocol):
    """All calls are safe from the server's threads. Times are nanoseconds since 1970 UTC, in records ISO-8601.

    What changes something raises SnifferError with a sentence for the reader where it is refused.
    """

    def about(self) -> Record:
        """`version`; `began`, when the daemon started; `changes`, how many records that change a view came since."""
        ...

    def state(self) -> Record:
        """How the daemon is: `now_ns`, `ready`, `reason`, `replayed`, `capture`, `began_ns`, `last_packet_ns`,
        `captures` (the sources of packets: `name`, `up`, `since_ns`, `last_packet_ns`, `packets`, `dropped`, `remote`,
        `own_clock`, `clock_offset_seconds`, `reconnects`, `problem`), `listening` (records), `memory_bytes`,
        `store_bytes`, `store_max_bytes`, and the counters of `stats`."""
        ...

    def step_aside(self) -> None:
        """Let the daemon handle packets first; called every few milliseconds while a view is made."""
        ...

    def summaries(
        self,
        since_ns: int,
        until_ns: int,
        device: str | None = None,
        *,
        keys: Sequence[str] | None = None,
        verdicts: Sequence[str] = (),
        newest: int | None = None,
        skip: int = 0,
    ) -> Sequence[UploadSummary]:
        """Uploads that began in a time, oldest first; or the `newest` after `skip`, newest first. `keys` are those of
        `UploadCount`; the verdict of uploads that are not judged is `none`."""
        ...

    def counts(self, since_ns: int, until_ns: int, device: str | None = None) -> Sequence[UploadCount]:
        """Uploads that began in a time, counted by device and verdict."""
        ...

    def moments(self, types: Sequence[str], since_ns: int, until_ns: int, limit: int) -> Sequence[Record]:
        """Records of other types in a time, oldest first."""
        ...

    def questions(self) -> Sequence[UploadSummary]:
        """Uploads that wait for an answer, newest first."""
        ...

    def answers(self, limit: int) -> Sequence[Record]:
        """Answers that were given, newest first."""
        ...

    def answer(self, upload_id: str, answer: str, way: str) -> Record:
        """Take a person's answer whether an upload was asked for: `yes`, `no` or `unsure`."""
        ...

    def ask_listeners(self) -> None:
        """Ask all listeners what they heard in the last seconds; the answers come as `wake` records."""
        ...

    def sources(self) -> Sequence[Record]:
        """Wake sources, configured or not, and how well each hears."""
        ...

    def reconciliation(self) -> Record | None:
        """Return the last result of `sniffer reconcile --page`; None where there is none."""
        ...

    def targets(self) -> Sequence[Record]:
        """Where alerts go, how many wait, and what went wrong last."""
        ...

    def test_target(self, name: str) -> str:
        """Send a test notification; what happened, in a sentence."""
        ...

    def rules(self) -> Record:
        """`rules`, `exceptions` and `mutes` in force."""
        ...

    def habits(self, mac: str) -> Mapping[str, Any] | None:
        """What was learned of a device; None where nothing was."""
        ...

    def checks(self) -> Sequence[Record]:
        """What `sniffer doctor` says now: `name`, `status`, `message`, `remedy`."""
        ...

    def log_lines(self) -> Sequence[Record]:
        """The newest log lines: `time_ns`, `level`, `text`."""
        ...

    def capture_file(self, upload_id: str) -> bytes | None:
        """The headers-only capture of an upload; None where there is none."""
        ...

    def changes(self) -> Sequence[Record]:
        """What was changed on the page, newest first: `id`, `time`, `what`, `fragment`, `problem`."""
        ...

    def change(self, fragment: Mapping[str, Any], what: str, about: str = "") -> Record:
        """Put a piece of configuration into force and keep it in the overlay file."""
        ...

    def undo(self, change_id: str) -> Record:
        """Take a change back."""
        ...

    def new_secret(self, name: str) -> tuple[str, str]:
        """A new token in a file that only the daemon can read: the path, and the token itself."""
        ...

    def settings(self) -> Record:
        """What the page must know of the configuration: `file`, `overlay`, `grafana`, `devices`, `time_zone`."""
        ...
