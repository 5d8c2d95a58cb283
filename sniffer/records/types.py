"""Every record that leaves the program: one frozen dataclass for each event type, spelled as in Suricata's EVE.

The dataclasses are the one description of the records. JSON Schemas, the fields that rules may ask for, the columns of
`sniffer export` and the tables of docs/events.md are generated from them (`sniffer.records.schemas`). A field name has
one JSON type in all event types, so that column stores can load a log that mixes them.

The file is over 400 lines because it is a table: one place for every field. `None` stands for *not known*. Times are
ISO-8601 in UTC with microseconds. Make records with `sniffer.records.build` and `sniffer.records.alerts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from sniffer.model import Answer, Level, StreamKind, Trust, UploadClass, VerdictKind, WakeKind
from sniffer.records.codec import to_json


@dataclass(frozen=True, slots=True)
class Column:
    """The field is a column of `sniffer export` under this name (its own name where it is empty)."""

    name: str = ""


# --- what several records have ----------------------------------------------------------------------------------------

#: ISO-8601 in UTC with microseconds.
Time: TypeAlias = Annotated[
    str,
    Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$", json_schema_extra={"format": "date-time"}),
]
Count: TypeAlias = Annotated[int, Field(ge=0)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Seconds: TypeAlias = Annotated[float, Field(ge=0)]
Port: TypeAlias = Annotated[int, Field(ge=0, le=65_535)]
Role: TypeAlias = Literal["voice", "telemetry", "control", "update", "media", "time", "unknown"]

Capture: TypeAlias = Annotated[str, Field(description="The interface, or the capture file's path as given.")]
SourceAddress: TypeAlias = Annotated[str, Field(description="The device's address."), Column()]
SourcePort: TypeAlias = Annotated[Port, Field(description="The device's port."), Column()]
DestinationAddress: TypeAlias = Annotated[str, Field(description="The server's address."), Column()]
DestinationPort: TypeAlias = Annotated[Port, Field(description="The server's port."), Column()]
Protocol: TypeAlias = Annotated[str, Field(description="`TCP` or `UDP`."), Column()]
CommunityId: TypeAlias = Annotated[
    str, Field(description="Community ID v1, to find the flow in Zeek, Suricata and Arkime."), Column()
]
Summary: TypeAlias = Annotated[str, Field(description="One sentence for people.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFields:
    """The device."""

    mac: Annotated[str | None, Field(description="MAC address; null where it is not known."), Column()]
    ip: Annotated[str | None, Field(description="The address it was last seen with.")]
    name: Annotated[str, Field(description="The configured name, or one made from model and MAC."), Column("device")]
    vendor: Annotated[str | None, Field(description="Its maker, as far as `rules/devices` can tell."), Column()]
    model: Annotated[str | None, Field(description="The model, where the traffic shows it."), Column()]
    kind: Annotated[str, Field(description="`speaker`, `display`, `camera`, `tv`, `hub`, ..., or `unknown`.")]
    confidence: Annotated[Share, Field(description="The probability that the identification is right.")]


Device: TypeAlias = Annotated[DeviceFields, Field(description="The device.")]
DeviceOrNone: TypeAlias = Annotated[DeviceFields | None, Field(description="The device. Null: about no single device.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFields:
    """The other side of the connection."""

    host: Annotated[str | None, Field(description="The host name, or null."), Column()]
    role: Annotated[Role, Field(description="What the name is used for."), Column()]
    source: Annotated[
        str | None,
        Field(description="Where the name comes from: `sni`, `quic`, `dns`, `mdns`, `dns_late`, or null."),
    ]


Service: TypeAlias = Annotated[
    ServiceFields,
    Field(
        description="The other side. A prior, never a verdict. The host name comes from the network: treat it as data."
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredFields:
    """What was sent."""

    upload_class: Annotated[
        UploadClass,
        Field(
            alias="class",
            description="`speech` (paced like a live microphone), `bulk` (audio-sized, unpaced), `media` (a call, a "
            "camera view), `sync`, `telemetry`, `other`.",
        ),
        Column(),
    ]
    score: Annotated[float, Field(description="The evidence in log-odds.")]
    probability: Annotated[Share, Field(description="The score as a probability of speech."), Column()]
    bytes: Annotated[Count, Field(description="Payload bytes sent."), Column()]
    bytes_toclient: Annotated[Count, Field(description="Payload bytes received."), Column()]
    packets: Annotated[Count, Field(description="Packets with payload that were sent."), Column()]
    duration: Annotated[Seconds, Field(description="Seconds from the first to the last of them."), Column()]
    bytes_per_second: Annotated[
        float | None, Field(description="Payload bytes sent per second; null where the duration is zero.")
    ]
    chunk_bytes: Annotated[int | None, Field(description="The most common chunk size, or null.")]
    chunks_per_second: Annotated[float | None, Field(description="Chunks per second, or null.")]
    speech_seconds: Annotated[Seconds, Field(description="Seconds of speech that this could hold."), Column()]
    answered: Annotated[bool, Field(description="Whether a download shaped like a spoken answer followed.")]
    bins: Annotated[
        tuple[Count, ...],
        Field(
            description="Payload bytes sent in each 250 ms from `timestamp` on (each minute where `packets` is 0: the "
            "sum of many small pieces); empty where the record would be too long."
        ),
    ]
    body: Annotated[tuple[int, int] | None, Field(description="First and one-past-last bin of the audio, or null.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceFields:
    """One piece of evidence."""

    name: Annotated[str, Field(description="The name of the evidence.")]
    value: Annotated[float, Field(description="As measured.")]
    weight: Annotated[float, Field(description="As added to the score (log-odds).")]
    text: Annotated[str, Field(description="For people.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class TestimonyFields:
    """What a listener heard in a span of time."""

    from_time: Annotated[Time, Field(alias="from", description="Start of the span.")]
    to: Annotated[Time, Field(description="End of the span.")]
    scores: Annotated[dict[str, float], Field(description="The best probability of each wake word in the span.")]
    voice: Annotated[Share, Field(description="The share of the span with voice activity.")]
    level_db: Annotated[float, Field(description="The loudest tenth of a second, in dB relative to full scale.")]
    noise_db: Annotated[float, Field(description="The noise floor, in dB relative to full scale.")]
    seconds: Annotated[Seconds, Field(description="How much of the span was heard.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardFields:
    """The testimony of one listener about an upload."""

    source: Annotated[str, Field(description="The listener.")]
    weight: Annotated[float, Field(description="What it adds to the log-odds that the upload was asked for.")]
    heard: Annotated[TestimonyFields, Field(description="What it heard around the upload.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeFields:
    """The wake event that belongs to the upload."""

    seen: Annotated[bool, Field(description="Whether a wake event explains the upload.")]
    relation: Annotated[
        str,
        Field(description="`direct`, `follow_up`, `arbitration`, `call`, `view`, `faint`, `answer` or `none`."),
        Column("wake_relation"),
    ]
    source: Annotated[str | None, Field(description="The source that reported it."), Column("wake_source")]
    trust: Annotated[
        Trust | None,
        Field(description="`independent` (a listener of your own), `self_report` (the vendor's own word) or `person`."),
    ]
    gap_seconds: Annotated[
        float | None,
        Field(description="Upload start minus wake time; positive: the wake event came first."),
        Column(),
    ]
    testimony: Annotated[tuple[HeardFields, ...], Field(description="What listeners heard around the upload.")] = ()
    answer: Annotated[Answer | None, Field(description="What a person said about it, or null.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryFields:
    """The device's past, for rules."""

    speech_uploads: Annotated[int | None, Field(description="Speech uploads of this device before this one.")]
    destination_uploads: Annotated[
        int | None,
        Field(description="Speech uploads to this host (or network, without a name) before this one."),
    ]
    unexpected_in_24h: Annotated[
        int | None,
        Field(description="Unexpected uploads of this device in the 24 hours before, this one included."),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestDevice:
    """One device in the digest."""

    name: Annotated[str, Field(description="Its name.")]
    mac: Annotated[str | None, Field(description="Its MAC address.")]
    uploads: Annotated[int, Field(description="Uploads that could hold speech.")]
    speech_seconds: Annotated[float, Field(description="Seconds of speech that they could hold.")]
    expected: Annotated[int, Field(description="Uploads that were asked for.")]
    unexpected: Annotated[int, Field(description="Uploads that were not asked for.")]
    inconclusive: Annotated[int, Field(description="Uploads without an answer either way.")]
    unexpected_speech_seconds: Annotated[float, Field(description="Seconds of speech that were not asked for.")]
    bytes: Annotated[int, Field(description="Payload bytes sent.")]
    muted: Annotated[int, Field(description="Alerts that a maintenance window held back.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnaskedShare:
    """What people's answers say of recordings like those that they were asked about."""

    answers: Annotated[int, Field(description="Clear answers (yes or no) in the two weeks before.")]
    low: Annotated[int, Field(description="At least as many of 100 were not asked for (95 %).")]
    high: Annotated[int, Field(description="At most as many of 100 were not asked for (95 %).")]


# --- the event types --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Event:
    """A record that leaves the program."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object, spelled as in docs/events.md."""
        return to_json(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRecord(Event):
    """A stretch of upload and its verdict. When it is judged again, it comes again with a higher `revision`."""

    event_type: Annotated[Literal["upload"], Field(description="Always `upload`.")] = "upload"
    id: Annotated[
        str,
        Field(
            pattern=r"^\d{8}T\d{6}\.\d{3}-[0-9a-f]{8}$",
            description="Deterministic: start time, and a hash of device, first flow and (offline) capture.",
        ),
        Column(),
    ]
    revision: Annotated[Count, Field(description="Grows by one each time the upload is judged again."), Column()]
    capture: Capture
    timestamp: Annotated[Time, Field(description="The first upstream payload packet."), Column()]
    end: Annotated[Time, Field(description="The last upstream payload packet."), Column()]
    device: Device
    src_ip: SourceAddress
    src_port: SourcePort
    dest_ip: DestinationAddress
    dest_port: DestinationPort
    proto: Protocol
    community_id: CommunityId
    service: Service
    upload: Annotated[MeasuredFields, Field(description="What was sent.")]
    evidence: Annotated[
        tuple[EvidenceFields, ...], Field(description="Why it has its class, each item with its share of the score.")
    ]
    flows: Annotated[
        tuple[str, ...], Field(description="All flows that the upload used: `src:port > dest:port PROTO`.")
    ]
    wake: Annotated[WakeFields, Field(description="The wake event that belongs to the upload.")]
    verdict: Annotated[
        VerdictKind | None,
        Field(description="Whether it was asked for. Null where the class is not judged."),
        Column(),
    ]
    confidence: Annotated[Share, Field(description="The probability that the verdict is right."), Column()]
    reason: Annotated[str, Field(description="Why, in one word: `no_wake_event`, `no_wake_source`, ..."), Column()]
    decided_by: Annotated[
        str | None,
        Field(description="The policy that gave the verdict (docs/detection.md lists them); null where not recorded."),
        Column(),
    ] = None
    listened: Annotated[
        tuple[str, ...], Field(description="The wake sources that were up and could have heard a request.")
    ]
    history: Annotated[HistoryFields, Field(description="The device's past, for rules; null where it is not known.")]
    level: Annotated[
        Level | None, Field(description="The highest severity of the rules that matched; null: none matched."), Column()
    ]
    rules: Annotated[tuple[str, ...], Field(description="The ids of the rules that matched."), Column()]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListeningRecord(Event):
    """A stretch of upload that looks like live audio and still lasts, or (`listening` false) has ended."""

    event_type: Annotated[Literal["listening"], Field(description="Always `listening`.")] = "listening"
    capture: Capture
    timestamp: Annotated[Time, Field(description="When it was noticed.")]
    start: Annotated[Time, Field(description="When it began.")]
    listening: Annotated[bool, Field(description="True while it lasts; false ends or withdraws it.")]
    kind: Annotated[
        StreamKind, Field(description="`voice` (what could be a voice alone), `view` (a camera is watched) or `call`.")
    ]
    device: Device
    src_ip: SourceAddress
    src_port: SourcePort
    dest_ip: DestinationAddress
    dest_port: DestinationPort
    proto: Protocol
    community_id: CommunityId
    service: Service
    score: Annotated[float, Field(description="The evidence so far, in log-odds.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRecord(Event):
    """A device was recognised, or what is known of it changed."""

    event_type: Annotated[Literal["device"], Field(description="Always `device`.")] = "device"
    capture: Capture
    timestamp: Annotated[Time, Field(description="When.")]
    device: Device
    host: Annotated[str, Field(description="The key of the host: its MAC address, or its IP address.")]
    microphone: Annotated[bool, Field(description="Whether it has a microphone, so that its uploads are judged.")]
    configured: Annotated[bool, Field(description="Whether the configuration says what it is.")]
    rules: Annotated[tuple[str, ...], Field(description="The device rules that matched.")]
    reasons: Annotated[
        tuple[str, ...],
        Field(description="The reasons for the identification, in words. They hold names from the network."),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeRecord(Event):
    """A wake source reported a request, or went up or down. `--wake` reads it back."""

    event_type: Annotated[Literal["wake"], Field(description="Always `wake`.")] = "wake"
    timestamp: Annotated[Time, Field(description="When it happened.")]
    received: Annotated[Time, Field(description="When the report arrived.")]
    device: Annotated[
        DeviceFields | None,
        Field(description="The device as the source named it (`name`, `mac`); null is every speaker in the house."),
    ]
    source: Annotated[str, Field(description="The source that reported it.")]
    kind: Annotated[WakeKind, Field(description="What happened.")]
    trust: Annotated[Trust, Field(description="`independent` or `self_report`; `person` for answers.")]
    vendor: Annotated[str | None, Field(description="Limits the event to one vendor's speakers.")]
    miss_rate: Annotated[
        float | None, Field(description="On `source_up`: the share of wake words that the source misses.")
    ]
    testimony: Annotated[TestimonyFields | None, Field(description="On `testimony`: what the listener heard.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionRecord(Event):
    """A question to a person: was this upload asked for? At most one a day and device; answer within a day."""

    event_type: Annotated[Literal["question"], Field(description="Always `question`.")] = "question"
    id: Annotated[str, Field(description="The id of the question.")]
    timestamp: Annotated[Time, Field(description="When it was asked.")]
    expires: Annotated[Time, Field(description="Until when an answer counts.")]
    capture: Capture
    device: Device
    upload_id: Annotated[str, Field(description="The id of the upload; `sniffer answer` takes it.")]
    level: Annotated[Level, Field(description="Always `low`.")]
    unasked: Annotated[Share, Field(description="The probability that nobody asked for the upload.")]
    first: Annotated[Time, Field(description="When the upload began.")]
    speech_seconds: Annotated[Seconds, Field(description="Seconds of speech that it could hold.")]
    summary: Summary
    text: Annotated[str, Field(description="The question.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRecord(Event):
    """A person answered whether an upload was asked for. The last answer counts. `--wake` reads it back."""

    event_type: Annotated[Literal["answer"], Field(description="Always `answer`.")] = "answer"
    timestamp: Annotated[Time, Field(description="When it was given.")]
    received: Annotated[Time, Field(description="When it arrived.")]
    source: Annotated[str, Field(description="The way it came: the name of a token or wake source, or `link`.")]
    upload_id: Annotated[str, Field(description="The id of the upload.")]
    answer: Annotated[Answer, Field(description="Whether it was asked for: `yes`, `no`, or `unsure`.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRecord(Event):
    """A notification. Not repeated for the same upload, nor within the cooldown of its device and rule."""

    event_type: Annotated[Literal["alert"], Field(description="Always `alert`.")] = "alert"
    id: Annotated[str, Field(description="Stable: the same cause has the same id.")]
    timestamp: Annotated[Time, Field(description="When it was raised.")]
    kind: Annotated[
        Literal["upload", "rollup", "health", "test"],
        Field(
            description="`upload` (one upload), `rollup` (more of the same during the cooldown), `health` (the monitor "
            "itself), `test`."
        ),
    ]
    dedup_key: Annotated[str, Field(description="The same for repetitions of the same thing: device and rule.")]
    level: Annotated[Level, Field(description="The severity of the rule.")]
    rule: Annotated[str, Field(description="The id of the first rule that matched.")]
    rules: Annotated[tuple[str, ...], Field(description="The ids of all rules that matched.")]
    title: Annotated[str, Field(description="The title of the rule.")]
    device: DeviceOrNone
    upload_id: Annotated[
        str | None, Field(description="The id of the (last) upload; `sniffer explain` takes it. Null: about no upload.")
    ]
    upload_ids: Annotated[tuple[str, ...], Field(description="The ids of all uploads that the alert is about.")]
    count: Annotated[Count, Field(description="The number of uploads (or messages) that the alert is about.")]
    speech_seconds: Annotated[Seconds, Field(description="Seconds of speech that they could hold.")]
    first: Annotated[Time, Field(description="When the first of them began.")]
    last: Annotated[Time, Field(description="When the last of them began.")]
    verdict: Annotated[VerdictKind | None, Field(description="The verdict.")]
    confidence: Annotated[float | None, Field(description="The probability that the verdict is right.")]
    reason: Annotated[str, Field(description="Why, in one word.")]
    summary: Summary
    text: Annotated[str, Field(description="The explanation for people.")]
    triage: Annotated[tuple[str, ...], Field(description="What to do, step by step.")]
    record: Annotated[
        UploadRecord | None, Field(description="The upload's record as it was then (without its bins), or null.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedRecord(Event):
    """The uploads of an alert have been explained, most often by a wake event that arrived late."""

    event_type: Annotated[Literal["resolved"], Field(description="Always `resolved`.")] = "resolved"
    id: Annotated[str, Field(description="The id of the alert that is resolved.")]
    timestamp: Annotated[Time, Field(description="When.")]
    dedup_key: Annotated[str, Field(description="The same for repetitions of the same thing: device and rule.")]
    level: Annotated[Level, Field(description="The severity of the rule.")]
    rule: Annotated[str, Field(description="The id of the first rule that matched.")]
    rules: Annotated[tuple[str, ...], Field(description="The ids of all rules that matched.")]
    device: DeviceOrNone
    upload_id: Annotated[
        str | None, Field(description="The id of the (last) upload; `sniffer explain` takes it. Null: about no upload.")
    ]
    upload_ids: Annotated[tuple[str, ...], Field(description="The ids of all uploads that the alert is about.")]
    count: Annotated[Count, Field(description="The number of uploads that the alert is about.")]
    first: Annotated[Time, Field(description="When the first of its uploads began.")]
    verdict: Annotated[VerdictKind | None, Field(description="The verdict now.")]
    reason: Annotated[str, Field(description="Why, in one word.")]
    wake: Annotated[WakeFields, Field(description="The wake event that belongs to the upload.")]
    summary: Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class LossRecord(Event):
    """Packets were lost: uploads at that time cannot be judged."""

    event_type: Annotated[Literal["loss"], Field(description="Always `loss`.")] = "loss"
    timestamp: Annotated[Time, Field(description="From when on.")]
    end: Annotated[Time, Field(description="Until when.")]
    interface: Annotated[str, Field(description="Where.")]
    packets: Annotated[
        int,
        Field(
            description="The number of lost packets; 0 where nothing was seen at all: the interface was down, the "
            "clock was set forward, or the machine slept."
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsRecord(Event):
    """The state of the daemon, once a minute, in the event log only."""

    event_type: Annotated[Literal["stats"], Field(description="Always `stats`.")] = "stats"
    capture: Capture
    timestamp: Annotated[Time, Field(description="When.")]
    uptime_seconds: Annotated[float, Field(description="Seconds since the start of the daemon.")]
    packets: Annotated[int, Field(description="Packets captured since the start.")]
    dropped: Annotated[int, Field(description="Packets that the kernel dropped.")]
    decode_errors: Annotated[int, Field(description="Packets that could not be decoded.")]
    open_flows: Annotated[int, Field(description="Flows that are being followed.")]
    devices: Annotated[int, Field(description="Hosts seen.")]
    watched: Annotated[int, Field(description="Devices watched.")]
    uploads: Annotated[int, Field(description="Uploads reported.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRecord(Event):
    """A device's behaviour has moved away from what was learned. Announced, never absorbed silently."""

    event_type: Annotated[Literal["drift"], Field(description="Always `drift`.")] = "drift"
    capture: Capture
    timestamp: Annotated[Time, Field(description="When it was noticed.")]
    device: Device
    what: Annotated[str, Field(description="The quantity that moved.")]
    before: Annotated[float, Field(description="As learned.")]
    after: Annotated[float, Field(description="As seen now.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestRecord(Event):
    """The uploads of a day. Sent to each receiver that takes digests, unless switched off."""

    event_type: Annotated[Literal["digest"], Field(description="Always `digest`.")] = "digest"
    id: Annotated[str, Field(description="Stable: the day has one id.")]
    timestamp: Annotated[Time, Field(description="When it was made.")]
    since: Annotated[Time, Field(description="The beginning of the period.")]
    until: Annotated[Time, Field(description="The end of the period.")]
    by_device: Annotated[
        tuple[DigestDevice, ...], Field(description="Each device with uploads that are judged, unasked ones first.")
    ]
    uploads: Annotated[int, Field(description="All uploads that could hold speech.")]
    speech_seconds: Annotated[float, Field(description="All seconds of speech.")]
    unexpected: Annotated[int, Field(description="All uploads that were not asked for.")]
    summary: Summary
    unasked_share: Annotated[
        UnaskedShare | None, Field(description="By people's answers; null where fewer than five were clear.")
    ] = None
    text: Annotated[str, Field(description="One line per device, and what people's answers say.")]


#: Every event type and the dataclass of its records, in the order of docs/events.md.
EVENTS: dict[str, type[Event]] = {
    "upload": UploadRecord,
    "listening": ListeningRecord,
    "device": DeviceRecord,
    "wake": WakeRecord,
    "question": QuestionRecord,
    "answer": AnswerRecord,
    "alert": AlertRecord,
    "resolved": ResolvedRecord,
    "loss": LossRecord,
    "stats": StatsRecord,
    "drift": DriftRecord,
    "digest": DigestRecord,
}
