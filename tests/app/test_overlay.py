"""Changes made on the page, over the user's own configuration."""

import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from sniffer.app.config import Config
from sniffer.app.overlay import Change, OverlaidConfig, overlaid, overlay_path, read_overlay
from sniffer.cli.main import cli
from sniffer.errors import ConfigError, UsageError

MAC = "68:db:f5:90:19:64"


def change(number: int = 1, **piece: Any) -> Change:
    return Change(id=str(number), time="2026-11-22T18:00:00.000000Z", what="device", set=piece)


def configured(**settings: Any) -> Config:
    return Config.model_validate(settings)


def test_a_change_is_put_over_the_configuration() -> None:
    found = overlaid(configured(), [change(devices=[{"mac": MAC, "name": "kitchen"}], alerts={"level": "high"})])
    assert found.problems == {}
    assert found.config.devices[0].name == "kitchen"
    assert found.config.alerts.level == "high"


def test_the_newest_change_of_a_device_counts() -> None:
    changes = [
        change(n, devices=[{"mac": MAC.upper() if n else MAC, "name": name}]) for n, name in enumerate(("a", "b"))
    ]
    assert [device.name for device in overlaid(configured(), changes).config.devices] == ["b"]


@pytest.mark.parametrize(
    ("own", "piece"),
    [
        ({"devices": [{"mac": MAC, "name": "mine"}]}, {"devices": [{"mac": MAC.upper(), "name": "other"}]}),
        ({"alerts": {"level": "low"}}, {"alerts": {"level": "high"}}),
        ({"judge": {"rules": {"levels": {"x": "low"}}}}, {"judge": {"rules": {"levels": {"x": "high"}}}}),
        ({"judge": {"time_zone": "UTC"}}, {"judge": {"time_zone": "Europe/Berlin"}}),
    ],
)
def test_the_users_file_is_always_right(own: dict[str, Any], piece: dict[str, Any]) -> None:
    found = overlaid(configured(**own), [change(**piece)])
    assert "change it there" in found.problems["1"]
    assert found.config == configured(**own)


@pytest.mark.parametrize(
    "piece",
    [
        {"capture": {"interface": "eth0"}},
        {"store": {"path": "/etc/passwd"}},
        {"http": {"host": "0.0.0.0"}},
        {"http": {"page": {"password": {"file": "/x"}}}},
        {"sinks": {"evidence": {"folder": "/etc"}}},
        {"judge": {"rules": {"folders": ["/tmp"]}}},
        {"judge": {"bound": 0.5}},
    ],
)
def test_only_some_things_can_be_changed_on_the_page(piece: dict[str, Any]) -> None:
    assert "cannot be changed" in overlaid(configured(), [change(**piece)]).problems["1"]


def test_a_change_that_is_not_valid_is_left_out_and_the_others_hold() -> None:
    changes = [
        change(1, devices=[{"mac": "nonsense", "name": "x"}]),
        change(2, devices=[{"mac": MAC, "name": "kitchen"}]),
    ]
    found = overlaid(configured(), changes)
    assert list(found.problems) == ["1"]
    assert [device.name for device in found.config.devices] == ["kitchen"]


def test_a_token_that_is_gone_does_not_keep_the_daemon_from_starting(tmp_path: Path) -> None:
    piece = {"http": {"tokens": [{"source": "ear", "secret": {"file": str(tmp_path / "none")}}]}}
    assert "cannot be read" in overlaid(configured(), [change(**piece)]).problems["1"]


def test_changes_are_kept_in_a_file_of_their_own_and_undone(tmp_path: Path) -> None:
    base = configured(store={"path": str(tmp_path / "store.db")})
    settings = OverlaidConfig(lambda: base)
    first = settings.add({"alerts": {"level": "high"}}, "level", "high", "2026-11-22T18:00:00Z", lambda config: None)
    path = overlay_path(base.store.path)
    assert path.name == "sniffer.overlay.yaml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert settings.read().alerts.level == "high"
    settings.undo(first.id)
    assert settings.read().alerts.level == base.alerts.level
    with pytest.raises(UsageError, match="undone already"):
        settings.undo(first.id)


def test_a_change_that_a_reload_would_refuse_is_not_kept(tmp_path: Path) -> None:
    base = configured(store={"path": str(tmp_path / "store.db")})

    def refuse(config: Config) -> None:
        raise ConfigError("no such rule")

    with pytest.raises(ConfigError, match="no such rule"):
        OverlaidConfig(lambda: base).add({"alerts": {"level": "high"}}, "level", "", "2026-11-22T18:00:00Z", refuse)
    assert read_overlay(overlay_path(base.store.path)) == ()


def test_a_damaged_overlay_is_an_error_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "sniffer.overlay.yaml"
    path.write_text("changes:\n  - {id: 1, nonsense: true}\n")
    with pytest.raises(ConfigError, match=r"sniffer.overlay.yaml:2"):
        read_overlay(path)


def test_the_command_shows_what_is_in_force(tmp_path: Path) -> None:
    file = tmp_path / "sniffer.yaml"
    file.write_text(f"store: {{path: {tmp_path}/store.db}}\nalerts: {{digest: false}}\n")
    base = configured(store={"path": str(tmp_path / "store.db")})
    OverlaidConfig(lambda: base).add({"alerts": {"level": "high"}}, "level", "", "2026-11-22T18:00:00Z", lambda _: None)
    result = CliRunner().invoke(cli, ["config", "check", "--effective", str(file)])
    assert result.exit_code == 0, result.output
    assert yaml.safe_load(result.output)["alerts"] == {"digest": False, "level": "high"}
