"""Answers to questions over HTTP: with a token. The buttons of notifications answer by signed links (`links`)."""

from __future__ import annotations

from typing import Any, Protocol

from starlette.responses import JSONResponse, Response

from sniffer.model import Record


class AnswerBackend(Protocol):
    """What answers ask of the daemon. The call is safe from the server's thread; WakeError says what is wrong."""

    def answer(self, upload: str, answer: str, way: str) -> Record: ...


def answer_body(body: Any, backend: AnswerBackend, way: str) -> Response:
    """Take `{"id": ..., "answer": "yes" | "no" | "unsure"}`, for a token whose source is `way`."""
    if not isinstance(body, dict) or set(body) != {"id", "answer"}:
        return JSONResponse({"error": "the body is a JSON object with id and answer"}, 400)
    return JSONResponse(dict(backend.answer(str(body["id"])[:64], str(body["answer"])[:16], way)), 202)
