"""The report of a capture: complete, inert, without a network, and the same again."""

import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from sniffer.cli.main import cli
from sniffer.demo import CAPTURE, WAKE_EVENTS
from sniffer.sinks.settings import StoreSettings
from sniffer.sinks.storage.store import Store
from sniffer.web.words import texts
from tests.web.house import upload


def analyze(tmp_path: Path, *more: str) -> str:
    output = tmp_path / "report.html"
    arguments = ["analyze", str(CAPTURE), "--wake", str(WAKE_EVENTS), "--format", "html", "-o", str(output), *more]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    return output.read_text(encoding="utf-8")


class Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def parsed(html: str) -> Text:
    found = Text()
    found.feed(html)
    return found


def test_it_says_what_was_found_from_what_and_how(tmp_path: Path) -> None:
    html = analyze(tmp_path, "--device", "68:db:f5:00:00:01=kitchen")
    text = " ".join(" ".join(parsed(html).words).split())
    assert "3 uploads were found that could hold speech" in text
    assert "Nobody had asked for it" in text
    for file in (CAPTURE, WAKE_EVENTS):
        assert hashlib.sha256(file.read_bytes()).hexdigest() in text
    assert "1,616" in text
    assert "What was not looked at" in text
    assert "Limits" in text
    # from the first packet of the capture to the last (scapy), not from the first upload to the last
    assert re.search(r"From \w+ 21 Nov 2026, \d\d:00:01 \S+ . \w+ 21 Nov 2026, \d\d:02:35", text)
    assert "Reported by demo-ear, 0.4 s before it began." in text
    assert text.count("Listening at that time:") >= 1
    assert html.count('class="bars"') == 3


def test_it_is_one_file_without_a_network_and_without_script(tmp_path: Path) -> None:
    html = analyze(tmp_path)
    for tag, attributes in parsed(html).tags:
        assert tag not in ("script", "link", "img", "iframe", "object", "form")
        assert not {"src", "href", "style", "srcset"} & set(attributes), (tag, attributes)
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"url\(|@import|https?://", html.replace("http-equiv", ""))


def test_an_analysis_is_written_in_german(tmp_path: Path) -> None:
    html = analyze(tmp_path, "--language", "de")
    assert '<html lang="de"' in html
    text = " ".join(" ".join(parsed(html).words).split())
    assert "Was das Haus verlassen hat" in text
    english = {text for key, text in texts("en").items() if len(text.split()) > 2 and "{" not in text}
    assert [one for one in english - set(texts("de").values()) if one in text] == []


def test_the_same_inputs_give_the_same_report(tmp_path: Path) -> None:
    first, second = (re.sub(r'<p class="muted">Made by.*?</p>', "", analyze(tmp_path)) for _ in range(2))
    assert first == second


def test_a_report_of_the_store(tmp_path: Path) -> None:
    name = '<img src=x onerror="alert(1)">\u202e'
    with Store(StoreSettings(path=tmp_path / "store.db")) as store:
        store.emit(upload(1, name=name))
        store.emit(upload(2, "expected", "wake_event"))
    output = tmp_path / "report.html"
    arguments = ["report", "--from", "2023-11-01", "--to", "2023-12-01", "--store", str(tmp_path / "store.db"),
                 "-o", str(output)]  # fmt: skip
    result = CliRunner().invoke(cli, [*arguments, "--language", "de"])
    assert result.exit_code == 0, result.output
    html = output.read_text(encoding="utf-8")
    assert "2 Übertragungen" in html
    assert "<img" not in html
    assert "\u202e" not in html


def test_a_report_of_nothing_says_so(tmp_path: Path) -> None:
    with Store(StoreSettings(path=tmp_path / "store.db")):
        pass
    output = tmp_path / "report.html"
    arguments = ["report", "--from", "7d", "--store", str(tmp_path / "store.db"), "-o", str(output)]
    assert CliRunner().invoke(cli, arguments).exit_code == 0
    assert "Nothing was found that could hold speech" in output.read_text()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["report", "--from", "2023-12-01", "--to", "2023-11-01"], 2, "--from is after --to"),
        (["report", "--from", "7d", "--store", "none.db"], 3, "no store here"),
        (["analyze", "-", "--format", "html"], 2, "needs files"),
        (["analyze", "x.pcap", "--language", "de"], 2, "--language goes with --format html"),
    ],
)
def test_a_wrong_call_is_one_line(arguments: list[str], status: int, message: str) -> None:
    from sniffer.cli.main import main

    result = CliRunner().invoke(cli, arguments)
    text = result.output or str(result.exception)
    assert message in text
    assert main is not None
    assert status in (2, 3)
