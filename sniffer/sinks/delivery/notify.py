"""Any of apprise's services (https://github.com/caronc/apprise) as a target. The extra `notify` installs it."""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

from sniffer import extras
from sniffer.errors import ConfigError
from sniffer.model import Record
from sniffer.settings.base import Secret
from sniffer.sinks.delivery.formats import details_of, plain, title_of
from sniffer.sinks.delivery.http import hidden, secrets_in
from sniffer.sinks.delivery.notice import NoticeOf
from sniffer.sinks.delivery.queue import Message
from sniffer.sinks.delivery.target import ConfiguredTarget, UnansweredError
from sniffer.sinks.settings import NotifySettings

#: What apprise's debug messages say of a connection that failed.
_CAUSE = re.compile(
    r"Name or service not known|No address associated|Temporary failure in name resolution|Connection refused|"
    r"certificate verify failed[^\]\)]*|timed out|No route to host|Network is unreachable",
    re.IGNORECASE,
)


#: Whose message is being sent: apprise hands the context on to its own threads.
_SENDING: contextvars.ContextVar[object] = contextvars.ContextVar("sending", default=None)


class Notify(ConfiguredTarget):
    """A target of the outbox. These services know no message ids: after a crash a message may be delivered twice."""

    def __init__(self, settings: NotifySettings, read_secret: Callable[[Secret], str], notice_of: NoticeOf) -> None:
        try:
            import apprise
        except ImportError:
            raise ConfigError(extras.missing("apprise", f"notify '{settings.name}'")) from None
        super().__init__(settings)
        url = read_secret(settings.url)
        self._said = _Said(url)
        self.address = hashlib.sha256(url.encode()).hexdigest()[:16]
        self._notice_of = notice_of
        self._apprise = apprise.Apprise(asset=apprise.AppriseAsset(app_id="sniffer", app_desc="sniffer"))
        self._text = apprise.NotifyFormat.TEXT
        self._alert_types = {
            "critical": apprise.NotifyType.FAILURE,
            "high": apprise.NotifyType.FAILURE,
            "medium": apprise.NotifyType.WARNING,
        }
        self._resolved, self._other = apprise.NotifyType.SUCCESS, apprise.NotifyType.INFO
        if not self._apprise.add(url):
            raise ConfigError(f"notify '{settings.name}': apprise does not understand the URL that was read")

    def send(self, message: Message, now_ns: int) -> None:
        """Deliver one message. Raises DeliveryError."""
        record = message.record
        notice = self._notice_of(record)
        ways_on = [f"{action.label}: {action.url}" for action in notice.ways_on]
        body = "\n".join([plain(notice.headline), *details_of(record, notice), *ways_on])
        with self._said.listening():
            taken = self._apprise.notify(
                body=body,
                title=title_of(record),
                notify_type=self._type(record),
                body_format=self._text,
                interpret_escapes=False,
            )
        if not taken:
            raise UnansweredError(f"the service did not accept it: {self._said.reason or 'no reason was given'}")

    def _type(self, record: Record) -> Any:
        """Return the service's severity: alerts by their level, resolutions as good news, the rest as information."""
        if record["event_type"] == "alert":
            return self._alert_types.get(str(record.get("level")), self._other)
        return self._resolved if record["event_type"] == "resolved" else self._other


class _Said(logging.Handler):
    """Keeps what apprise logs while it sends one message, for the cause; shown without parts of the URL."""

    def __init__(self, url: str) -> None:
        super().__init__(logging.DEBUG)
        self._secrets = tuple(
            secrets_in(url),
        ) + tuple(secrets_in("x://-/" + url.partition("://")[2]))
        self.reason = ""

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Collect the reason; the log itself stays silent, because its messages can hold tokens."""
        logger = logging.getLogger("apprise")
        if not any(isinstance(handler, logging.NullHandler) for handler in logger.handlers):
            logger.addHandler(logging.NullHandler())
        logger.propagate = False
        logger.setLevel(logging.DEBUG)
        self.reason = ""
        logger.addHandler(self)
        sending = _SENDING.set(self)
        try:
            yield
        finally:
            _SENDING.reset(sending)
            logger.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        text = " ".join(record.getMessage().split())
        if _SENDING.get() is not self:  # another target's
            return
        if record.levelno >= logging.WARNING:
            self.reason = hidden(plain(text)[:200], self._secrets)
        elif (inner := _CAUSE.search(text)) is not None:
            self.reason += f" ({inner.group(0).lower()})"
