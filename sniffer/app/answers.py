"""Answers of people about uploads: by the page, the API, a chat, or a signed link that works once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from sniffer.errors import WakeError
from sniffer.explain.question import ANSWER_WORDS, question_text
from sniffer.model import Answer, Record, Trust, WakeEvent, WakeKind
from sniffer.model.clock import SECOND, Clock, parse_timestamp
from sniffer.model.share import MOST_ANSWERS, unasked_share
from sniffer.records import build as records
from sniffer.sinks.storage.store import Store

#: An answer changes the verdict on an upload that ended within this time: the judge remembers as long.
ANSWER_WITHIN_NS = 24 * 3600 * SECOND
#: The name under which the store keeps the links that were used.
USED_LINKS = "used_links"
#: Links that are remembered: three for each question.
MAX_USED_LINKS = 1024


class Answers:
    """Checks answers and delivers them as wake events. Safe to use from several threads."""

    def __init__(self, store: Store, clock: Clock, deliver: Callable[[WakeEvent], None]) -> None:
        self._store, self._clock, self._deliver = store, clock, deliver
        self._lock = threading.Lock()
        used = store.state_get(USED_LINKS) or []
        self._used = deque(((str(upload), str(answer)) for upload, answer in used), maxlen=MAX_USED_LINKS)

    def take(self, upload: str, answer: str, way: str) -> Record:
        """Take an answer about an upload, which came by `way`. Raises WakeError."""
        if answer not in list(Answer):
            raise WakeError(f"an answer is one of {', '.join(Answer)}")
        record, now_ns = self._store.upload(upload), self._clock.now_ns()
        if record is None:
            raise WakeError("there is no upload with this id")
        if record["verdict"] is None:
            raise WakeError("this upload is not judged, so there is nothing to answer")
        if now_ns - parse_timestamp(record["end"]) > ANSWER_WITHIN_NS:
            raise WakeError("this upload is more than a day old; its verdict is final")
        event = WakeEvent(
            now_ns, way, WakeKind.ANSWER, None, Trust.PERSON, now_ns, upload=upload, answer=Answer(answer)
        )
        self._deliver(event)
        return records.answer_record(event).to_json()

    def take_link(self, upload: str, answer: str) -> str:
        """Take the answer of a signed link, once: an old link must not undo a later answer. Returns a sentence for the
        reader. Raises WakeError."""
        with self._lock:
            if (upload, answer) in self._used:
                raise WakeError("this link was used before; answer on the page, or with `sniffer answer`")
            self.take(upload, answer, "link")
            self._used.append((upload, answer))
        return f"Your answer was noted: {ANSWER_WORDS[Answer(answer)]}."

    def question(self, upload: str) -> str:
        """Return the question about an upload. Raises WakeError."""
        record = self._store.upload(upload)
        if record is None:
            raise WakeError("there is no upload with this id")
        return question_text(record)

    def summed_up(self, digest: Record) -> Record:
        """Return the record of a digest with what the answers of the last two weeks say."""
        answers = self._store.records(("answer",), limit=MOST_ANSWERS, newest_first=True)
        share = unasked_share(answers, parse_timestamp(digest["timestamp"]))
        if share is None:
            return digest
        found = {"answers": share.answers, "low": share.low, "high": share.high}
        return {**digest, "unasked_share": found, "text": f"{digest['text']}\n{share.sentence()}"}

    def state(self) -> list[tuple[str, str]]:
        """The links that were used, to be saved as `USED_LINKS`."""
        with self._lock:
            return list(self._used)
