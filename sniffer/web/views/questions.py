"""The inbox: recordings that wait for an answer, and those that were answered."""

from __future__ import annotations

from typing import Any

from sniffer.model.share import MOST_ANSWERS, unasked_share
from sniffer.web.views.common import Page, answer_words, called, names_of, row, summary_of, upload_link, upload_of

#: Questions on one page, and answers that can be changed there.
MOST, MOST_GIVEN = 50, 20


def context(page: Page) -> dict[str, Any]:
    """What `questions.html` shows."""
    words, names = page.words, names_of(page)
    waiting = page.backend.questions()
    given: list[dict[str, Any]] = []
    seen: set[str] = set()
    answers = page.backend.answers(MOST_ANSWERS)
    for record in answers:
        identifier = upload_of(record)
        if identifier in seen or len(given) >= MOST_GIVEN:
            continue
        seen.add(identifier)
        upload = page.backend.upload(identifier)
        unknown = {"device": called(words, names, record.get("device")), "amount": ""}
        shown = row(words, summary_of(upload)) if upload else unknown
        given.append(
            {
                **shown,
                "id": identifier,
                "link": upload_link(identifier),
                "answer": answer_words(words, record),
                "answered": record["timestamp"],
            }
        )
    return {
        "questions": [row(words, upload) for upload in waiting[:MOST]],
        "total": len(waiting),
        "answers": given,
        "share": unasked_share(answers, page.now_ns()),
    }
