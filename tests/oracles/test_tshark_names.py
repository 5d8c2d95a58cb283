"""tshark as the second opinion on names: DNS questions and addresses, SNI over TCP and QUIC, JA3."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sniffer.capture.files.open import open_capture
from sniffer.decode import decode
from sniffer.decode.dissect import Dissector
from sniffer.decode.reassembly import DissectSettings
from sniffer.model import Fact, NameSeen, Observation, Selection, address_text

pytestmark = pytest.mark.slow

CAPTURES = (
    "ndpi/alexa-app.pcapng",
    "ndpi/iphone.pcap",
    "ndpi/telegram.pcap",
    "speakers-study/echodot3a_active_2019-11-16.pcap",
    "iot-sentinel/Lightify.pcap",
    "vcf/haipeng_li/alexa_5_30s.pcap",
)


def ours(path: Path) -> list[Observation]:
    dissector = Dissector(DissectSettings(settled_cost=1 << 40))  # of every host everything
    with open_capture(path) as reader:
        return [o for block in reader for o in dissector.dissect(decode(block, Selection())[0])]


def theirs(tshark: str, path: Path, shown: str, *fields: str) -> list[list[list[str]]]:
    """One list a packet, one list of values a field."""
    wanted = [argument for field in fields for argument in ("-e", field)]
    call = [tshark, "-r", str(path), "-Y", shown, "-T", "fields", "-E", "aggregator=/s", *wanted]
    out = subprocess.run(call, capture_output=True, text=True, errors="replace", check=False).stdout
    return [[cell.split() for cell in line.split("\t")] for line in out.splitlines()]


def values(observations: list[Observation], *kinds: str) -> set[str]:
    return {o.value for o in observations if isinstance(o, Fact) and o.kind in kinds}


@pytest.mark.data
@pytest.mark.parametrize("name", CAPTURES)
def test_the_same_names_as_tshark(name: str, shared_data: Path, tool: Callable[[str], str]) -> None:
    tshark, path = tool("tshark"), shared_data / name
    seen = ours(path)
    hellos = theirs(tshark, path, "tls.handshake.type==1", "tls.handshake.extensions_server_name", "tls.handshake.ja3")
    google = theirs(tshark, path, "gquic.tag.sni", "gquic.tag.sni")
    names = {text.lower() for row in hellos + google for text in row[0]}
    assert values(seen, "tls.sni", "quic.sni") == names
    assert values(seen, "tls.ja3") == {text for row in hellos for text in row[1]}

    answers = theirs(tshark, path, "dns && udp.port==53", "dns.qry.name", "dns.a", "dns.aaaa")
    assert values(seen, "dns.query") == {row[0][0].lower() for row in answers if row[0]}
    addresses = {address_text(*o.address) for o in seen if isinstance(o, NameSeen) and o.source == "dns"}
    # tshark lists the addresses of name servers, too; those belong to nobody's question
    assert addresses <= {text for row in answers for cell in row[1:] for text in cell}


@pytest.mark.data
def test_the_ja4_that_ndpi_prints(shared_data: Path) -> None:
    """tshark of Debian 12 has no JA4 yet; these are from nDPI's results for the same capture."""
    assert values(ours(shared_data / "ndpi/iphone.pcap"), "tls.ja4") == {
        "t13d2613h1_2802a3db6c62_845d286b0d67",
        "t13d2613h2_2802a3db6c62_845d286b0d67",
        "t13d2614h2_2802a3db6c62_0e42e90cf648",
    }
