"""What can be set about judging."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sniffer.model import Section


class JudgeSettings(Section):
    """`bound` is the probability that nobody asked, above which an upload is called unexpected."""

    bound: Annotated[float, Field(ge=0.5, lt=1)] = 0.9
