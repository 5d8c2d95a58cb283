"""docs/devices.md says what there is: every fact, every key of a rule, every setting; and its examples work."""

import re
from pathlib import Path

import pytest

from sniffer.errors import RuleError
from sniffer.identify.rule_tests import failures_of_devices, failures_of_services
from sniffer.identify.rules import FACT_KINDS, DeviceRule, EvidenceItem, ServiceEntry, ServiceRule
from sniffer.identify.settings import IdentifySettings
from sniffer.settings.yaml import parse_yaml

DOCS = (Path(__file__).parents[2] / "docs" / "devices.md").read_text()


@pytest.mark.parametrize("kind", sorted(FACT_KINDS))
def test_every_fact_is_described(kind: str) -> None:
    assert f"`{kind}`" in DOCS


@pytest.mark.parametrize("model", [EvidenceItem, ServiceEntry, DeviceRule, ServiceRule])
def test_every_key_is_shown(model: type[DeviceRule]) -> None:
    missing = [key for key in model.model_fields if not re.search(rf"\b{key}:", DOCS)]
    assert set(missing) <= {"description", "references"}


def test_every_setting_is_described() -> None:
    assert all(f"`identify.{key}`" in DOCS for key in IdentifySettings.model_fields)


def test_the_examples_are_rules_that_pass_their_tests() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
    device = parse_yaml(next(b for b in blocks if "evidence:" in b), "docs", DeviceRule, RuleError)
    service = parse_yaml(next(b for b in blocks if "entries:" in b), "docs", ServiceRule, RuleError)
    assert failures_of_devices([device]) == {device.id: []}
    assert failures_of_services([service]) == {service.id: []}
