"""The configuration: one YAML file, checked before anything starts, with errors that name file, line and column."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pydantic import Field, model_validator

from sniffer.capture.settings import CaptureSettings
from sniffer.detect.settings import DetectSettings
from sniffer.errors import ConfigError
from sniffer.identify.settings import IdentifySettings
from sniffer.judge.settings import AlertSettings, JudgeSettings
from sniffer.model import key_text
from sniffer.settings.base import DeviceSettings, Secret, Section
from sniffer.settings.secrets import secret_in_file, secret_in_variable
from sniffer.settings.yaml import parse_yaml, read_text
from sniffer.sinks.settings import SinkSettings, StoreSettings
from sniffer.wake.settings import WakeSettings
from sniffer.web.settings import HttpSettings


class Config(Section):
    """Everything that can be set; every key has a default, so an empty file is a valid configuration."""

    capture: CaptureSettings = CaptureSettings()
    devices: tuple[DeviceSettings, ...] = ()
    identify: IdentifySettings = IdentifySettings()
    detect: DetectSettings = DetectSettings()
    wake: WakeSettings = WakeSettings()
    judge: JudgeSettings = JudgeSettings()
    alerts: AlertSettings = AlertSettings()
    sinks: SinkSettings = Field(default_factory=SinkSettings)
    store: StoreSettings = Field(default_factory=StoreSettings)
    http: HttpSettings = HttpSettings()

    @model_validator(mode="after")
    def _unique_devices(self) -> Config:
        macs, names = [key_text(device.key) for device in self.devices], [device.name for device in self.devices]
        for what, values in (("mac", macs), ("name", names)):
            twice = [value for value, times in Counter(map(str.casefold, values)).items() if times > 1]
            if twice:
                raise ValueError(f"two devices have the {what} '{twice[0]}'")
        return self


def load_config(path: Path) -> Config:
    """Read and check one configuration file. Raises ConfigError."""
    return parse_config(read_text(path, ConfigError), path)


def parse_config(text: str, file: str | Path) -> Config:
    """Check a configuration that was read from `file`. Raises ConfigError."""
    return parse_yaml(text, file, Config, ConfigError)


def read_secret(secret: Secret) -> str:
    """Return the secret itself, without surrounding white space. Raises ConfigError; the message never shows it."""
    if secret.env is not None:
        return secret_in_variable(secret.env)
    assert secret.file is not None
    return secret_in_file(secret.file)
