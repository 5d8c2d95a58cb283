"""The configuration: one YAML file, checked before anything starts, with errors that name file, line and column."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

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

    capture: CaptureSettings = CaptureSettings.model_construct()
    devices: tuple[DeviceSettings, ...] = ()
    identify: IdentifySettings = IdentifySettings.model_construct()
    detect: DetectSettings = DetectSettings.model_construct()
    wake: WakeSettings = WakeSettings.model_construct()
    judge: JudgeSettings = JudgeSettings.model_construct()
    alerts: AlertSettings = AlertSettings.model_construct()
    sinks: SinkSettings = Field(default_factory=SinkSettings)
    store: StoreSettings = Field(default_factory=StoreSettings)
    http: HttpSettings = HttpSettings.model_construct()

    @field_validator("devices")
    @classmethod
    def _unique_devices(cls, devices: tuple[DeviceSettings, ...]) -> tuple[DeviceSettings, ...]:
        seen: dict[tuple[str, str], int] = {}
        for place, device in enumerate(devices):
            for what, value in (("mac", key_text(device.key)), ("name", device.name)):
                first = seen.setdefault((what, value.casefold()), place)
                if first != place:
                    message = f"the device '{devices[first].name}' has this {what} already: each needs its own"
                    raise PydanticCustomError("twice", "{message}", {"message": message, "at": (place, what)})
        return devices


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
