"""What can go wrong, as a tree. Nothing else leaves the package.

::

    SnifferError                 exit status 2
    ├── ConfigError              2  the configuration, with file, line and column
    ├── RuleError                2  a rule file, with file, line and column
    ├── UsageError               2  the call itself is wrong
    ├── RecordError              2  a record that was read back is damaged, or of another version
    ├── WakeError                2  a wake event or a wake source cannot be used
    ├── DaemonError              2  the daemon cannot be reached, or does not answer as it should
    │   └── DaemonRefusalError   2  the daemon refuses this request, and would refuse it again
    ├── CaptureError             3  nothing could be read or opened
    │   └── PrivilegeError       3  the privilege to capture is missing
    ├── StoreError               3  the store cannot be opened or written
    └── DeliveryError            3  a message could not be delivered

Every message is one line, says what is wrong with which thing, and what to do about it.
"""

from __future__ import annotations

from pathlib import Path


class SnifferError(Exception):
    """The root; `exit_status` is what the command line ends with."""

    exit_status = 2


class LocatedError(SnifferError):
    """An error in a file a person wrote: `file:line:column: message` (line and column count from 1)."""

    def __init__(
        self, message: str, *, file: str | Path | None = None, line: int | None = None, column: int | None = None
    ) -> None:
        self.message, self.file, self.line, self.column = message, file, line, column
        place = ":".join(str(part) for part in (file, line, column) if part is not None)
        super().__init__(f"{place}: {message}" if place else message)


class ConfigError(LocatedError):
    """The configuration is not what it should be."""


class RuleError(LocatedError):
    """A rule file is not what it should be."""


class UsageError(SnifferError):
    """The call itself is wrong."""


class RecordError(SnifferError, ValueError):
    """A record that was read back is damaged, or of another version."""


class WakeError(SnifferError):
    """A wake event or a wake source cannot be used."""


class DaemonError(SnifferError):
    """The daemon cannot be reached, or does not answer as it should; `status` is its HTTP status and `date` the time of
    its answer (the header `Date`), if it answered."""

    def __init__(self, message: str, status: int | None = None, date: str | None = None) -> None:
        super().__init__(message)
        self.status, self.date = status, date


class DaemonRefusalError(DaemonError):
    """The daemon refuses this request, and would refuse it again."""


class CredentialsError(WakeError):
    """A wake source refused our token or password: trying the same again at once is of no use."""


class MisdatedError(WakeError):
    """The time of a wake event is too far from its arrival: the clock of its sender is wrong."""


class CaptureError(SnifferError):
    """No packets can be had from this source."""

    exit_status = 3


class PrivilegeError(CaptureError):
    """Packets could be had, with a privilege that this process lacks."""


class StoreError(SnifferError):
    """The store cannot be opened or written; `damaged` where the file itself is at fault."""

    exit_status = 3

    def __init__(self, message: str, *, damaged: bool = False) -> None:
        super().__init__(message)
        self.damaged = damaged


class DeliveryError(SnifferError):
    """A message could not be delivered now; `retry_after` is in seconds, `permanent` means never try again."""

    exit_status = 3

    def __init__(self, message: str, *, retry_after: float | None = None, permanent: bool = False) -> None:
        super().__init__(message)
        self.retry_after, self.permanent = retry_after, permanent
