"""docs/alerts.md is copied and pasted: its configuration is valid, and no setting of ours is missing from it."""

import re
from pathlib import Path

import pytest

from sniffer.app.config import parse_config
from sniffer.judge.settings import AlertSettings
from sniffer.sinks import settings

TEXT = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()
EXAMPLES = [re.sub(r"^  ", "", block, flags=re.M) if block.startswith("  ") else block
            for block in re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.S)]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_is_a_valid_configuration(example: str) -> None:
    assert example.strip()
    parse_config(example, "docs/alerts.md")


@pytest.mark.parametrize(
    "section",
    [
        AlertSettings,
        settings.StoreSettings,
        settings.WebhookSettings,
        settings.AlertmanagerSettings,
        settings.NotifySettings,
        settings.MqttSettings,
        settings.OutboxSettings,
        settings.EvidenceSettings,
    ],
)
def test_every_setting_is_described(section: type) -> None:
    for name in section.model_fields:
        assert re.search(rf"\b{name}\b", TEXT), f"{section.__name__}.{name}"


def test_every_format_and_outcome_is_described() -> None:
    from sniffer.sinks.delivery.formats import FORMATS

    for word in (*FORMATS, "delivered", "retried", "refused", "dead", "dropped", "gone"):
        assert f"`{word}`" in TEXT, word
