"""Live uploads that are no utterance: a camera's view, a call, a stream without an end.

Each rule is about something that no spoken command has. A stream that is `sure` is one by itself; one that is not
becomes one where it lasts, together with what follows on the same connection or beside it (`detect.sessions`).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass

from sniffer.detect.features.video import KeyFrames
from sniffer.detect.scoring.observation import OWN_PIECES, Observation
from sniffer.model import PROTO_UDP, Evidence, FlowKey, StreamKind

#: How much faster than its pace a run opens, at most, that has no opening.
_NOT_OPENED = 1.25
#: Seconds of a stream without an opening that are no answer to a question, and bytes a second: devices that report in
#: rows of equal pieces send less.
_LONG_S, _LIVE_RATE = 10.0, 5_000
#: Seconds: longer than anybody speaks to a speaker.
_LONGEST_UTTERANCE_S = 75.0
#: Bytes a second of a stream: less is a trickle of keep-alive messages.
LEAST_STREAM = 1_000
#: Bytes a second that moving pictures take and assistants do not: the fastest send 16 kHz PCM, 32 kB/s.
_PICTURES = 60_000
#: For how many seconds, in datagrams: the head of a Nest Mini, 200 kB, lasts up to two.
_PICTURES_S = 3.0
#: ... and over TCP, where a file on a slow line is as fast.
_TCP_PICTURES_S = 6.0
#: The share of full packets from which on a TCP stream is a file that goes as fast as the line takes it.
_FILE_SHARE = 0.6
#: Ports of QUIC. Assistants send by TLS or QUIC; live datagrams to any other port are RTP's or a camera's tunnel.
_QUIC_PORTS = frozenset({80, 443})
#: The share of quarter seconds with as much coming back from which on other datagrams than QUIC's are an exchange.
_TWO_WAY = 0.5
#: ... and QUIC's, where an answer may come back while a device still sends.
_QUIC_TWO_WAY = 0.7
#: Seconds of datagrams that make a stream by themselves.
_SURE_S = 4.0
#: Bytes a second from which on live datagrams are pictures rather than a call's sound.
_VIEW_RATE = 20_000
#: The share of what was sent that comes back from which on a stream is a call, however fast.
_BACK = 0.2
#: Bytes of datagrams that may be a picture.
_PICTURE_BYTES = 20_000
#: So many times more coming back is a download.
_DOWNLOAD = 8


@dataclass(frozen=True, slots=True)
class Stream:
    """What a run is, whether that is sure, whether no voice can have been heard in it before, and why it is."""

    kind: StreamKind
    sure: bool
    why: Evidence
    from_the_start: bool = True


@dataclass(frozen=True, slots=True)
class Live:
    """A run as far as rules for streams are concerned. `two_way` is the share of quarter seconds in which a comparable
    amount came back, `twin` whether another connection of the device sends the same at the same time, `opened` how much
    faster the run opened than it went on."""

    seen: Observation
    port: int
    score: float
    two_way: float
    frames: KeyFrames | None
    twin: bool = False
    opened: float | None = None

    @property
    def quic(self) -> bool:
        """Whether this may be QUIC."""
        return self.port in _QUIC_PORTS


def takes_speech(flow: FlowKey) -> bool:
    """Whether assistants send speech so: by TLS, or by QUIC."""
    return flow.proto != PROTO_UDP or flow.dst_port in _QUIC_PORTS


Rule = Callable[[Live], Stream | None]


def stream_of(live: Live, without: Container[str] = ()) -> Stream | None:
    """The stream that a run is part of, by the first rule that says so; `without` names rules that are switched off."""
    chosen = (rule for name, rule in RULES.items() if name not in without)
    return next((stream for rule in chosen if (stream := rule(live)) is not None), None)


def _key_frames(live: Live) -> Stream | None:
    frames = live.frames
    if frames is None:
        return None
    count = len(frames.seconds)
    size = f"{frames.bytes / 1000:.0f} kB"
    if count > 1:
        text = f"{count} bursts of about {size} stood in a steady stream at one distance, as a camera's pictures do"
    else:
        text = f"A burst of {size} stood in the middle of a steady stream, as a camera's picture does"
    return Stream(StreamKind.VIEW, True, Evidence("key_frames", float(count), 0.0, text))


def _long_without_opening(live: Live) -> Stream | None:
    """A steady stream that is longer than the answer to a question, and no wake word before it."""
    shape = live.seen.shape
    if live.opened is None or live.opened > _NOT_OPENED or live.score < 0 or shape.duration < _LONG_S:
        return None
    if shape.rate < _LIVE_RATE or lock_step(live.seen) or (live.seen.pieces or 0.0) > OWN_PIECES:
        return None
    text = f"It went on for {shape.duration:.0f} s at one speed from the first moment on, without a request before it"
    return Stream(StreamKind.VIEW, True, Evidence("no_beginning", shape.duration, 0.0, text))


def _pictures(live: Live) -> Stream | None:
    """A rate that no speech codec has, for longer than an utterance's head."""
    shape = live.seen.shape
    fast = shape.typical_rate >= _PICTURES and (shape.body == 0 or shape.rate >= _PICTURES)
    if live.seen.datagrams:
        steady = shape.duration >= _PICTURES_S
    else:
        steady = shape.duration >= _TCP_PICTURES_S and shape.body > 0 and shape.full_share < _FILE_SHARE
    if not fast or not steady or lock_step(live.seen):
        return None
    text = f"For {shape.duration:.0f} s {shape.typical_rate / 1000:.0f} kB a second left: more than any speech takes"
    return Stream(StreamKind.VIEW, True, Evidence("picture_rate", shape.typical_rate, 0.0, text))


def _exchange(live: Live) -> Stream | None:
    """Datagrams both ways."""
    shape, least = live.seen.shape, _QUIC_TWO_WAY if live.quic else _TWO_WAY
    if not live.seen.datagrams or live.two_way < least:
        return None
    download = live.seen.down_body > _DOWNLOAD * shape.body_bytes
    if live.quic and (download or shape.duration < _PICTURES_S or shape.body < 2):
        return None
    text = f"In {live.two_way:.0%} of the time as much came back, as in a call"
    sure = shape.duration >= _SURE_S and shape.bytes >= LEAST_STREAM * shape.duration and not download
    return Stream(StreamKind.CALL, sure, Evidence("two_way", live.two_way, 0.0, text))


def _live_datagrams(live: Live) -> Stream | None:
    """Live datagrams that are not QUIC: no assistant sends speech so."""
    shape = live.seen.shape
    if not live.seen.datagrams or live.quic or live.score < 0 or live.seen.service.role == "voice":
        return None
    one_way = live.seen.down_total < _BACK * shape.bytes
    fast = shape.bytes / max(shape.duration, 0.25) >= _VIEW_RATE
    kind = StreamKind.VIEW if fast and one_way else StreamKind.CALL
    text = f"It left in datagrams to port {live.port}: assistants send speech by TLS or QUIC, cameras and calls do not"
    return Stream(kind, shape.duration >= _SURE_S, Evidence("datagrams", float(live.port), 0.0, text))


def _datagram_pictures(live: Live) -> Stream | None:
    """Many datagrams that are not QUIC: pictures, in bursts that a pause may separate, or a clip if they soon end."""
    shape = live.seen.shape
    rate = shape.bytes / max(shape.duration, 0.25)
    if not live.seen.datagrams or live.quic or shape.bytes < _PICTURE_BYTES or rate < _VIEW_RATE:
        return None
    if live.seen.down_body > shape.bytes:
        return None
    text = f"{shape.bytes / 1000:.0f} kB left in datagrams to port {live.port}, as a camera's pictures do"
    return Stream(StreamKind.VIEW, False, Evidence("datagrams", float(live.port), 0.0, text))


def _twin(live: Live) -> Stream | None:
    """The same to two peers at once: no microphone's."""
    if not live.twin:
        return None
    text = "Another connection sent the same at the same time, as games and calls do"
    return Stream(StreamKind.CALL, False, Evidence("twin", 1.0, 0.0, text))


def _endless(live: Live) -> Stream | None:
    shape = live.seen.shape
    rate = shape.bytes / max(shape.duration, 0.25)
    if shape.duration < _LONGEST_UTTERANCE_S or rate < LEAST_STREAM or lock_step(live.seen):
        return None
    if live.seen.down_body >= _DOWNLOAD * shape.bytes:
        return None
    kind = StreamKind.CALL if live.two_way >= _TWO_WAY else StreamKind.VIEW
    text = f"It lasted {shape.duration:.0f} s: longer than anybody speaks to a speaker"
    return Stream(kind, True, Evidence("endless", shape.duration, 0.0, text), from_the_start=False)


def lock_step(seen: Observation) -> bool:
    """Whether each piece waits for an answer: paced by the other side."""
    return not seen.datagrams and seen.shape.answer_share > 0.7 and seen.shape.writes > 8


RULES: Mapping[str, Rule] = {
    "key_frames": _key_frames,
    "no_beginning": _long_without_opening,
    "picture_rate": _pictures,
    "two_way": _exchange,
    "live_datagrams": _live_datagrams,
    "datagram_pictures": _datagram_pictures,
    "twin": _twin,
    "endless": _endless,
}
