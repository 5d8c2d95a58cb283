"""Test doubles for the program's own seams, for our tests and for those of users.

`House` writes traffic that reads like a story, with real bytes and right checksums::

    house = House(seed=1)
    echo = house.host("kitchen", mac="02:00:00:00:00:0a")
    said = echo.says(3.2).to("voice.example.com", at=5.0)
    Path("kitchen.pcap").write_bytes(house.pcap())
    assert analyze("kitchen.pcap") == [said.bytes]

Its frames are had as pcap or pcapng bytes, as a `FrameBlock` (before decoding), or as a `PacketBatch` (after it).
"""

from sniffer.testing.acts import Act
from sniffer.testing.doubles import ManualClock, RecordingSink
from sniffer.testing.house import Host, House, Sent
from sniffer.testing.pcap import Frame, frame_block, packet_batch, pcap_bytes, pcapng_bytes

__all__ = [
    "ManualClock", "RecordingSink",
    "House", "Host", "Act", "Sent",
    "Frame", "frame_block", "packet_batch", "pcap_bytes", "pcapng_bytes",
]  # fmt: skip
