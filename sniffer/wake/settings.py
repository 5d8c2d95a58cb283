"""What can be set about wake sources: one class a type, told apart by `type`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator, model_validator

from sniffer.model import SourceTrust, Trust, WakeKind, WakeSource, host_key
from sniffer.settings.base import FilePath, Host, Secret, Section, Url
from sniffer.wake.satellite_address import parse_address

Seconds = Annotated[float, Field(ge=0, le=600)]
Port = Annotated[int, Field(ge=1, le=65535)]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w .:-]+$")]
Hears = Literal["wake", "call", "view"]


#: Seconds for which the word of a source holds that gives signs of life by itself.
ALIVE_SECONDS = 60.0


class WindowSettings(Section):
    """Where an event of a source lies: at most `before` seconds before the upload's start, or `after` seconds
    after it. Its clock's own error is learned and need not be added."""

    before: Seconds = 6.0
    after: Seconds = 4.0


class SourceSettings(Section):
    """What every source has; `WakeSettings` says what it means."""

    name: Name
    trust: SourceTrust = Trust.INDEPENDENT
    hears: tuple[Hears, ...] | None = None
    devices: tuple[str, ...] = ()
    vendor: str | None = None
    window: WindowSettings = WindowSettings.model_construct()
    hold_off: Seconds = 3.0
    miss_rate: Annotated[float, Field(ge=0, lt=1)] = 0.05
    heartbeat: Annotated[float, Field(ge=5, le=86400)] | None = None
    heard_within: Annotated[float, Field(ge=60, le=86400)] = 86400.0

    def spec(self) -> WakeSource:
        """What the judge must know of it."""
        hears = frozenset(self.ears if self.hears is None else self.hears)
        return WakeSource(
            name=self.name,
            trust=self.trust,
            hears=hears,
            devices=self.devices,
            vendor=self.vendor,
            before=self.window.before,
            after=self.window.after,
            hold_off=self.hold_off,
            miss_rate=self.miss_rate,
            measured=True,
            assumed_up=self.assumed_up,
            expires=self.expires,
            heard_within=self.heard_within if "wake" in hears and self.trust is Trust.INDEPENDENT else None,
            infers_absence=self.infers_absence,
        )

    @property
    def infers_absence(self) -> bool:
        """Whether it concludes from the silence of phones that the house is empty."""
        return False

    @property
    def expires(self) -> float | None:
        """Seconds for which a sign of life holds; none if its end is always noticed."""
        return self.heartbeat

    @property
    def ears(self) -> tuple[Hears, ...]:
        """What it hears, unless configured."""
        return ("wake",)

    @property
    def assumed_up(self) -> bool:
        """It counts as up, since its end is not reported; unless it sends heartbeats."""
        return False


class UnseenSource(SourceSettings):
    """A source whose end is not noticed: without heartbeats it explains uploads, and its silence says nothing."""

    @property
    def ears(self) -> tuple[Hears, ...]:
        return () if self.heartbeat is None else ("wake",)

    @model_validator(mode="after")
    def _lives(self) -> UnseenSource:
        if self.hears and self.heartbeat is None:
            raise ValueError("`hears` needs `heartbeat` here (such as 60): without it, its end is not noticed")
        return self


class HttpSource(UnseenSource):
    """A program that posts to `/api/v1/wake` with a token of this source's name. With `heartbeat: 60` it is a listener,
    and must give a sign of life that often, as `sniffer listen` does (`source_up`). Without, it only explains."""

    type: Literal["http"]

    @property
    def assumed_up(self) -> bool:
        return self.heartbeat is None


class FileSource(UnseenSource):
    """A file of JSON lines that something else appends to. It is a listener with `heartbeat`, as over HTTP."""

    type: Literal["file"]
    path: FilePath
    poll: Annotated[float, Field(ge=0.05, le=60)] = 0.5


class TopicSettings(Section):
    """One MQTT topic (wildcards allowed) and what a message on it means.

    `field` is where to look in a JSON message (`a.b` for nesting; none is the whole message as text), `equals` the
    values that count (none is any), `kind` what they mean. `device` is whom it is for; `device_level` takes the
    device's name from that level of the topic (0 is the first) instead.
    """

    topic: Annotated[str, Field(min_length=1, max_length=256)]
    kind: WakeKind = WakeKind.WAKE
    field: str | None = None
    equals: tuple[str, ...] = ()
    device: str | None = None
    device_level: Annotated[int, Field(ge=0, le=32)] | None = None


class MqttSource(SourceSettings):
    """A broker. `topic` carries events in our own format; `answer_topic` answers to questions
    (`{"upload_id": ..., "answer": "yes"}`); `hermes` listens to Rhasspy's hotword messages; `topics`
    maps anything else, such as a Zigbee button. `tls` uses the system's certificates, or those of `ca_file`.
    `client_id` is by default one that only this installation and source have. It is a listener with `hermes` or
    `heartbeat`, or where `hears` says so."""

    type: Literal["mqtt"]
    host: Host
    port: Port | None = None
    user: str | None = None
    password: Secret | None = None
    client_id: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    tls: bool = False
    ca_file: Path | None = None
    topic: str = "sniffer/wake"
    status_topic: str = "sniffer/wake/status"
    answer_topic: str = "sniffer/answer"
    hermes: bool = False
    topics: tuple[TopicSettings, ...] = ()

    @property
    def ears(self) -> tuple[Hears, ...]:
        return ("wake",) if self.hermes or self.heartbeat is not None else ()

    @property
    def expires(self) -> float | None:
        """The end of a satellite behind the broker is not noticed: without heartbeats it hears between two words."""
        hears_words = "wake" in (self.ears if self.hears is None else self.hears)
        return self.heartbeat or (ALIVE_SECONDS if hears_words else None)


class HomeAssistantSource(SourceSettings):
    """Home Assistant's WebSocket API. `url` is `http://homeassistant.local:8123`; `token` a long-lived access token.

    `last_called`: Alexa Media Player's `alexa_media_last_called_event`, always a self-report, under the source name
    `NAME-vendor`. `satellites` maps `assist_satellite` entities to the devices beside them (an empty name is the
    whole house); `probes` gives their addresses (`192.168.1.50`, `192.168.1.51:6053`), at which they are asked whether
    they live, because Home Assistant notices late or never that they do not. `entities` maps any other entity's states
    and events to kinds of events.
    """

    type: Literal["home_assistant"]
    url: Url
    token: Secret
    ca_file: Path | None = None
    last_called: bool = True
    devices_by_name: dict[str, str] = Field(default_factory=dict)
    satellites: dict[str, str] = Field(default_factory=dict)
    probes: dict[str, str] = Field(default_factory=dict)
    entities: tuple[EntitySettings, ...] = ()

    @model_validator(mode="after")
    def _probes_are_of_satellites(self) -> HomeAssistantSource:
        for entity, address in self.probes.items():
            if entity not in self.satellites:
                raise ValueError(f"`probes` names {entity}, which is not in `satellites`")
            parse_address(address)
        return self

    def specs(self) -> tuple[WakeSource, ...]:
        """Listeners of your own and the vendor's history, which must not be mixed."""
        if not self.has_vendor:
            return (self.spec(),)
        vendor = self.model_copy(
            update={
                "name": self.vendor_name,
                "trust": Trust.SELF_REPORT,
                "heartbeat": None,
                "hold_off": 75.0,
                "hears": ("wake",),
            }
        )
        return (self.spec(), vendor.spec())

    @property
    def ears(self) -> tuple[Hears, ...]:
        """What its satellites and entities can tell. Without any, its silence means nothing."""
        kinds = {entity.kind for entity in self.entities}
        found: list[Hears] = ["wake"] if self.satellites else []
        found += ["call"] if WakeKind.CALL_START in kinds else []
        found += ["view"] if WakeKind.VIEW_START in kinds else []
        return tuple(found)

    @property
    def expires(self) -> float | None:
        return ALIVE_SECONDS if self.trust is Trust.INDEPENDENT else None

    @property
    def has_vendor(self) -> bool:
        """Whether the vendor's word comes by it, too."""
        return self.last_called or any(entity.trust is Trust.SELF_REPORT for entity in self.entities)

    @property
    def vendor_name(self) -> str:
        """The name under which the vendor's history speaks."""
        return f"{self.name}-vendor"


class EntitySettings(Section):
    """A Home Assistant entity: when it changes to `to`, that means `kind` for `device`; `to: any` is any change. Of an
    entity whose state is the time of its last event (`event`, `conversation`, `button`), give `event_type`, the types
    that count, or `to: any`. `trust: self_report` is for the vendor's word, such as the voice events of a cloud."""

    entity: Annotated[str, Field(pattern=r"^[a-z0-9_]+\.[a-z0-9_]+$")]
    to: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    event_type: tuple[str, ...] = ()
    kind: WakeKind = WakeKind.WAKE
    device: str | None = None
    trust: SourceTrust = Trust.INDEPENDENT

    @model_validator(mode="after")
    def _when(self) -> EntitySettings:
        if (self.to is None) == (not self.event_type):
            raise ValueError("give either `to` (a state, or `any`) or `event_type` (of an event entity)")
        return self


class WyomingSource(SourceSettings):
    """The Wyoming protocol. With `host` we connect to a satellite or wake-word service that sends `detection`
    events; with `listen` we wait for a satellite that reports to us. `names` are the wake words that count (none
    is any)."""

    type: Literal["wyoming"]
    host: Host | None = None
    port: Port = 10400
    listen: Host | None = None
    names: tuple[str, ...] = ()

    @property
    def expires(self) -> float | None:
        return self.heartbeat or ALIVE_SECONDS

    @model_validator(mode="after")
    def _one(self) -> WyomingSource:
        if (self.host is None) == (self.listen is None):
            raise ValueError("give either `host` (to connect to) or `listen` (an address of ours)")
        return self


class PresenceSource(SourceSettings):
    """The home is occupied while any of these MACs (phones) sends something, and empty after `away_after` seconds of
    silence of all of them."""

    type: Literal["presence"]
    macs: Annotated[tuple[str, ...], Field(min_length=1)]
    away_after: Annotated[float, Field(ge=60, le=86400)] = 1200.0

    @field_validator("macs")
    @classmethod
    def _addresses(cls, macs: tuple[str, ...]) -> tuple[str, ...]:
        for mac in macs:
            host_key(mac)
        return macs

    @property
    def ears(self) -> tuple[Hears, ...]:
        return ()

    @property
    def assumed_up(self) -> bool:
        return True

    @property
    def infers_absence(self) -> bool:
        return True


HomeAssistantSource.model_rebuild()

AnySource = Annotated[
    HttpSource | FileSource | MqttSource | HomeAssistantSource | WyomingSource | PresenceSource,
    Field(discriminator="type"),
]


class WakeSettings(Section):
    """The sources of wake events.

    Each has `trust`: `independent` is your own listener, `self_report` the vendor's word. `hears` is what its
    silence says something about: a listener hears `wake`, a source of calls `call`, one that knows who watches a
    camera `view`; nothing (`[]`) for a button that is only pressed sometimes. Where it is not given, each type says
    below what makes it a listener. `devices` (names or MACs; none is the whole house) and `vendor` limit which devices
    it hears for. `hold_off` is how many seconds after an upload to wait for it. `miss_rate` is the first guess of the
    share of requests that it misses. Where `heartbeat` is given, the source counts as down that many seconds after its
    last sign of life. The silence of a listener counts for a device only if it reported a request to that device at
    most `heard_within` seconds before, and has been up ever since.
    """

    sources: tuple[AnySource, ...] = ()

    @model_validator(mode="after")
    def _unique(self) -> WakeSettings:
        names = [spec.name for spec in self.specs()]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two wake sources have the name '{name}'")
        return self

    def specs(self) -> list[WakeSource]:
        """What the judge must know of all sources."""
        found: list[WakeSource] = []
        for source in self.sources:
            found += source.specs() if isinstance(source, HomeAssistantSource) else (source.spec(),)
        return found


#: The types of sources there are.
TYPES: tuple[str, ...] = tuple(
    get_args(kind.model_fields["type"].annotation)[0] for kind in get_args(get_args(AnySource)[0])
)
