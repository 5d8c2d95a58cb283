"""The numbers that evidence is made of. Each function gives (number for the curve, number for people), or None where it
does not apply; 0 says nothing either way."""

from __future__ import annotations

import math
from collections.abc import Callable

from sniffer.detect.features.pacing import Shape
from sniffer.detect.profiles.profile import ENOUGH
from sniffer.detect.scoring.observation import OWN_PIECES, Observation, beyond_pace, opening_ratio, opens

#: The opening, in multiples of the pace, from which on there is one, and up to which there is none. Of 508 spoken
#: requests in real captures 95 % open with 4 and more; answers to a question of the speaker, which need no wake word,
#: with 1.2 to 1.5.
_OPENING_SEEN, _OPENING_NONE = 1.5, 1.1

#: Bytes of an opening beyond the pace, from which on it may hold a wake word, and up to which it does not. Requests in
#: real captures have 7,100 and more; answers to a question of the speaker 700 to 2,000, and are answered.
_WAKE_WORD_SEEN, _WAKE_WORD_NONE = 7_000, 4_000


def amount_of_pace(seen: Observation) -> tuple[float, float] | None:
    """1 for three seconds of pace and more; a stretch of few writes shows little, however long."""
    return math.tanh(seen.shape.body / 1.2) * _enough(seen.shape) * _voluntary(seen), seen.shape.body


def regular_gaps(seen: Observation) -> tuple[float, float] | None:
    if seen.shape.writes < 5:
        return None
    # Of gaps that are pure chance, half are as near to the median as this asks for.
    return _weakened(2 * seen.shape.gap_regularity - 1, seen), seen.shape.gap_regularity


def chunk_constancy(seen: Observation) -> tuple[float, float] | None:
    if seen.shape.writes < 5:
        return None
    own = (1 - _asked(seen)) * (1 - _recovering(seen))
    return seen.shape.constancy * _confidence(seen) * own, seen.shape.constancy


def comb(seen: Observation) -> tuple[float, float] | None:
    """One size at one distance in time, whatever else leaves between."""
    if seen.shape.comb_size == 0:
        return None
    return seen.shape.comb * _voluntary(seen), float(seen.shape.comb_size)


def narrow_sizes(seen: Observation) -> tuple[float, float] | None:
    """Speech codecs of variable rate: sizes differ, but not by much. Says nothing where sizes are constant anyway."""
    shape = seen.shape
    if shape.writes < 8 or shape.full_share > 0.5:
        return None
    narrow = max(0.0, 1 - shape.size_spread / 0.8)
    return narrow * (1 - shape.constancy) * _confidence(seen), shape.size_spread


def mixed_sizes(seen: Observation) -> tuple[float, float] | None:
    """Pieces of all sizes, from nothing to a full packet: requests, logs and handshakes; a codec is narrower."""
    shape = seen.shape
    if shape.writes < 5:
        return None
    mixed = max(0.0, min(1.0, (shape.size_spread - 0.4) / 0.6))
    return mixed * (1 - shape.constancy) * (1 - shape.full_share), shape.size_spread


def burst_then_pace(seen: Observation) -> tuple[float, float] | None:
    """The link was faster a moment ago: so it is the application that takes its time."""
    shape = seen.shape
    if shape.body < 0.4 or shape.head_bytes < 2_000:
        return None
    return _had_room(seen) * _confidence(seen) * (1 - 0.8 * _asked(seen)) * (1 - _recovering(seen)), shape.head_ratio


def too_fast(seen: Observation) -> tuple[float, float] | None:
    """A moment that is fast is a head; only what goes on so is no microphone."""
    return max(0.0, math.log2(max(seen.shape.rate, 1) / 40_000)) * min(1.0, seen.shape.body / 0.5), seen.shape.rate


def too_slow(seen: Observation) -> tuple[float, float] | None:
    if seen.shape.rate <= 0:
        return None
    return max(0.0, math.log2(2_500 / seen.shape.rate)), seen.shape.rate


def too_few_chunks(seen: Observation) -> tuple[float, float] | None:
    """Rare pieces, unless they come like clockwork: then somebody fills a buffer."""
    few = max(0.0, min(3.0, math.log2(6 / max(seen.shape.writes_per_second, 0.5))))
    return few * (1 - seen.shape.comb), seen.shape.writes_per_second


def asked_for_each(seen: Observation) -> tuple[float, float] | None:
    """A device that waits for an answer before each piece is paced by the network, not by a microphone."""
    if seen.shape.writes < 3:
        return None
    return _asked(seen), seen.shape.answer_share


def mostly_download(seen: Observation) -> tuple[float, float] | None:
    shape = seen.shape
    if shape.body_bytes == 0:
        return None
    ratio = seen.down_body / shape.body_bytes
    return max(0.0, min(4.0, math.log2(max(ratio, 1e-3) / 4))), ratio


def amount(seen: Observation) -> tuple[float, float] | None:
    """Doublings of 16 kB: half a second of before, the wake word and what was said are seldom less than 4, and little
    else is more than 64."""
    return math.log2(max(seen.shape.bytes, 1) / 16_000), float(seen.shape.bytes)


def no_opening(seen: Observation) -> tuple[float, float] | None:
    """1 where the run opens no faster than it goes on. A device that waits for a wake word has recorded it before it
    sends: it opens with half a second of sound and a request. Half as much where the pieces differ in size, as those
    of reports in rows do not."""
    opened = opening_ratio(seen)
    if opened is None or seen.opening is None:
        return None
    none = max(0.0, min(1.0, (_OPENING_SEEN - opened) / (_OPENING_SEEN - _OPENING_NONE)))
    return none * (1 + seen.shape.constancy) / 2, float(seen.opening)


def unanswered(seen: Observation) -> tuple[float, float] | None:
    """1 for a row of equal pieces, with an opening too small for a wake word, of which the other side acknowledged all
    and answered nothing. Each of 508 requests in real captures, with or without a wake word, was answered with 440
    bytes and more before it was over. Where no packet of the other side is captured, this is not known; where the
    device's own pieces of speech are in it, it says nothing."""
    opening = beyond_pace(seen)
    if opening is None or not seen.silent or (seen.pieces or 0.0) > OWN_PIECES:
        return None
    small = max(0.0, min(1.0, (_WAKE_WORD_SEEN - opening) / (_WAKE_WORD_SEEN - _WAKE_WORD_NONE)))
    return small * seen.shape.constancy, float(seen.opening or 0)


def rest(seen: Observation) -> tuple[float, float] | None:
    """What else the run carried: an utterance is a head and a body, and perhaps a state report behind it."""
    shape = seen.shape
    return (shape.outside_bytes / shape.bytes if shape.bytes else 0.0), float(shape.outside_bytes)


def role(role: str) -> Callable[[Observation], tuple[float, float] | None]:
    def measure(seen: Observation) -> tuple[float, float] | None:
        return (1.0, 1.0) if seen.service.role == role else None

    return measure


def errand_host(seen: Observation) -> tuple[float, float] | None:
    return (1.0, 1.0) if seen.service.role in ("control", "update", "time", "media") else None


def new_connection(seen: Observation) -> tuple[float, float] | None:
    """A connection begins with keys and with what the device has to say of itself: some 20 kB, and seldom more than
    four times that. A pair of ports is not a connection that had to be opened; and some devices open one to speak."""
    if seen.opened_before is None or not opens(seen):
        return None
    introduction = max(0.3, min(1.0, 20_000 / max(seen.shape.bytes, 1)))
    usual = seen.profile.opens if seen.profile is not None and seen.profile.speech >= ENOUGH else 0.0
    return introduction * (0.5 if seen.datagrams else 1.0) * (1 - usual), seen.opened_before


def answer(seen: Observation) -> tuple[float, float] | None:
    """A bonus only: a wake word alone gets no answer."""
    if not seen.final or seen.down_after < 1_500:
        return None
    return min(1.0, seen.down_after / 8_000), float(seen.down_after)


def known_chunk(seen: Observation) -> tuple[float, float] | None:
    """Pieces in which this device speaks. A codec with frames of one size does not change to another one."""
    if seen.pieces is None or seen.profile is None:
        return None
    return seen.pieces, float(seen.profile.chunk or 0) if seen.pieces > 0 else 0.0


def known_rate(seen: Observation) -> tuple[float, float] | None:
    if seen.profile is None or seen.shape.body < 0.4:
        return None
    likeness = seen.profile.rate.likeness(seen.shape.rate)
    return None if likeness is None else (likeness, seen.shape.rate)


def known_server(seen: Observation) -> tuple[float, float] | None:
    if seen.profile is None:
        return None
    familiarity = seen.profile.familiarity(seen.server)
    return None if familiarity is None else (familiarity, float(familiarity > 0))


def known_opening(seen: Observation) -> tuple[float, float] | None:
    """Speech begins with the same: what the device was told, half a second of before, the wake word. It says the more,
    the seldomer other uploads begin so."""
    if seen.profile is None or not seen.profile.knows_server(seen.server):
        return None
    odds = seen.profile.opening_odds(seen.shape.opening)
    return None if odds is None else (_unless_foreign(odds, seen), float(seen.shape.opening))


def _unless_foreign(likeness: float, seen: Observation) -> float:
    """An amount is like others by chance; it speaks for speech only where the pieces do not speak against it."""
    return min(likeness, 0.0) if seen.pieces is not None and seen.pieces < 0 else likeness


#: Writes a second that TCP's timer can pace at most (two each 200 ms, RFC 6298 as Linux has it).
_TIMED_WRITES = 10.0


def _weakened(amount: float, seen: Observation) -> float:
    """What speaks for pace counts only as far as there is enough of it and it is the application's own."""
    return amount * _confidence(seen) * (_voluntary(seen) if amount > 0 else 1.0)


def _confidence(seen: Observation) -> float:
    """How much a statistic over the body is worth: from nothing at 0.15 s to all at 0.65 s, and by the writes in it."""
    shape = seen.shape
    return max(0.0, min(1.0, (shape.body - 0.15) / 0.5)) * _enough(shape)


def _enough(shape: Shape) -> float:
    """Eight writes are enough to speak of a pace; fewer, as far as they are like clockwork."""
    return max(shape.comb, min(1.0, shape.writes / 8))


def _voluntary(seen: Observation) -> float:
    """How much of the pace is the application's own, not that of the answers it waits for, nor of the line."""
    asked = _asked(seen)
    line = seen.shape.full_share * (1 - _had_room(seen))
    return (1 - 0.8 * asked) * (1 - 0.6 * line) * (1 - _recovering(seen))


def _recovering(seen: Observation) -> float:
    """How far the transport's own timer sets the pace: it repeats a segment, and sends one or two, each time it runs
    out. A poor radio repeats up to three in ten. The timer takes 200 ms at least, so it sets no quicker pace than two
    writes in that time, whatever is repeated."""
    share = seen.repeats / max(seen.shape.writes, 1)
    slow = (_TIMED_WRITES - seen.shape.writes_per_second) / (_TIMED_WRITES / 2)
    return max(0.0, min(1.0, (share - 0.3) / 0.5)) * max(0.0, min(1.0, slow))


def _asked(seen: Observation) -> float:
    """How far each piece waits for an answer. In a call both sides send often, and neither waits; whoever receives a
    stream is answered all the time, whatever it sends."""
    shape = seen.shape
    if seen.datagrams and shape.writes_per_second > 12:
        return 0.0
    stream = min(1.0, 4 * shape.body_bytes / max(seen.down_body, 1))
    return stream * max(0.0, shape.answer_share - 0.3) / 0.7


def _had_room(seen: Observation) -> float:
    """How sure it is that the line could have carried the body faster: it did so just before. A transport's first
    window leaves fast on any line, so for full-size packets the burst must be larger than that. Or it did so on
    another day."""
    shape = seen.shape
    faster = min(1.0, math.log2(max(1.0, shape.head_ratio)) / 4)
    window = max(0.0, min(1.0, (shape.head_bytes - 30_000) / 60_000))
    just_now = faster * (1 - shape.full_share * (1 - window))
    return max(just_now, _usually(seen))


def _usually(seen: Observation) -> float:
    """How much faster this line was on another day. That it was so to other servers says half as much: this one may
    take no more."""
    if seen.profile is None or not seen.lines:
        return 0.0
    there, anywhere = seen.profile.lines.get(seen.server, 0.0), max(seen.profile.lines.values(), default=0.0)
    rate = max(seen.shape.rate, 1.0)
    return max(
        share * max(0.0, min(1.0, math.log2(max(line, 1.0) / rate) / 3))
        for share, line in ((0.8, there), (0.4, anywhere))
    )
