"""What a host does on one connection, as writes in time: it speaks, flushes, plays, calls."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from sniffer.testing.house import Host, Sent

Transport = Literal["tcp", "quic", "udp"]


class Write(NamedTuple):
    """One application write: seconds after the act began, in which direction, how many bytes of transport payload."""

    at: float
    up: bool
    size: int


@dataclasses.dataclass(frozen=True)
class Act:
    """Something a host is about to do; `to` says whom with and when.

    `retransmit` is the share of upstream segments that are sent again, `lost` the share of frames that the capture
    missed, `merge` whether receive offload joins segments that come back to back.
    """

    host: Host
    writes: tuple[Write, ...]
    transport: Transport = "tcp"
    retransmit: float = 0.0
    lost: float = 0.0
    merge: bool = False

    def to(
        self,
        peer: str | Host,
        at: float,
        *,
        port: int = 443,
        opened: bool = False,
        named: bool = True,
        ipv6: bool = False,
    ) -> Sent:
        """Do it, `at` seconds into the story. `peer` is a host name or another host of the house.

        The connection is opened just before (name looked up, handshakes) unless it is open already. `opened=True` says
        that it was open before the capture began; `named=False` that its name was not looked up in sight.
        """
        return self.host.house.perform(self, peer, at, port=port, opened=opened, named=named, ipv6=ipv6)

    def over(
        self,
        *,
        jitter: float = 0.0,
        bunch: float = 0.0,
        stall: tuple[float, float] | None = None,
        retransmit: float = 0.0,
        lost: float = 0.0,
        merge: bool = False,
    ) -> Act:
        """The same act over a worse network. `jitter` delays each write by up to so many seconds, `bunch` lets writes
        go only every so many seconds, `stall` (begin, length) holds all writes of that time until it ends."""
        luck = self.host.luck
        writes = []
        for write in self.writes:
            when = write.at + luck.uniform(0, jitter)
            if bunch:
                when = -(-when // bunch) * bunch
            if stall and stall[0] <= when < sum(stall):
                when = sum(stall)
            writes.append(write._replace(at=when))
        writes.sort(key=lambda write: write.at)
        return dataclasses.replace(self, writes=tuple(writes), retransmit=retransmit, lost=lost, merge=merge)


def speech(
    luck: random.Random,
    seconds: float,
    *,
    chunk: int,
    rate: float,
    head: int,
    spread: float,
    answer: int,
    answer_after: float,
) -> list[Write]:
    """A head as fast as it goes, then one chunk every 1/rate seconds while somebody speaks, then perhaps an answer."""
    writes = list(burst(luck, head, 0.2)) if head else []
    for step in range(1, max(1, round(seconds * rate)) + 1):
        size = chunk if not spread else max(40, round(luck.gauss(chunk, chunk * spread)))
        writes.append(Write(step / rate + luck.uniform(0, 0.002), True, size))
    writes.sort(key=lambda write: write.at)
    if answer:
        begin = seconds + answer_after
        writes += [Write(begin + i * 0.004, False, min(1400, answer - i * 1400)) for i in range(-(-answer // 1400))]
    return writes


def burst(luck: random.Random, size: int, seconds: float) -> Iterable[Write]:
    """`size` bytes in writes of mixed length within `seconds`, most of them early: nothing paces them."""
    sent = 0
    while sent < size:
        step = min(
            size - sent, round(luck.choice((90, 310, 700, 1400, 1400, 2800, 4200)) * luck.uniform(0.7, 1.0)) or 1
        )
        yield Write(seconds * (sent / size) ** 1.3, True, step)
        sent += step


def playback(luck: random.Random, seconds: float, *, bytes_per_second: int, period: float) -> Iterable[Write]:
    """Music: every `period` seconds a download of what is played in that time."""
    when = 0.0
    while when < seconds:
        total = round(bytes_per_second * period * luck.uniform(0.9, 1.1))
        for i in range(-(-total // 16_000)):
            yield Write(when + i * 0.012, False, min(16_000, total - i * 16_000))
        when += period


def conversation(luck: random.Random, seconds: float, *, up: int, down: int, rate: float) -> Iterable[Write]:
    """A call: datagrams both ways at one rate; 0 leaves a direction out."""
    for step in range(round(seconds * rate)):
        for upwards, size in ((True, up), (False, down)):
            if size:
                length = max(40, round(luck.gauss(size, size * 0.15)))
                yield Write(step / rate + luck.uniform(0, 0.3 / rate), upwards, length)
