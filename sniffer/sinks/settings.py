"""What can be set about where records go."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from sniffer.model import Level
from sniffer.records.redact import Redaction
from sniffer.settings.base import FilePath, Host, Secret, Section, Url
from sniffer.settings.places import state_file

#: What a delivery target is called: in metrics, in messages and in the store.
Name = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9_.-]+$")]
#: The records that can be delivered.
Event = Literal[
    "alert", "resolved", "digest", "question", "upload", "listening", "drift", "loss", "device", "wake", "answer"
]
#: How a webhook's body is spelled.
Format = Literal["standard", "alertmanager", "cloudevents", "slack", "discord", "ntfy"]
Seconds = Annotated[float, Field(gt=0, le=86_400)]

TOLD: tuple[Event, ...] = ("alert", "resolved", "digest", "question")


#: A URL, or where it is read from because it is a secret; tagged, so that an error names the form that was meant.
UrlOrSecret = Annotated[
    Annotated[Url, Tag("url")] | Annotated[Secret, Tag("secret")],
    Discriminator(lambda value: "secret" if isinstance(value, (dict, Secret)) else "url"),
]


class StoreSettings(Section):
    """The embedded store (SQLite). Over `max_bytes` the oldest goes first, and what nobody asked for goes last.

    The state folder is /var/lib/sniffer for the service and for root, ~/.local/state/sniffer for a user (also by sudo);
    `XDG_STATE_HOME` names another.
    """

    path: Annotated[FilePath, Field(json_schema_extra={"shown": "sniffer.db in the state folder"})] = Field(
        default_factory=partial(state_file, "sniffer.db")
    )
    max_bytes: Annotated[int, Field(ge=1 << 20)] = 256 << 20


class EventLogSettings(Section):
    """JSON Lines, one record a line; at `max_bytes` the file is rotated, and `keep` old ones stay."""

    path: Annotated[FilePath, Field(json_schema_extra={"shown": "events.jsonl in the state folder"})] = Field(
        default_factory=partial(state_file, "events.jsonl")
    )
    max_bytes: Annotated[int, Field(ge=1 << 16)] = 16 << 20
    keep: Annotated[int, Field(ge=0, le=1000)] = 4


class TargetSettings(Section):
    """What all targets of the outbox have: which records are delivered, and from which level on."""

    name: Name
    events: tuple[Event, ...] = TOLD
    level: Level = "low"
    timeout: Seconds = 10


class WebhookSettings(TargetSettings):
    """An HTTP receiver. `secret` signs by the Standard Webhooks scheme (`whsec_...`); `previous_secret` signs too while
    it is being rotated; `token` is sent as a bearer token. Slack's and Discord's URLs are secrets themselves, so
    `url` may say where it is read from; ntfy's topic is the last part of its URL."""

    url: UrlOrSecret
    format: Format = "standard"
    secret: Secret | None = None
    previous_secret: Secret | None = None
    token: Secret | None = None
    ca: Path | None = None

    @model_validator(mode="after")
    def _secret_address(self) -> WebhookSettings:
        if self.format in ("slack", "discord") and not isinstance(self.url, Secret):
            raise ValueError(f"a {self.format} URL is a secret: give `url: {{file: PATH}}` or `url: {{env: NAME}}`")
        return self


class AlertmanagerSettings(TargetSettings):
    """Alertmanager's own API (v2). An alert stays active for `active_seconds` unless it is resolved, and is sent again
    every `resend_seconds`, because Alertmanager forgets alerts when it restarts."""

    name: Name = "alertmanager"
    url: Url
    events: tuple[Event, ...] = ("alert", "resolved")
    token: Secret | None = None
    ca: Path | None = None
    active_seconds: Annotated[float, Field(ge=60, le=7 * 86_400)] = 3600
    resend_seconds: Annotated[float, Field(ge=1, le=3600)] = 60


class CollectorSettings(TargetSettings):
    """A collector of many houses (docs/collector.md): `batch` records a request, as lines of JSON (`ndjson`: Vector,
    ClickHouse) or for OpenSearch's bulk API. `house` is sent as a pseudonym made with `house_key`, which is the same in
    all houses of one owner; `redact` says what is left out. With `user`, `password` is sent, else `token`."""

    name: Name = "collector"
    url: Url
    events: tuple[Event, ...] = ("upload", "alert", "resolved", "loss", "drift")
    level: Level = "informational"
    format: Literal["ndjson", "opensearch"] = "ndjson"
    house: Annotated[str, Field(min_length=1, max_length=100)]
    house_key: Secret
    redact: Redaction = "no_names"
    batch: Annotated[int, Field(ge=1, le=1000)] = 100
    token: Secret | None = None
    user: str | None = None
    password: Secret | None = None
    ca: Path | None = None


class NotifySettings(TargetSettings):
    """Any of apprise's services; its URL holds tokens, so it is read from a file or the environment."""

    url: Secret


class MqttSettings(Section):
    """An MQTT broker: retained states for Home Assistant (found by discovery), and alerts as they happen. With
    `controls` Home Assistant has a switch that mutes a device for an hour and buttons that answer questions: every
    client that may publish on the broker can use them. By default that is allowed if the broker asks for a
    `username`."""

    name: Name = "mqtt"
    host: Host
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    username: str | None = None
    password: Secret | None = None
    tls: bool = False
    ca: Path | None = None
    client_id: str | None = None
    topic: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^+#\s/]+(/[^+#\s/]+)*$")] = "sniffer"
    discovery: Annotated[str, Field(max_length=100, pattern=r"^([^+#\s/]+(/[^+#\s/]+)*)?$")] = "homeassistant"
    events: tuple[Event, ...] = TOLD
    level: Level = "low"
    timeout: Seconds = 10
    problem_minutes: Annotated[float, Field(gt=0, le=7 * 1440)] = 60
    max_devices: Annotated[int, Field(ge=1, le=1000)] = 64
    controls: bool | None = None

    @property
    def may_control(self) -> bool:
        """Whether Home Assistant may mute and answer."""
        return self.username is not None if self.controls is None else self.controls

    @model_validator(mode="after")
    def _user(self) -> MqttSettings:
        if self.password is not None and self.username is None:
            raise ValueError("`password` without `username`")
        return self


class OutboxSettings(Section):
    """Messages that wait for their receiver. Over `max_messages` per target the oldest is dropped, which is counted and
    reported; a message that is older than `max_age_hours` is given up."""

    max_messages: Annotated[int, Field(ge=10, le=1_000_000)] = 5000
    max_bytes: Annotated[int, Field(ge=1 << 16)] = 32 << 20
    max_age_hours: Annotated[float, Field(gt=0, le=24 * 365)] = 7 * 24
    backoff_seconds: Seconds = 2
    max_backoff_seconds: Seconds = 900


class EvidenceSettings(Section):
    """Headers-only captures of unexpected uploads: `memory_bytes` of recent headers are held, `max_bytes` is the size
    of the folder (the oldest goes first), `max_file_bytes` that of one capture."""

    folder: Annotated[FilePath, Field(json_schema_extra={"shown": "evidence in the state folder"})] = Field(
        default_factory=partial(state_file, "evidence")
    )
    memory_bytes: Annotated[int, Field(ge=1 << 16, le=1 << 30)] = 8 << 20
    max_bytes: Annotated[int, Field(ge=1 << 16)] = 64 << 20
    max_file_bytes: Annotated[int, Field(ge=1 << 12)] = 1 << 20
    margin_seconds: Annotated[float, Field(ge=0, le=60)] = 2


class SinkSettings(Section):
    """Where records go beside the store."""

    event_log: EventLogSettings | None = Field(default_factory=EventLogSettings)
    evidence: EvidenceSettings | None = Field(default_factory=EvidenceSettings)
    webhooks: tuple[WebhookSettings, ...] = ()
    alertmanager: tuple[AlertmanagerSettings, ...] = ()
    collectors: tuple[CollectorSettings, ...] = ()
    notify: tuple[NotifySettings, ...] = ()
    mqtt: MqttSettings | None = None
    outbox: OutboxSettings = OutboxSettings.model_construct()

    @property
    def receivers(self) -> list[str]:
        """The names of all receivers."""
        names = [target.name for target in (*self.webhooks, *self.alertmanager, *self.collectors, *self.notify)]
        return names + ([self.mqtt.name] if self.mqtt else [])

    @model_validator(mode="after")
    def _unique_names(self) -> SinkSettings:
        names = self.receivers
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two targets have the name '{name}'")
        return self
