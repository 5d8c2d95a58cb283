"""Real captures: nobody is called a speaker who is none, and speakers are found."""

from pathlib import Path

import pytest

from sniffer.capture.files.open import open_capture
from sniffer.decode import decode
from sniffer.decode.dissect import Dissector
from sniffer.identify import Identifier
from sniffer.identify.classifier import Scales
from sniffer.identify.roles import Roles
from sniffer.identify.rules import load_device_rules, load_oui, load_service_rules
from sniffer.identify.settings import IdentifySettings
from sniffer.model import Device, Selection, key_text
from sniffer.resources import shipped

pytestmark = pytest.mark.slow

RULES = [shipped("rules")]
SCALES, ROLES, OUI = Scales(load_device_rules(RULES)), Roles(load_service_rules(RULES)), load_oui(RULES)


def devices(path: Path) -> dict[str, Device]:
    who, dissector = Identifier(IdentifySettings(), [], SCALES, ROLES, OUI), Dissector()
    with open_capture(path) as reader:
        for block in reader:
            batch, _ = decode(block, Selection())
            who.seen(batch)
            who.observe(dissector.dissect(batch))
    return {key_text(device.key): device for device in who.devices()}


@pytest.mark.data
def test_thirty_one_devices_that_are_no_speakers(shared_data: Path) -> None:
    captures = sorted((shared_data / "iot-sentinel").glob("*.pcap"))
    assert len(captures) == 31
    for path in captures:
        for device in devices(path).values():
            camera = device.kind == "camera" and "Cam" in path.name
            assert camera or (not device.microphone and device.kind not in ("speaker", "display")), (path.name, device)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "speakers"),
    [
        ("alexa-app.pcapng", set()),
        ("anyconnect-vpn.pcap", set()),
        ("iphone.pcap", set()),
        ("nest_log_sink.pcap", set()),
        ("ssdp-m-search.pcap", set()),
        ("wa_voice.pcap", set()),
        ("wechat.pcap", set()),
        ("youtubeupload.pcap", set()),
        ("telegram.pcap", {"78:28:ca:05:fa:cc"}),  # a Sonos player among phones
        ("sonos.pcapng", {"34:7e:5c:ff:a2:6e", "5c:aa:fd:02:92:1a"}),
    ],
)
def test_phones_apps_and_players(name: str, speakers: set[str], shared_data: Path) -> None:
    found = devices(shared_data / "ndpi" / name)
    assert {text for text, device in found.items() if device.microphone} == speakers


@pytest.mark.data
def test_an_echo_in_mid_connection(shared_data: Path) -> None:
    found = devices(shared_data / "speakers-study" / "echodot3a_active_2019-11-16.pcap")
    echo = found["68:db:f5:90:19:64"]
    assert (echo.vendor, echo.kind, echo.microphone) == ("Amazon", "speaker", True)
    assert echo.confidence > 0.95
