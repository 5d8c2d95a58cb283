"""Facts to devices, names to flows, as of a time."""

import dataclasses
import json
import re
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer.decode.dissect import Dissector
from sniffer.identify import Identifier
from sniffer.identify.classifier import Scales
from sniffer.identify.roles import Roles
from sniffer.identify.rules import FACT_KINDS, load_device_rules, load_oui, load_service_rules
from sniffer.identify.settings import IdentifySettings
from sniffer.model import AddressSeen, Fact, FlowKey, NameSeen, Observation, Service, address_key, address_pair, mac_key
from sniffer.resources import shipped
from sniffer.settings.base import DeviceSettings
from sniffer.testing import Frame, House, packet_batch

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
ECHO, PHONE, ROUTER = "68:db:f5:90:19:64", "02:11:22:33:44:55", "02:00:5e:00:00:01"
RULES = [shipped("rules")]
SCALES, ROLES, OUI = Scales(load_device_rules(RULES)), Roles(load_service_rules(RULES)), load_oui(RULES)
VOICE = "avs-alexa-4-na.amazon.com"


def identifier(*devices: DeviceSettings, **settings: object) -> Identifier:
    return Identifier(IdentifySettings(**settings), devices, SCALES, ROLES, OUI)


def feed(who: Identifier, frames: Iterable[Frame], size: int = 0) -> Identifier:
    frames, dissector = list(frames), Dissector()
    size = size or len(frames)
    for at in range(0, len(frames), size):
        batch = packet_batch(frames[at : at + size])
        who.seen(batch)
        who.observe(dissector.dissect(batch))
    return who


def facts(*pairs: tuple[str, str], mac: str = ECHO, at: int = START) -> list[Observation]:
    return [Fact(at + index * SECOND, mac_key(mac), kind, value) for index, (kind, value) in enumerate(pairs)]


def booting_house() -> House:
    house = House()
    echo, phone = house.host("kitchen", mac=ECHO), house.host("phone", mac=PHONE)
    phone.asks_for("_googlecast._tcp", at=0)
    phone.asks_for("_companion-link._tcp", at=1)
    echo.joins(at=2, hostname="", vendor_class="dhcpcd-5.5.6", parameters=[1, 33, 3, 6])
    echo.looks_up("fireoscaptiveportal.com", at=3)
    echo.looks_up("ntp-g7g.amazon.com", at=4)
    echo.looks_up(VOICE, at=5)
    echo.says(2.0).to(VOICE, at=6)
    return house


def test_an_echo_is_known_from_its_boot_and_a_phone_is_no_speaker() -> None:
    who = feed(identifier(), booting_house().frames())
    echo = who.device(mac_key(ECHO))
    assert (echo.vendor, echo.kind, echo.microphone) == ("Amazon", "speaker", True)
    assert echo.confidence > 0.95
    assert echo.name == "echo-901964"
    assert echo.reasons and echo.facts
    phone = who.device(mac_key(PHONE))
    assert (phone.kind, phone.microphone) == ("phone", False)
    assert who.device(mac_key(ROUTER)).kind == "router", "it answers for others: their names are not its own"
    assert set(who.watched()) == {mac_key(ECHO)}


@pytest.mark.parametrize("size", [1, 3, 7])
def test_how_packets_are_batched_does_not_matter(size: int) -> None:
    frames = booting_house().frames()
    whole, cut = feed(identifier(), frames), feed(identifier(), frames, size)
    assert whole.watched() == cut.watched()
    assert whole.devices() == cut.devices()


def test_watched_since_the_packet_that_decided() -> None:
    who = identifier()
    who.observe(facts(("dns.query", "ntp-g7g.amazon.com"), ("dns.query", VOICE)))
    assert who.watched() == {mac_key(ECHO): START} or who.watched() == {mac_key(ECHO): START + SECOND}


def test_a_person_is_always_right() -> None:
    named = DeviceSettings(mac=PHONE, name="bedroom", earshot="upstairs")
    excluded = DeviceSettings(mac=ECHO, name="radio", watch=False)
    who = feed(identifier(named, excluded), booting_house().frames())
    assert who.watched() == {mac_key(PHONE): 0}
    bedroom = who.device(mac_key(PHONE))
    assert (bedroom.name, bedroom.microphone, bedroom.configured, bedroom.confidence) == ("bedroom", True, True, 1.0)
    assert (bedroom.kind, bedroom.earshot) == ("speaker", "upstairs")
    assert not who.device(mac_key(ECHO)).microphone
    unseen = identifier(named).device(mac_key(PHONE))
    assert unseen.name == "bedroom"


def test_strangers_text_is_no_label() -> None:
    who = identifier()
    nasty = '_googlecast._tcp:md=Google Home"} 1\n# {x="'
    who.observe(facts(("mdns.service", "_googlecast._tcp"), ("mdns.txt", nasty), ("mdns.service", "_googlezone._tcp")))
    device = who.device(mac_key(ECHO))
    assert device.microphone
    assert not set('"{}\n#=') & set(device.name + (device.model or ""))


def test_a_new_mac_with_an_old_name_is_proposed_as_the_same() -> None:
    who = identifier()
    who.observe(facts(("dhcp.hostname", "kitchen-homepod"), mac="02:00:00:00:00:01"))
    who.observe(facts(("dhcp.hostname", "kitchen-homepod"), mac="02:00:00:00:00:02"))
    (reason,) = who.device(mac_key("02:00:00:00:00:02")).reasons
    assert "02:00:00:00:00:01" in reason
    assert "kitchen-homepod" in reason


def test_encrypted_dns_is_said() -> None:
    who = identifier()
    who.observe([sni("dns.google", 1), Fact(START, KEY, "tls.ech", "cover.example")])
    reasons = who.device(KEY).reasons
    assert any("encrypted DNS" in reason and "doh dns.google" in reason for reason in reasons)
    assert any("Encrypted ClientHello" in reason and "cover.example" in reason for reason in reasons)


# --- services ------------------------------------------------------------------------------------------------------

SERVER, LOCAL = address_pair("52.94.233.109"), address_pair("192.168.1.20")
KEY = mac_key(ECHO)
FLOW = FlowKey(LOCAL, 40000, SERVER, 443, 6)


def answer(name: str, at: float, key: int = KEY) -> NameSeen:
    return NameSeen(START + round(at * SECOND), key, name, "dns", SERVER, ttl_seconds=60)


def sni(name: str, at: float, port: int = 40000) -> NameSeen:
    return NameSeen(START + round(at * SECOND), KEY, name, "sni", SERVER, proto=6, port=443, client_port=port)


def service(who: Identifier, at: float, flow: FlowKey = FLOW) -> Service:
    return who.service(KEY, flow, START + round(at * SECOND))


def test_nothing_known_is_unknown() -> None:
    assert service(identifier(), 1) == Service()


def test_sni_is_better_than_dns_and_the_past_stays_as_it_was() -> None:
    who = identifier()
    who.observe([answer("other.amazon.com", 1), sni(VOICE, 2), answer("later.amazon.com", 3)])
    assert service(who, 0.5) == Service()
    assert service(who, 1.5).host == "other.amazon.com"
    assert service(who, 2.5) == Service(VOICE, "voice", "sni", 0.5)
    assert service(who, 9).host == VOICE


def test_a_flow_from_the_middle_gets_the_name_its_address_had_last_marked_as_late() -> None:
    who = identifier()
    who.observe([answer(VOICE, 1)])
    assert service(who, 2).source == "dns_late"
    who.observe([sni("device-metrics-us.amazon.com", 3, port=50000)])
    late = service(who, 4)
    assert (late.host, late.source) == ("device-metrics-us.amazon.com", "dns_late")


def test_an_answer_before_the_connection_began_names_it() -> None:
    house = House()
    echo = house.host("kitchen", mac=ECHO)
    sent = echo.says(1.0).to(VOICE, at=2)
    batch = packet_batch(house.frames())
    who = identifier()
    who.seen(batch)
    who.observe(o for o in Dissector().dissect(batch) if not (isinstance(o, NameSeen) and o.source == "sni"))
    flow = FlowKey(address_pair(sent.address), sent.local_port, address_pair(sent.peer), sent.port, 6)
    found = who.service(echo.key, flow, house.start_ns + 5 * SECOND)
    assert (found.host, found.role, found.source) == (VOICE, "voice", "dns")


def test_a_shared_host_is_voice_for_its_own_vendor_only() -> None:
    google = DeviceSettings(mac=ECHO, name="mini", vendor="Google")
    for who, role in ((identifier(google), "voice"), (identifier(), "unknown")):
        who.observe([sni("www.google.com", 1)])
        assert service(who, 2).role == role


def test_a_named_device_with_little_to_see_is_still_somebody_s() -> None:
    mini = DeviceSettings(mac="44:07:0b:50:4d:df", name="mini")
    who = identifier(mini)
    who.observe([Fact(START, mini.key, "dhcp.vendor_class", "x")])
    assert who.device(mini.key).vendor == "Google"
    who.observe([NameSeen(START, mini.key, "www.google.com", "sni", SERVER, proto=6, port=443, client_port=40000)])
    assert who.service(mini.key, FLOW, START + SECOND).role == "voice"


def test_a_name_server_on_the_internet_is_no_host_of_this_network() -> None:
    who = identifier()
    who.observe([Fact(START, address_key(*address_pair("8.8.8.8")), "dns.server", "53")])
    who.observe([Fact(START, address_key(*address_pair("192.168.1.1")), "dns.server", "53")])
    assert len(who.devices()) == 1


# --- addresses -----------------------------------------------------------------------------------------------------


def test_keys_made_from_addresses_become_the_macs_that_own_them() -> None:
    house = House()
    echo = house.host("kitchen", mac=ECHO)
    echo.says(1.0).to(VOICE, at=2)
    batch = packet_batch(house.frames())
    who = identifier()
    who.seen(batch)
    made = [address_key(int(h), int(w)) for h, w in zip(batch.dst_high, batch.dst_low, strict=True)]
    cooked = dataclasses.replace(batch, eth_dst=np.array(made, np.uint64))
    resolved = who.resolve(cooked)
    down = resolved.eth_dst[np.asarray(batch.eth_dst == np.uint64(echo.key))]
    assert len(down) and (down == np.uint64(echo.key)).all()
    assert who.resolve(batch) is batch


def test_privacy_addresses_belong_to_the_mac() -> None:
    who = identifier()
    for number in range(40):
        who.observe([AddressSeen(START + number, KEY, address_pair(f"2001:db8::{number + 1:x}"))])
    assert who.device(KEY).address == address_pair("2001:db8::28")


# --- bounds and memory over a restart ---------------------------------------------------------------------------------


def test_a_flood_of_hosts_forgets_no_speaker() -> None:
    who = identifier(max_hosts=32)
    who.observe(facts(("dns.query", "fireoscaptiveportal.com"), ("dns.query", VOICE)))
    for number in range(500):
        who.observe([Fact(START, 0x02_00_00_00_00_00 + number, "dns.query", f"x{number}.example")])
    assert len(who.devices()) <= 33
    assert KEY in who.watched()


def test_what_was_learned_survives_a_restart() -> None:
    before = feed(identifier(), booting_house().frames())
    before.observe([answer(VOICE, 1)])
    after = identifier()
    after.restore(json.loads(json.dumps(before.state())))
    assert after.watched() == before.watched()
    assert {d.key: (d.kind, d.confidence) for d in after.devices()} == {
        d.key: (d.kind, d.confidence) for d in before.devices()
    }
    assert service(after, 2).host == VOICE
    after.restore({"version": 1, "hosts": [{"key": "x"}], "names": [[1]]})
    after.restore({})


@given(st.text(max_size=300), st.sampled_from(["_googlecast._tcp:md=Google Home", "_yandexio._tcp:platform="]))
def test_whatever_a_stranger_calls_itself_its_name_is_a_label(text: str, start: str) -> None:
    who = identifier()
    kind = start.partition(":")[0]
    who.observe(facts(("mdns.service", kind), ("mdns.txt", start + text), ("dhcp.hostname", text), ("mdns.host", text)))
    device = who.device(KEY)
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,60}", device.name)
    assert device.model is None or re.fullmatch(r"[A-Za-z0-9 .+()/_-]{1,48}", device.model)
    json.dumps(who.state())


TIMES, KEYS, TEXTS = st.integers(0, 2**62), st.integers(0, 2**64 - 1), st.text(max_size=40)
ADDRESSES = st.one_of(st.tuples(st.integers(0, 3), st.integers(0, 3)), st.tuples(KEYS, KEYS))
OBSERVATIONS = st.lists(
    st.one_of(
        st.builds(Fact, TIMES, KEYS, st.sampled_from(sorted(FACT_KINDS)), TEXTS),
        st.builds(NameSeen, TIMES, KEYS, TEXTS, st.sampled_from(["dns", "sni", "quic", "mdns"]), ADDRESSES),
        st.builds(AddressSeen, TIMES, KEYS, ADDRESSES),
    ),
    max_size=30,
)


@given(OBSERVATIONS)
def test_any_observations(observations: list[Observation]) -> None:
    who = identifier(max_hosts=16)
    who.observe(observations)
    assert len(who.devices()) <= 17
    again = identifier(max_hosts=16)
    again.restore(json.loads(json.dumps(who.state())))
    assert {device.key for device in again.devices()} == {device.key for device in who.devices()}
