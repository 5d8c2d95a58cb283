"""Base classes of all settings."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, field_validator, model_validator

from sniffer.model.addresses import host_key


class Section(BaseModel):
    """A part of the configuration: immutable, and an unknown key is an error. Each stage defines its own in its
    `settings.py`; `sniffer.app.config` puts them together. A section that is another's default is made by
    `model_construct`: that needs no validator, which takes long to build."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, allow_inf_nan=False)


def _web_address(text: str) -> str:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        raise ValueError("not a URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not text.isprintable() or " " in text:
        raise ValueError("must start with http:// or https:// and name a host")
    if parts.username or parts.password:
        raise ValueError("must not hold a user or password: give `token` instead")
    return text


def _host(text: str) -> str:
    """A host name or an address, without port, scheme or path."""
    if not text or len(text) > 253 or not text.isprintable() or any(c in text for c in " /@,'\"[]"):
        raise ValueError("a host name or an address is needed, such as 192.168.1.1 or homeassistant.local")
    if ":" in text:
        try:
            ip_address(text.split("%")[0])
        except ValueError:
            raise ValueError("a host name or an address, without a port: that has a key of its own") from None
    return text


def _file(path: Path) -> Path:
    """The path of a file: it ends with a name."""
    if not path.name or path.name == "..":
        raise ValueError("the path of a file is needed")
    return path


def display_name(text: str) -> str:
    """Check the name of a device: any letters, signs and emoji, on one line. Raises ValueError."""
    text = text.strip()
    # Joiners and variation selectors make one emoji of several.
    visible = "".join(character for character in text if character not in "\u200d\ufe0e\ufe0f")
    if not visible or len(text) > 64 or not visible.isprintable() or any(c in visible for c in '<>"\\`{}=|'):
        raise ValueError('a name has 1 to 64 characters on one line, without < > " \\ ` { } = |')
    if text.casefold() == "all":
        raise ValueError("'all' is reserved: `sniffer mute all` means every device")
    return text


Url = Annotated[str, AfterValidator(_web_address)]
Host = Annotated[str, AfterValidator(_host)]
FilePath = Annotated[Path, AfterValidator(_file)]


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
    name: Annotated[str, AfterValidator(display_name)]
    kind: str = "speaker"
    vendor: str | None = None
    model: str | None = None
    watch: bool = True
    earshot: str | None = None

    @property
    def key(self) -> int:
        """The key that packets of this device carry."""
        return host_key(self.mac)

    @field_validator("mac")
    @classmethod
    def _address(cls, text: str) -> str:
        if "%" in text:
            raise ValueError(f"{text!r} is an address of one link: give the MAC address, such as 68:db:f5:90:19:64")
        host_key(text)
        return text.lower()
