"""Base classes of all settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from sniffer.model.addresses import host_key


class Section(BaseModel):
    """A part of the configuration: immutable, and an unknown key is an error. Each stage defines its own in its
    `settings.py`; `sniffer.app.config` puts them together."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Secret(Section):
    """Where a secret is read from; it is never written into the configuration itself. Exactly one is given."""

    file: Path | None = None
    env: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _not_here(cls, value: object) -> object:
        if isinstance(value, str | int):
            raise ValueError("a secret is not written here: `{file: PATH}` or `{env: NAME}` says where it is")
        return value

    @model_validator(mode="after")
    def _one(self) -> Secret:
        if (self.file is None) == (self.env is None):
            raise ValueError("give either `file` (a path) or `env` (the name of an environment variable)")
        return self


class DeviceSettings(Section):
    """What a person says of a device: always right.

    `mac` is its MAC address (or its IP address, where the link has no MACs); `watch: false` excludes it.
    `earshot` names a group of speakers that hear the same voice, for arbitration.
    """

    mac: str
    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w .:-]+$")]
    kind: str = "speaker"
    vendor: str | None = None
    model: str | None = None
    watch: bool = True
    earshot: str | None = None

    @field_validator("name")
    @classmethod
    def _own_name(cls, name: str) -> str:
        if name.casefold() == "all":
            raise ValueError("'all' is every device, where alerts are muted: give it another name")
        return name

    @property
    def key(self) -> int:
        """The key that packets of this device carry."""
        return host_key(self.mac)

    @field_validator("mac")
    @classmethod
    def _address(cls, text: str) -> str:
        host_key(text)
        return text.lower()
