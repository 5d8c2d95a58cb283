"""`sniffer answer`: say whether an upload was asked for."""

from __future__ import annotations

from pathlib import Path

import click

from sniffer.cli._client import find_token, find_url, token_option, url_option
from sniffer.cli._common import config_option
from sniffer.model import Answer

_NOTED = {"yes": "it was asked for", "no": "it was not asked for", "unsure": "not sure"}


@click.command()
@click.argument("identifier", metavar="ID")
@click.argument("answer", type=click.Choice([str(answer) for answer in Answer]))
@config_option
@url_option
@token_option("answer")
def command(identifier: str, answer: str, config_path: Path | None, url: str | None, token_file: Path | None) -> None:
    """Say whether you, or a person with you, asked for the upload ID.

    The answer is evidence: the upload is judged again, and sniffer learns from it. The last answer counts.

    \b
    Examples:
      sniffer answer 20261122T180405.120-1a2b3c4d yes
      sniffer answer 20261122T180405.120-1a2b3c4d no
    """
    from sniffer.web.client import Client

    with Client(find_url(url, config_path), find_token(token_file, config_path, "answer")) as client:
        client.post("/api/v1/answers", {"id": identifier, "answer": answer})
    click.echo(f"{identifier}: {_NOTED[answer]}; the verdict follows")
