"""`sniffer answer`: say whether an upload was asked for."""

from __future__ import annotations

from pathlib import Path

import click

from sniffer.cli._client import find_token, find_url, post
from sniffer.cli._common import config_option, effective_config
from sniffer.model import Answer

_NOTED = {"yes": "somebody asked", "no": "nobody asked", "unsure": "not sure"}


@click.command()
@click.argument("identifier", metavar="ID")
@click.argument("answer", type=click.Choice([str(answer) for answer in Answer]))
@config_option
@click.option(
    "--url", envvar="SNIFFER_URL", help="The daemon's HTTP API (default: from -c, else http://127.0.0.1:9877)."
)
@click.option(
    "--token-file", type=click.Path(path_type=Path, dir_okay=False), help="Holds a token with scope `answer`."
)
def command(identifier: str, answer: str, config_path: Path | None, url: str | None, token_file: Path | None) -> None:
    """Say whether you (or somebody with you) asked for the upload ID.

    The answer is evidence: the upload is judged again, and sniffer learns from it. The last answer counts.

    \b
    Examples:
      sniffer answer 20261122T180405.120-1a2b3c4d yes
      sniffer answer 20261122T180405.120-1a2b3c4d no
    """
    config = effective_config(config_path, ())
    body = {"id": identifier, "answer": answer}
    post(find_url(url, config), "/api/v1/answers", body, find_token(token_file, config, "answer"))
    click.echo(f"{identifier}: {_NOTED[answer]}; the verdict follows")
