"""A longer fuzz target for the parsers of what strangers send; not run by pytest.

    pip install atheris && python tests/fuzz/fuzz_dissect.py -max_total_time=600

Each input is one payload: its first byte says which parser reads it.
"""

import sys

import atheris

with atheris.instrument_imports():
    from sniffer.decode.protocols import arp, dhcp, dns, gquic, mdns, quic, ssdp, tls


def one_input(data: bytes) -> None:
    if not data:
        return
    which, body = data[0] % 7, data[1:]
    match which:
        case 0:
            message = dns.parse(body)
            if message is not None:
                list(mdns.facts(message))
        case 1:
            hello = tls.parse(tls.handshake_bytes(body)[0]) or tls.parse(body)
            if hello is not None:
                hello.ja4()
                assert hello.ja3 is None or hello.whole
        case 2:
            for initial in quic.initials(body, 1200):
                quic.open_initial(initial, quic.client_keys(initial.version, initial.destination))
        case 3:
            quic._frames(body, cut=bool(len(body) & 1))
            gquic.server_name(body)
        case 4:
            dhcp.parse(body)
            dhcp.parse_v6(body)
        case 5:
            list(ssdp.facts(body))
        case 6:
            arp.parse_arp(body)
            arp.parse_neighbour(body, 1, (0, 0))


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
