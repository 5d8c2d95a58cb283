"""What people write is read the same with libyaml and without it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel, ConfigDict

from sniffer.errors import LocatedError, RuleError
from sniffer.settings.yaml import _load_fast, load_yaml, parse_yaml

RULES = sorted((Path(__file__).parents[2] / "rules").glob("*/*.yml"))

needs_libyaml = pytest.mark.skipif(not hasattr(yaml, "CSafeLoader"), reason="PyYAML was built without libyaml")


class Thing(BaseModel):
    """A document of its own."""

    model_config = ConfigDict(extra="forbid")
    name: str
    many: list[int] = []


@needs_libyaml
def test_every_shipped_rule_is_the_same_to_both() -> None:
    fast = 0
    for path in RULES:
        text = path.read_text()
        try:
            value, _ = _load_fast(text, path, RuleError)
        except ValueError:
            continue  # holds something that the two may read in different ways
        fast += 1
        assert repr(value) == repr(load_yaml(text, path, RuleError)[0]), path.name
    assert fast > 30


@pytest.mark.parametrize(
    "text",
    [
        "name: one\nmany: [1, two]\n",
        "name: one\nnmae: two\n",
        "many: []\n",
        "name: [1\n",
        "name: one\n  many: [1]\n",
        "name: &a one\nmany: *a\n",
        "name: one\nname: two\n",
        "name:\nmany: [1]\n",
        "[" * 60,
        "name: one\n---\nname: two\n",
        "name: a\tb\n",
        "? name\n: one\n",
        "name: {a?: 1}\n",
        "name: {a?b: 1}\n",
        "name: {a: 1,\n  b?c: 2}\n",
        "name: why? because\nmany: [1]\n",
        "name: >\n  why?\n  ?so\n",
        "name: ?so\n",
        "name: \ufeffone\n",
        "name: \x01\n",
    ],
)
def test_mistakes_have_the_same_words_and_places(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def outcome() -> str:
        try:
            return repr(parse_yaml(text, "file.yml", Thing, RuleError))
        except LocatedError as error:
            return str(error)

    with_libyaml = outcome()
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert outcome() == with_libyaml
