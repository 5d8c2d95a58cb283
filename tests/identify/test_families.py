"""Every family of voice assistants a home has, and what must not be taken for one: as they show themselves."""
# ruff: noqa: E501 - two tables

import pytest

from sniffer.identify import Identifier
from sniffer.identify.classifier import Scales
from sniffer.identify.hosts import FORWARDING_MINUTES, MINUTE_NS
from sniffer.identify.roles import Roles
from sniffer.identify.rules import load_device_rules, load_oui, load_service_rules
from sniffer.identify.settings import IdentifySettings
from sniffer.model import Device, Fact, mac_key
from sniffer.resources import shipped

RULES = [shipped("rules")]
SCALES, ROLES, OUI = Scales(load_device_rules(RULES)), Roles(load_service_rules(RULES)), load_oui(RULES)

APPLE_BOOT = "mesu.apple.com gsp-ssl.ls.apple.com setup.icloud.com guzzoni.apple.com time.apple.com 1-courier.push.apple.com gsa.apple.com"
CAST_BOOT = "clients3.google.com connectivitycheck.gstatic.com tools.google.com time.google.com www.google.com android.googleapis.com"

#: what, MAC, names asked for, other facts, kind, vendor
WITH_MICROPHONE = [
    ("Echo Dot, boot", "fc:65:de:00:00:01", "fireoscaptiveportal.com ntp-g7g.amazon.com device-metrics-us.amazon.com avs-alexa-14-na.amazon.com", {}, "speaker", "Amazon"),
    ("Echo, idle", "fc:65:de:00:00:01", "d3p8zr0ffa9t17.cloudfront.net device-metrics-us.amazon.com", {}, "speaker", "Amazon"),
    ("Echo Show, boot", "08:84:9d:00:00:01", "mmechocaptiveportal.com avs-alexa-4-na.amazon.com atv-ext.amazon.com", {"mdns.service": "_amzn-wplay._tcp"}, "display", "Amazon"),
    ("Fire TV, boot", "68:37:e9:00:00:01", "softwareupdates.amazon.com mas-ext.amazon.com ktpx-na.amazon.com ntp-g7g.amazon.com avs-alexa-4-na.amazon.com", {"ssdp.type": "urn:dial-multiscreen-org:service:dial:1", "mdns.service": "_amzn-wplay._tcp"}, "tv", "Amazon"),
    ("a sound bar with Alexa", "00:11:22:00:00:01", "avs-alexa-na.amazon.com", {"mdns.service": "_spotify-connect._tcp"}, "speaker", None),
    ("Home Mini, boot", "44:07:0b:00:00:01", CAST_BOOT, {}, "speaker", "Google"),
    ("Home Mini, announced", "44:07:0b:00:00:01", "", {"mdns.service": "_googlecast._tcp", "mdns.txt": "_googlecast._tcp:md=Google Home Mini"}, "speaker", "Google"),
    ("Nest Hub", "44:07:0b:00:00:01", CAST_BOOT, {"mdns.txt": "_googlecast._tcp:md=Google Nest Hub"}, "display", "Google"),
    ("HomePod", "d4:a3:3d:00:00:01", APPLE_BOOT, {"mdns.txt": "_airplay._tcp:model=AudioAccessory1,1", "mdns.query": "_companion-link._tcp"}, "speaker", "Apple"),
    ("Apple TV", "d0:03:4b:00:00:01", APPLE_BOOT, {"mdns.txt": "_airplay._tcp:model=AppleTV6,2", "mdns.query": "_companion-link._tcp"}, "tv", "Apple"),
    ("Sonos Beam", "34:7e:5c:00:00:01", "", {"ssdp.server": "Linux UPnP/1.0 Sonos/52.2 (ZPS14)"}, "speaker", "Sonos"),
    ("Bose Home Speaker", "2c:41:a1:00:00:01", "voice.api.bose.io", {"mdns.service": "_bose-passport._tcp"}, "speaker", "Bose"),
    ("Ring doorbell", "0c:ae:7d:00:00:01", "es.ring.com fw.ring.com pool.ntp.org", {}, "camera", "Ring"),
    ("Blink", "74:ab:93:00:00:01", "cs-prod.immedia-semi.com", {}, "camera", "Blink"),
    ("Nest Cam", "18:b4:30:00:00:01", "nexus.dropcam.com", {}, "camera", "Google"),
    ("Portal", "a4:0e:2b:00:00:01", "graph.facebook.com", {}, "display", "Meta"),
    ("Invoke", "d8:f7:10:00:00:01", "login.live.com www.cortana.ai", {}, "speaker", "Harman Kardon"),
    ("XiaoAI", "78:11:dc:00:00:01", "speech.ai.xiaomi.com", {"dhcp.hostname": "MiAiSoundbox-L05B"}, "speaker", "Xiaomi"),
    ("Yandex Station", "00:11:22:00:00:01", "quasar.yandex.net", {"mdns.service": "_yandexio._tcp"}, "speaker", "Yandex"),
    ("Samsung TV that listens", "bc:14:85:00:00:01", "cdn.samsungcloudsolution.com avs-alexa-4-na.amazon.com", {"ssdp.server": "SHP, UPnP/1.0, Samsung UPnP SDK/1.0"}, "tv", "Samsung"),
    ("LG TV that listens", "38:8c:50:00:00:01", "us.lgtvsdp.com avs-alexa-4-na.amazon.com", {"ssdp.server": "WebOS/4.1.0 UPnP/1.0"}, "tv", "LG"),
    ("Home Assistant Voice", "20:f8:3b:00:00:01", "", {"mdns.host": "home-assistant-voice-0a1b2c"}, "speaker", "Open"),
]  # fmt: skip

WITHOUT = [
    ("Kindle", "fc:a1:83:00:00:01", "cde-ta-g7g.amazon.com kindle-time.amazon.com spectrum.s3.amazonaws.com todo-ta-g7g.amazon.com", {}),
    ("a plug of Amazon's", "fc:a1:83:00:00:02", "dp-gw-na.amazon.com a1b2.iot.us-east-1.amazonaws.com", {}),
    ("Chromecast", "44:07:0b:00:00:01", CAST_BOOT, {"mdns.txt": "_googlecast._tcp:md=Chromecast", "mdns.service": "_googlecast._tcp"}),
    ("Pixel", "f8:1a:2b:00:00:01", CAST_BOOT + " play-fe.googleapis.com e1.whatsapp.net", {"dhcp.hostname": "Pixel-6", "mdns.query": "_googlecast._tcp"}),
    ("Android, random MAC", "02:1a:2b:00:00:01", CAST_BOOT + " mtalk.google.com", {"mdns.query": "_googlecast._tcp"}),
    ("iPhone", "d4:a3:3d:00:00:01", APPLE_BOOT, {"dhcp.hostname": "Lucas-iPhone", "mdns.query": "_companion-link._tcp"}),
    ("MacBook", "d0:03:4b:00:00:01", APPLE_BOOT, {"mdns.service": "_airplay._tcp", "mdns.txt": "_airplay._tcp:model=MacBookPro18,3", "mdns.query": "_ipp._tcp"}),
    ("Windows with Alexa", "00:11:22:00:00:02", "www.msftconnecttest.com avs-alexa-4-na.amazon.com", {"dhcp.vendor_class": "MSFT 5.0"}),
    ("phone with the Alexa app", "02:11:22:00:00:03", "pitangui.amazon.com avs-alexa-4-na.amazon.com device-metrics-us.amazon.com mtalk.google.com", {}),
    ("Roomba", "50:14:79:00:00:01", "", {"mdns.service": "_amzn-alexa._tcp", "mdns.instance": "_amzn-alexa._tcp:iRobot-ABC"}),
    ("SoundTouch", "00:0c:8a:00:00:01", "streaming.bose.com", {"mdns.service": "_soundtouch._tcp"}),
    ("Nest thermostat", "18:b4:30:00:00:01", "czfe05-front01-iad01.transport.home.nest.com logsink.devices.nest.com", {}),
    ("Samsung TV", "bc:14:85:00:00:01", "cdn.samsungcloudsolution.com", {"ssdp.server": "SHP, UPnP/1.0, Samsung UPnP SDK/1.0"}),
    ("Xiaomi phone", "78:11:dc:00:00:01", "speech.ai.xiaomi.com api.installer.xiaomi.com", {}),
    ("printer", "00:11:22:00:00:04", "", {"mdns.service": "_ipp._tcp"}),
    ("router", "00:11:22:00:00:05", "avs-alexa-4-na.amazon.com fireoscaptiveportal.com ntp-g7g.amazon.com", {"dns.server": "53"}),
    ("resolver with an Amazon prefix", "fc:65:de:00:00:09", "avs-alexa-4-na.amazon.com fireoscaptiveportal.com", {"dns.server": "53"}),
]  # fmt: skip


def show(mac: str, names: str, others: dict[str, str]) -> Device:
    who, key = Identifier(IdentifySettings(), [], SCALES, ROLES, OUI), mac_key(mac)
    pairs = [("dns.query", name) for name in names.split()] + list(others.items())
    # a router forwards for as long as it is there; to be seen doing so once is not enough
    for minute in range(FORWARDING_MINUTES):
        who.observe(Fact(minute * MINUTE_NS + at, key, kind, value) for at, (kind, value) in enumerate(pairs))
    return who.device(key)


@pytest.mark.parametrize(
    ("what", "mac", "names", "others", "kind", "vendor"), WITH_MICROPHONE, ids=lambda v: str(v)[:20]
)
def test_who_listens(what: str, mac: str, names: str, others: dict[str, str], kind: str, vendor: str | None) -> None:
    device = show(mac, names, others)
    assert (device.kind, device.microphone) == (kind, True), (what, device)
    assert vendor is None or device.vendor == vendor


@pytest.mark.parametrize(("what", "mac", "names", "others"), WITHOUT, ids=lambda v: str(v)[:20])
def test_who_does_not(what: str, mac: str, names: str, others: dict[str, str]) -> None:
    device = show(mac, names, others)
    assert not device.microphone, (what, device)
    assert device.kind not in ("display", "camera"), (what, device)
    assert device.kind != "speaker" or device.model == "SoundTouch", (what, device)
