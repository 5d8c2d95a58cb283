"""What speakers do, as writes that begin at time 0: one utterance, and everything that looks like one and is not.

Sizes and times follow the descriptions in the field notes and are drawn wider than those.
"""

from __future__ import annotations

import numpy as np

from sniffer.evaluation.lab.network import Bools, Floats, Writes, joined, writes
from sniffer.evaluation.lab.speakers import Speaker, Voice, log_uniform
from sniffer.model.protocols import TCP_SYN

Luck = np.random.Generator


# --- speech --------------------------------------------------------------------------------------------------------


def utterance_seconds(luck: Luck, *, false_wake: bool = False) -> float:
    """How long somebody speaks; a false activation is cut off by the cloud after a moment."""
    median, spread = (1.6, 0.5) if false_wake else (2.6, 0.55)
    if not false_wake and luck.random() < 0.02:
        return float(luck.uniform(15, 60))
    return float(np.clip(luck.lognormal(np.log(median), spread), 0.7, 30))


def speech(
    luck: Luck, voice: Voice, seconds: float, flow: int, *, start_of_head: float = 0.0, asked_back: bool = False
) -> Writes:
    """The head, then one chunk a tick while somebody speaks, then the end of the stream. An answer to a question of the
    speaker (`asked_back`) has no wake word: its head is a request alone."""
    ticks = np.arange(1, max(int(seconds * voice.rate), 1) + 1) / voice.rate
    ticks = ticks + luck.uniform(0, voice.tick_jitter, len(ticks))
    size = np.full(len(ticks), voice.chunk, dtype=np.int64)
    if voice.spread:
        size = np.clip(luck.normal(voice.chunk, voice.chunk * voice.spread, len(ticks)), 30, None).astype(np.int64)
    if voice.pauses:
        size = np.where(_silent(luck, ticks, voice.pauses), np.maximum(size // 10, 30), size)
    size = -(-size // voice.padding) * voice.padding
    if voice.shared_record:  # two chunks leave as one where the sender was late
        late = np.flatnonzero(luck.random(len(ticks) - 1) < 0.08) if len(ticks) > 2 else np.array([], dtype=np.int64)
        size[late + 1] += size[late]
        kept = np.ones(len(ticks), dtype=bool)
        kept[late] = False
        ticks, size = ticks[kept], size[kept]
    body = writes(ticks + start_of_head, True, size, flow)
    size_of_head = int(log_uniform(luck, 600, 5_000)) if asked_back else int(luck.integers(*voice.head))
    head = burst(luck, size_of_head, voice.head_seconds, flow)
    tail = writes([seconds + 0.03], True, voice.tail, flow) if voice.tail else writes([], True, 0, flow)
    return joined([head, body, tail])


def _silent(luck: Luck, ticks: Floats, share: float) -> Bools:
    """Moments in which nobody speaks: pauses of a fifth to one second between words, that share of the time."""
    lengths = luck.uniform(0.2, 1.0, 60)
    begins = np.cumsum(lengths / share * luck.uniform(0.5, 1.5, 60)) - lengths
    place = np.maximum(np.searchsorted(begins, ticks, side="right") - 1, 0)
    return (ticks >= begins[place]) & (ticks < begins[place] + lengths[place])


def answer(luck: Luck, size: int, at: float, flow: int) -> Writes:
    """What comes back: speech, in some bursts."""
    n = max(size // 8_000, 1)
    return writes(at + np.sort(luck.uniform(0, 0.15 * n, n)), False, size // n, flow)


def replies(luck: Luck, seconds: float, per_second: float, flow: int) -> Writes:
    """What the server says while somebody speaks: windows that open, pings, partial results."""
    n = int(luck.poisson(seconds * per_second))
    return writes(np.sort(luck.uniform(0.1, seconds + 0.1, n)), False, luck.integers(30, 160, n), flow)


# --- everything else -----------------------------------------------------------------------------------------------


def burst(luck: Luck, size: int, seconds: float, flow: int) -> Writes:
    """`size` bytes in writes of mixed length, most of them early."""
    typical = int(luck.choice([700, 1500, 3000, 8000, 16_000]))
    n = max(size // typical, 1)
    parts = luck.dirichlet(np.full(n, 1.2)) * size
    times = np.sort(luck.beta(1, 1.6, n)) * seconds
    times[0] = 0
    return writes(times, True, np.maximum(parts, 40).astype(np.int64), flow)


def posts(luck: Luck, bodies: list[int], gaps: list[float], flow: int) -> Writes:
    """HTTP requests one after the other: a header, a body as fast as it goes, an answer."""
    parts, at = [], 0.0
    for body, gap in zip(bodies, gaps, strict=True):
        trip = luck.uniform(0.015, 0.2)
        parts.append(writes([at, at + luck.uniform(0, 0.004)], True, [int(luck.integers(60, 450)), body], flow))
        if luck.random() < 0.9:
            reply = [int(luck.integers(60, 400)), int(luck.integers(20, 60))]
            parts.append(writes([at + trip, at + trip + 0.001], False, reply, flow))
        at += gap
    return joined(parts)


def opening(luck: Luck, flow: int, *, big: bool = False) -> Writes:
    """A connection opens: TCP, TLS, the first requests of the application."""
    trip = luck.uniform(0.01, 0.18)
    parts = [
        writes([0, 2 * trip + 0.002], True, [0, int(luck.integers(200, 700))], flow, [TCP_SYN, 0]),
        writes([3 * trip], False, int(luck.integers(1500, 5500)), flow),
        writes([3 * trip + 0.01], True, int(luck.integers(60, 400)), flow),
    ]
    if big:
        total = log_uniform(luck, 2_000, 20_000)
        n = int(luck.integers(3, 30))
        times = np.sort(luck.uniform(0, luck.uniform(0.1, 2.0), n))
        parts.append(
            writes(4 * trip + times, True, (luck.dirichlet(np.full(n, 0.8)) * total + 30).astype(np.int64), flow)
        )
    return joined(parts)


def metrics_flush(luck: Luck, speaker: Speaker, flow: int) -> Writes:
    """Logs and metrics: as fast as the link takes them."""
    return burst(luck, int(luck.integers(*speaker.flush_size)), luck.uniform(0.15, 1.3), flow)


def log_dump(luck: Luck, flow: int) -> Writes:
    """After a start: megabytes of logs, limited by the link or by the other side."""
    size, rate = log_uniform(luck, 0.5e6, 4e6), log_uniform(luck, 120_000, 800_000)
    step = int(luck.choice([8_192, 16_384, 16_384, 32_768, 65_536]))
    n = max(int(size / step), 1)
    pace = np.cumsum(luck.gamma(2.0, 0.5, n)) * step / rate
    return writes(pace, True, (step * luck.uniform(0.4, 1.0, n)).astype(np.int64), flow)


def state_sync(luck: Luck, flow: int) -> Writes:
    """After a start: tens of kilobytes of mixed sizes over seconds, on a new connection."""
    total, seconds = log_uniform(luck, 30_000, 95_000), luck.uniform(1.2, 6.5)
    n = int(luck.integers(8, 60))
    sizes = np.maximum(luck.dirichlet(np.full(n, 0.5)) * total, 40)
    times = np.sort(luck.choice([luck.uniform(0, seconds, n), luck.beta(0.7, 1.3, n) * seconds]))
    return joined([opening(luck, flow), writes(0.4 + times, True, sizes.astype(np.int64), flow)])


def volume(luck: Luck, flow: int) -> Writes:
    """A button or an app changes the volume: one to three posts of the state to the voice host."""
    n = int(luck.integers(1, 4))
    body = log_uniform(luck, 4_000, 14_000)
    bodies = [int(body * luck.uniform(0.95, 1.05)) for _ in range(n)]
    return posts(luck, bodies, [luck.uniform(0.15, 0.8) for _ in range(n)], flow)


def app_state(luck: Luck, flow: int) -> Writes:
    """An app drives the device: several posts in a row to the voice host."""
    n = int(luck.integers(2, 8))
    total = log_uniform(luck, 12_000, 70_000)
    bodies = [int(x) for x in luck.dirichlet(np.full(n, 3.0)) * total + 200]
    return posts(luck, bodies, [luck.uniform(0.05, 0.45) for _ in range(n)], flow)


def after_command(luck: Luck, flow: int) -> Writes:
    """The telemetry that follows a real command."""
    return burst(luck, int(log_uniform(luck, 4_000, 26_000)), luck.uniform(0.1, 1.3), flow)


def log_sink(luck: Luck, flow: int) -> Writes:
    """Equal blocks, each sent when the last was acknowledged by the application: paced by the round trip."""
    trip, block = luck.uniform(0.02, 0.2), int(luck.integers(120, 1400))
    n = int(np.clip(log_uniform(luck, 5_000, 40_000) / block, 5, 120))
    at = np.cumsum(trip + luck.exponential(0.006, n) + 0.002)
    size = np.full(n, block)
    size[-1] = int(luck.integers(40, block))
    return joined([
        opening(luck, flow),
        writes(0.6 + at, True, size, flow),
        writes(0.6 + at + trip * 0.85, False, int(luck.integers(20, 90)), flow),
    ])  # fmt: skip


def relayed(luck: Luck, flow: int) -> Writes:
    """It plays because another speaker was asked."""
    return burst(luck, int(log_uniform(luck, 900, 15_000)), luck.uniform(0.1, 2.2), flow)


def music(luck: Luck, seconds: float, flow: int) -> Writes:
    """Downloads every few seconds, a request before each; the acknowledgements carry nothing."""
    period, rate = luck.uniform(2, 12), log_uniform(luck, 12_000, 180_000)
    at = np.arange(0, seconds, period) + luck.uniform(0, 0.3, len(np.arange(0, seconds, period)))
    blocks = max(int(rate * period / 60_000), 1)
    down = (at[:, None] + 0.05 + np.arange(blocks) * 0.012).ravel()
    return joined([
        writes(at, True, luck.integers(250, 1300, len(at)), flow),
        writes(down, False, int(rate * period / blocks), flow),
        writes(down + 0.002, True, 0, flow),
    ])  # fmt: skip


def firmware(luck: Luck, flow: int) -> Writes:
    """A large download."""
    n = int(luck.integers(300, 1500))
    at = np.cumsum(luck.exponential(0.02, n))
    return joined([writes([0.0], True, 700, flow), writes(at, False, 60_000, flow), writes(at + 0.001, True, 0, flow)])


def keepalives(luck: Luck, speaker: Speaker, begin: float, end: float, flows: list[int]) -> Writes:
    """Small signs of life on the connections that stay open."""
    n = luck.poisson((end - begin) / 3600 * speaker.keepalives_per_hour)
    at = np.sort(luck.uniform(begin, end, n))
    flow = luck.choice(flows, n) if n else np.zeros(0, dtype=np.int64)
    size = luck.integers(*speaker.keepalive_size, n, endpoint=True)
    return joined([writes(at, True, size, flow), writes(at + luck.uniform(0.01, 0.15, n), False, size // 2 + 20, flow)])


def lan_sync(luck: Luck, speaker: Speaker, begin: float, end: float, flow: int) -> Writes:
    """Clocks and state between speakers of the house."""
    at = np.arange(begin, end, 1 / speaker.lan_rate)
    return writes(at + luck.uniform(0, 0.004, len(at)), True, int(luck.integers(8, 90)), flow)


def background(luck: Luck, seconds: float, rate: float, flow: int) -> Writes:
    """Unpaced upload beside something else: many small posts."""
    n = max(int(luck.poisson(seconds * luck.uniform(2, 12))), 1)
    sizes = luck.dirichlet(np.full(n, 0.7)) * rate * seconds + 60
    return writes(np.sort(luck.uniform(-0.5, seconds + 0.5, n)), True, sizes.astype(np.int64), flow)


def call(luck: Luck, seconds: float, flow: int) -> Writes:
    """Datagrams both ways: some connections send all the time, others only while somebody speaks."""
    rate = float(luck.choice([16.7, 25, 33.3, 50, 50, 100]))
    spurts = luck.random() < 0.4
    parts = []
    for upwards in (True, False):
        at = np.arange(0, seconds, 1 / rate)
        if spurts:  # talk for a second or three, be silent for up to four
            edges = np.cumsum(luck.uniform(0.6, 4.0, max(int(seconds), 2)))
            at = at[np.searchsorted(edges, at) % 2 == int(upwards and luck.random() < 0.5)]
        size = np.clip(luck.normal(luck.uniform(70, 900), 40, len(at)), 40, None).astype(np.int64)
        parts.append(writes(at + luck.uniform(0, 0.3 / rate, len(at)), upwards, size, flow))
    return joined(parts)


def view(luck: Luck, seconds: float, flow: int) -> Writes:
    """A camera is watched: key frames at one distance, other pictures between them, and perhaps its sound."""
    rate = float(luck.choice([5, 8, 10, 15, 20, 25, 30]))
    at = np.arange(0, seconds, 1 / rate)
    size = luck.lognormal(np.log(log_uniform(luck, 300, 8_000)), luck.uniform(0.1, 0.5), len(at))
    every = max(int(rate * luck.uniform(0.9, 5.2)), 2)
    first = 0 if luck.random() < 0.6 else int(luck.integers(every))  # most begin with a whole picture
    size[first::every] *= luck.uniform(6, 40)
    picture = int(luck.choice([0, 0, 1_024]))  # some tunnels send datagrams of one size
    if picture:
        size = np.ceil(size / picture) * picture
    parts = [writes(at + luck.uniform(0, 0.01, len(at)), True, size.astype(np.int64), flow)]
    if luck.random() < 0.4:
        sound = np.arange(0, seconds, float(luck.choice([0.02, 0.032, 0.04, 0.064])))
        parts.append(writes(sound, True, int(luck.integers(120, 700)), flow))
    return joined(parts)


def report_rows(luck: Luck, flow: int) -> Writes:
    """State in rows of pieces of one or two sizes, each of which is answered."""
    n, gap = int(luck.integers(6, 24)), log_uniform(luck, 0.02, 0.25)
    sizes = [int(luck.integers(180, 1_300)) for _ in range(int(luck.integers(1, 3)))]
    at = np.arange(n) * gap + luck.uniform(0, 0.004, n)
    parts = [writes(at + 0.003 * k, True, size, flow) for k, size in enumerate(sizes)]
    trip = luck.uniform(0.01, 0.15)
    parts.append(writes(at + trip, False, int(luck.integers(30, 700)), flow))
    return joined(parts)


def even_rows(luck: Luck, flow: int) -> Writes:
    """Pieces of one size at one distance that nothing answers: a scale, a meter, signs of life over XMPP."""
    gap = log_uniform(luck, 0.03, 0.3)
    n, size = int(luck.integers(5, 40)), int(log_uniform(luck, 120, 900))
    return writes(np.arange(n) * gap + luck.uniform(0, 0.1 * gap, n), True, size, flow)


def rows(luck: Luck, flow: int, *, header: int, answered: bool) -> Writes:
    """Reports in a row, wider than `even_rows`: pieces of one size, of two in turn or nearly of one, at one distance,
    behind a header of so many bytes; all is acknowledged, and nothing is answered, or the last and a few more are."""
    gap, n = log_uniform(luck, 0.03, 0.5), int(luck.integers(5, 60))
    size = np.full(n, int(log_uniform(luck, 80, 1_400)), dtype=np.int64)
    form = luck.random()
    if form < 0.25:
        size[1::2] = int(log_uniform(luck, 80, 1_400))
    elif form < 0.5:  # numbers of more or fewer digits
        size += luck.integers(0, 4, n)
    at = luck.uniform(0, 0.3) + np.arange(n) * gap + luck.uniform(0, luck.uniform(0, 0.3) * gap, n)
    parts = [writes(at, True, size, flow), writes(at + luck.uniform(0.005, 0.1), False, 0, flow)]
    if header:
        pieces = int(luck.integers(1, 4))
        parts.append(writes(np.arange(pieces) * 0.02, True, max(header // pieces, 1), flow))
    if answered:
        some = at[np.append(luck.random(n - 1) < 0.15, True)]
        parts.append(writes(some + luck.uniform(0.01, 0.15), False, int(luck.integers(30, 700)), flow))
    return joined(parts)


def game(luck: Luck, seconds: float, flows: tuple[int, int]) -> Writes:
    """The same state to two other players at once."""
    at = np.arange(0, seconds, float(luck.choice([1 / 60, 1 / 30, 1 / 25, 1 / 20])))
    size = int(luck.integers(100, 700))
    return joined([writes(at + 0.0004 * place, True, size, flow) for place, flow in enumerate(flows)])


def slow_file(luck: Luck, flow: int) -> Writes:
    """A file or a log over a line that takes little: full packets as fast as it lets them."""
    rate, size = log_uniform(luck, 3_000, 60_000), log_uniform(luck, 15_000, 250_000)
    packet = int(luck.integers(1_180, 1_420))
    n = max(int(size / packet), 4)
    pace = np.cumsum(packet / rate * luck.gamma(20.0, 1 / 20.0, n))
    sizes = np.full(n, packet)
    sizes[-1] = int(luck.integers(40, packet))
    return joined([writes(pace, True, sizes, flow), writes(pace + luck.uniform(0.01, 0.1), False, 0, flow)])


def fetch(luck: Luck, seconds: float, flow: int) -> Writes:
    """Pieces of a file, asked for one after another at an even pace: maps, pictures, the parts of a film."""
    gap, size = log_uniform(luck, 0.05, 0.4), int(luck.integers(180, 900))
    at = np.arange(0, seconds, gap)
    at = at + luck.uniform(0, 0.1 * gap, len(at))
    down = int(log_uniform(luck, 4_000, 60_000))
    return joined([writes(at, True, size, flow), writes(at + luck.uniform(0.01, 0.04), False, down, flow)])
