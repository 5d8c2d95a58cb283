"""Write the named captures beside this file: `python -m tests.captures.make`. Each shows one thing, see README.md.

Frames over 400 bytes are cut after 96. Golden verdicts stand beside the captures once a detector gives them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sniffer.testing import Host, House, pcap_bytes

FOLDER = Path(__file__).parent
MAC = "02:00:00:00:00:0a"
VOICE = "voice.example.com"
LOGS = "logs.example.com"

Story = Callable[[House, Host], None]


def speech_asked(house: House, host: Host) -> None:
    """3.2 s of speech in chunks of 437 bytes, with a spoken answer."""
    host.says(3.2).to(VOICE, at=5)


def speech_wake_word_only(house: House, host: Host) -> None:
    """0.9 s of speech, 300 bytes back: what a false activation looks like. The connection was open before."""
    host.says(0.9, head=9_000, answer=300).to(VOICE, at=2, opened=True)


def speech_variable_bit_rate(house: House, host: Host) -> None:
    """5 s of speech whose chunks spread by a quarter around 300 bytes, 17 a second."""
    host.says(5, chunk=300, rate=17, spread=0.25, head=6_000).to(VOICE, at=2, opened=True)


def speech_pcm(house: House, host: Host) -> None:
    """2.5 s of speech, uncompressed: 1,062 bytes 31 times a second."""
    host.says(2.5, chunk=1062, rate=31.25, head=30_000).to(VOICE, at=2, opened=True)


def speech_quic(house: House, host: Host) -> None:
    """QUIC, head-heavy: full-size datagrams, then a body of 1.6 s."""
    host.says(1.6, chunk=1290, rate=24, head=90_000, transport="quic").to("shared.example.com", at=2)


def speech_ipv6(house: House, host: Host) -> None:
    """2 s of speech over IPv6."""
    host.says(2).to(VOICE, at=2, ipv6=True)


def speech_receive_offload(house: House, host: Host) -> None:
    """4 s of speech where the router merged the head into few segments."""
    host.says(4, head=60_000).over(merge=True).to(VOICE, at=2, opened=True)


def speech_bad_wifi(house: House, host: Host) -> None:
    """5 s of speech, jittered, bunched to 60 ms, stalled for 0.7 s, 4 % sent again."""
    host.says(5).over(jitter=0.02, bunch=0.06, stall=(2.0, 0.7), retransmit=0.04).to(VOICE, at=2, opened=True)


def two_utterances(house: House, host: Host) -> None:
    """Two utterances of 2 s, the second 1.2 s after the first, on one connection."""
    host.says(2, answer=0).to(VOICE, at=2, opened=True)
    host.says(2).to(VOICE, at=5.2, opened=True)


def metrics_flush(house: House, host: Host) -> None:
    """170 kB in half a second."""
    host.flushes(170_000, 0.5).to(LOGS, at=2)


def volume_by_app(house: House, host: Host) -> None:
    """15 kB in 0.6 s to the voice host; nobody spoke."""
    host.flushes(15_000, 0.6).to(VOICE, at=2, opened=True)


def state_sync(house: House, host: Host) -> None:
    """After switching on: 52 kB of mixed sizes in 3 s on a new connection."""
    host.joins(0.5)
    host.flushes(52_000, 3.0).to(VOICE, at=2)


def connection_opens(house: House, host: Host) -> None:
    """A name is looked up and a TLS connection opens; nothing follows."""
    host.opens(VOICE, at=1)


def music(house: House, host: Host) -> None:
    """10 s of music: downloads, and only acknowledgements up."""
    host.plays(10, bytes_per_second=12_000).to("music.example.com", at=2)


def lan_sync(house: House, host: Host) -> None:
    """47 packets a second of 8 bytes to another speaker of the house."""
    other = house.host("bedroom", "02:00:00:00:00:0b")
    host.writes([(i / 47, True, 8) for i in range(470)], transport="udp").to(other, at=2, port=55444)


def call(house: House, host: Host) -> None:
    """12 s of a call: 160 bytes both ways, 50 a second."""
    host.calls(12).to("call.example.com", at=2, port=3478)


STORIES: tuple[Story, ...] = (
    speech_asked, speech_wake_word_only, speech_variable_bit_rate, speech_pcm, speech_quic, speech_ipv6,
    speech_receive_offload, speech_bad_wifi, two_utterances, metrics_flush, volume_by_app, state_sync, connection_opens,
    music, lan_sync, call,
)  # fmt: skip


def capture(story: Story) -> bytes:
    """One story as a capture file."""
    house = House(seed=11)
    story(house, house.host("kitchen", MAC))
    return pcap_bytes(f if f.wire <= 400 else f.snapped(96) for f in house.frames())


if __name__ == "__main__":
    for story in STORIES:
        (FOLDER / f"{story.__name__}.pcap").write_bytes(capture(story))
    listing = "".join(f"| `{s.__name__}.pcap` | {s.__doc__} |\n" for s in STORIES)
    (FOLDER / "README.md").write_text(
        "# Captures for tests\n\nMade by `python -m tests.captures.make`; nobody's traffic. The speaker is "
        f"`{MAC}`.\nFrames over 400 bytes are cut after 96, lengths on the wire are kept.\n\n"
        f"| capture | shows |\n|---|---|\n{listing}"
    )
