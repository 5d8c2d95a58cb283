"""The add-on folder and the blueprint are what Home Assistant reads."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "homeassistant"


class Loader(yaml.SafeLoader):
    """YAML with `!input`, as in blueprints."""


Loader.add_constructor("!input", lambda loader, node: {"input": node.value})


def inputs(value: Any) -> set[str]:
    """The inputs that something uses."""
    if isinstance(value, dict):
        used = {value["input"]} if set(value) == {"input"} and isinstance(value["input"], str) else set()
        return used.union(*(inputs(part) for part in value.values()))
    return set().union(*(inputs(part) for part in value)) if isinstance(value, list) else set()


def test_the_add_on_asks_for_no_more_than_the_image() -> None:
    """https://developers.home-assistant.io/docs/apps/configuration"""
    config = yaml.safe_load((FOLDER / "addon" / "config.yaml").read_text())
    assert {"name", "version", "slug", "description", "arch"} <= set(config)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert config["version"] == version
    assert f"ARG VERSION={version}\n" in (ROOT / "Dockerfile").read_text()
    assert (config["host_network"], config["privileged"]) == (True, ["NET_RAW"])
    assert not {"full_access", "docker_api", "hassio_api", "homeassistant_api", "devices"} & set(config)
    assert set(config["arch"]) <= {"aarch64", "amd64"}
    assert re.fullmatch(r"[a-z0-9_]+", config["slug"])


def test_the_blueprint_uses_what_it_asks_for() -> None:
    blueprint = yaml.load((FOLDER / "blueprints" / "ask.yaml").read_text(), Loader)
    declared = set(blueprint["blueprint"]["input"])
    assert inputs({key: value for key, value in blueprint.items() if key != "blueprint"}) == declared
    assert blueprint["blueprint"]["domain"] == "automation"
    (notify,) = [action for action in blueprint["actions"] if action.get("domain") == "mobile_app"]
    answers = [action["action"] for action in notify["data"]["actions"]]
    assert answers[:2] == ["SNIFFER_YES_{{ upload }}", "SNIFFER_NO_{{ upload }}"], "what the wake source takes"
    assert not answers[2].startswith("SNIFFER_"), "muting is no answer"


def test_the_card_in_the_docs_names_our_entities() -> None:
    text = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yml\n(type: .*?)```", text, re.S)]
    (card,) = blocks
    named = set(re.findall(r"\w+\.kitchen_(\w+)", str(card)))
    assert named == {
        "listening_now", "asked_for_today", "unasked_uploads_today", "cannot_tell_today", "open_questions", "upload",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["config.yaml", "Dockerfile", "DOCS.md"])
def test_the_folder_is_whole(name: str) -> None:
    assert (FOLDER / "addon" / name).is_file()
