"""What a host announces by multicast DNS (RFC 6762, 6763), and what it looks for.

Only an answer identifies who sends it; a question identifies the asker as somebody who looks for such things.
"""

from __future__ import annotations

from collections.abc import Iterator

from sniffer.decode.protocols.dns import AAAA, PTR, SRV, TXT, A, Message

#: Keys of TXT records that tell what a thing is; all others could carry anything.
TEXT_KEYS = frozenset(
    "am bt ca ci devtype ee features ff fn fv hmodel hname id info location manufacturer md mdl mf mn model modelname"
    " mv n nf osvers path pid pk platform product project_name protovers ptype rpmd rpfl rs serial sf srcvers st ty"
    " type usb_mdl usb_mfg vendor vers version vs".split()
)
#: Of these only that they are there is told: they are ids or addresses of a home.
_SILENT = frozenset({"id", "pk", "serial", "location", "info", "path"})


def facts(message: Message) -> Iterator[tuple[str, str]]:
    """(kind, value) pairs. `mdns.service` is `_type._proto`, `mdns.txt` is `_type._proto:key=value`."""
    if not message.response:
        for question in message.questions:
            kind = service_type(question.name)
            if kind:
                yield "mdns.query", kind
        return
    for record in message.records:
        kind = service_type(record.name)
        if record.type == PTR and record.target:
            if record.name.startswith("_services._dns-sd."):
                announced = service_type(record.target)
                if announced and record.ttl:
                    yield "mdns.service", announced
            elif kind and record.ttl:
                yield "mdns.service", kind
                yield "mdns.instance", f"{kind}:{record.label}"
        elif record.type == SRV and kind and record.target:
            yield "mdns.service", kind
            yield "mdns.host", record.target.removesuffix(".local")
        elif record.type == TXT and kind:
            yield "mdns.service", kind
            for text in record.texts:
                key, separator, value = text.partition("=")
                key = key.lower()
                if separator and key in TEXT_KEYS and key not in _SILENT:
                    yield "mdns.txt", f"{kind}:{key}={value}"
        elif record.type in (A, AAAA) and record.name.endswith(".local"):
            yield "mdns.host", record.name.removesuffix(".local")


def service_type(name: str) -> str | None:
    """`_googlecast._tcp` for `Living Room._googlecast._tcp.local`; subtypes (`_x._sub._y._tcp`) give their type."""
    labels = name.removesuffix(".local").split(".")
    if len(labels) >= 2 and labels[-1] in ("_tcp", "_udp") and labels[-2].startswith("_"):
        return f"{labels[-2]}.{labels[-1]}"
    return None
