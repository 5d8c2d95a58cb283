"""The rare packets that say who a host is and whom it wants: picked from a batch in columns, then read one by one.

Dissection is a function of the packets alone: how they were cut into batches does not matter. What is kept between
batches is bounded: hellos that are not whole yet, and how much each sender has said lately. It is over 400 lines since
each protocol has its few lines here, between the choice of packets and the readers in `protocols`.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterator

import numpy as np

from sniffer.decode.identity import Protocols, left_out, subjects
from sniffer.decode.protocols import arp, dhcp, dns, gquic, mdns, quic, ssdp, tls
from sniffer.decode.protocols.text import Buffer
from sniffer.decode.reassembly import (
    COST_HELLO,
    COST_INITIAL,
    COST_MESSAGE,
    STEPS_A_RECORD,
    STEPS_A_UNIT,
    Address,
    Asked,
    Connection,
    DissectSettings,
    FlowId,
    Limiter,
    Questions,
    Rendezvous,
    Segments,
    Settled,
    keep,
)
from sniffer.decode.selection import Waiting, begins_hello, hello_rows, quic_rows
from sniffer.model import (
    I64,
    KEY_FROM_ADDRESS,
    MAC_GROUP,
    AddressSeen,
    Fact,
    NameSeen,
    Observation,
    PacketBatch,
    Sample,
    address_key,
    address_text,
    is_local_address,
    key_text,
    sorted_keys,
)
from sniffer.model.protocols import DHCP_PORTS, DHCPV6_PORTS, PORT_DNS, PORT_DNS_OVER_TLS, PORT_PPPP

MAX_VALUE = 255
#: Length of the message `HELLO` of PPPP: `f1 00 00 00`.
PPPP_HELLO_BYTES = 4
#: Counts of the dissector that are no errors in a packet.
LEFT_OUT = ("limited", "sampled", "dns.work", "dns.unasked")


class Dissector:
    """Batches in, observations out, in the order of the packets."""

    def __init__(self, settings: DissectSettings | None = None) -> None:
        self.settings = settings or DissectSettings()
        self._limiter = Limiter(self.settings)
        self._questions = Questions(self.settings)
        self._hellos: OrderedDict[FlowId, Segments] = OrderedDict()
        #: The clients of these hellos; None where they have changed since they were counted.
        self._waiting: set[Waiting] | None = None
        self._initials: OrderedDict[FlowId, Connection] = OrderedDict()
        self._rendezvous = Rendezvous(self.settings.senders)
        self._settled = Settled(self.settings)
        #: The address that each host, and the host that each address, was last told to have in this batch.
        self._bound: dict[int | Address, int | Address] = {}
        self._sampled = (self._dns, self._dns_tcp, self._mdns, self._quic, self._gquic, self._hello)
        self.errors: Counter[str] = Counter()
        #: How many of what was read had been cut short by the snap length.
        self.cut = 0

    def sample(self, watched: Collection[int]) -> Sample | None:
        """The hosts that are known well enough, or None: who is decoded may leave out what is not read of them."""
        settled = self._settled.hosts(watched)
        return Sample(sorted_keys(settled), self.settings.sample) if settled else None

    def dissect(
        self,
        batch: PacketBatch,
        watched: Collection[int] = (),
        known: Collection[int] = (),
        promising: Collection[int] = (),
    ) -> list[Observation]:
        """What the identity packets of a batch say. Never raises for what the network sent.

        `watched` are the hosts whose packets are read always, and first where there are too many. Of the others what
        they look up and announce is read until it must be known what they are (`settled_cost`), and after that in one
        second of `sample`; of hosts that are `known` already, for less (`known_cost`), and of `promising` ones, which
        may become watched, for more (`promising_cost`).
        """
        out: list[Observation] = []
        self._settled.know(known, promising)
        if not (chosen := self._choose(batch, watched)):
            return out
        index = np.concatenate([rows for rows, _, _ in chosen])
        which = np.repeat(np.arange(len(chosen)), [len(rows) for rows, _, _ in chosen])
        order = np.argsort(index, kind="stable")
        index = index[order]
        columns = (index, which[order], batch.eth_src[index], subjects(batch)[index], batch.time_ns[index])
        self._bound.clear()
        for row, number, key, subject, time_ns in zip(*(column.tolist() for column in columns), strict=True):
            _, read, cost = chosen[number]
            if read == self._hello and not self._continues(batch, row):
                continue
            always = subject in watched
            if not always and read in self._sampled:
                answer = subject != key or int(batch.src_port[row]) == PORT_DNS
                if not self._settled.reads(subject, time_ns, cost, answer=answer):
                    self.errors["sampled"] += 1
                    continue
            if not self._limiter.allows(key, time_ns, cost, watched=always):
                self.errors["limited"] += 1
                continue
            self.cut += bool(batch.payload_captured[row] < batch.payload_len[row])
            out.extend(read(batch, row))
        return out

    def left_out(self) -> Counter[str]:
        """What was not read, by reason, since this was asked.

        `limited`: messages of senders that make too much work; `sampled`: of hosts that are known well enough;
        `dns.work`: whose names make too much; `dns.unasked`: answers to questions that were not seen.
        """
        found = Counter({reason: self.errors.pop(reason) for reason in LEFT_OUT if reason in self.errors})
        return found

    def _choose(self, batch: PacketBatch, watched: Collection[int]) -> list[tuple[I64, _Reader, int]]:
        """Return the rows of each reader, and what one costs."""
        chosen: list[tuple[I64, _Reader, int]] = []
        if not len(batch):
            return chosen
        sample = self.sample(watched)  # before each row is looked at by itself
        unread = None if sample is None else left_out(sample, subjects(batch), batch.time_ns)

        def choose(rows: I64, reader: _Reader, cost: int = COST_MESSAGE) -> None:
            if not len(rows):
                return
            if unread is not None and reader in self._sampled:
                kept = rows[~unread[rows]]
                self.errors["sampled"] += len(rows) - len(kept)
                rows = kept
            if len(rows):
                chosen.append((rows, reader, cost))

        def full(rows: I64) -> I64:
            return rows[batch.payload_captured[rows] > 0] if len(rows) else rows

        found = Protocols(batch)
        dhcp, dhcpv6, pppp = full(found.rows("dhcp")), full(found.rows("dhcpv6")), found.rows("pppp")
        dhcp = dhcp[np.isin(batch.src_port[dhcp], DHCP_PORTS) & np.isin(batch.dst_port[dhcp], DHCP_PORTS)]
        at_client = batch.src_port[dhcpv6] == DHCPV6_PORTS[0]
        dhcpv6 = dhcpv6[at_client & (batch.dst_port[dhcpv6] == DHCPV6_PORTS[1])]
        modern, old = quic_rows(batch, found)
        choose(full(found.rows("arp")), self._arp)
        choose(found.rows("neighbour"), self._neighbour)
        choose(full(found.rows("dns")), self._dns)
        choose(full(found.rows("dns.tcp")), self._dns_tcp)
        choose(full(found.rows("mdns")), self._mdns)
        choose(full(found.rows("ssdp")), self._ssdp)
        choose(dhcp, self._dhcp)
        choose(dhcpv6, self._dhcp_v6)
        choose(pppp[batch.payload_len[pppp] == PPPP_HELLO_BYTES], self._pppp)
        choose(found.rows("discovery"), self._discovery)
        choose(modern, self._quic, COST_INITIAL)
        choose(old, self._gquic)
        if self._waiting is None:
            self._waiting = {(flow.client_port, flow.source[1]) for flow in self._hellos}
        choose(hello_rows(batch, found, self._waiting), self._hello, COST_HELLO)
        return chosen

    # --- one packet each -------------------------------------------------------------------------------------------

    def _fact(self, batch: PacketBatch, row: int, kind: str, value: str, key: int | None = None) -> Fact:
        owner = int(batch.eth_src[row]) if key is None else key
        return Fact(int(batch.time_ns[row]), owner, kind, value[:MAX_VALUE])

    def _arp(self, batch: PacketBatch, row: int) -> Iterator[Observation]:
        binding = arp.parse_arp(batch.payload(row))
        if binding is not None and self._is_new(*binding):
            yield AddressSeen(int(batch.time_ns[row]), *binding)

    def _neighbour(self, batch: PacketBatch, row: int) -> Iterator[Observation]:
        data = batch.payload(row)
        key = int(batch.eth_src[row])
        if arp.is_router(data):
            yield self._fact(batch, row, "network.router", "ra")
            return
        binding = arp.parse_neighbour(data, key, (int(batch.src_high[row]), int(batch.src_low[row])))
        if binding is not None and self._is_new(*binding):
            yield AddressSeen(int(batch.time_ns[row]), *binding)

    def _is_new(self, key: int, address: Address) -> bool:
        """Note which host has an address; return whether this batch told nothing else of both since it told that."""
        known = self._bound.get(key) == address and self._bound.get(address) == key
        self._bound[key], self._bound[address] = address, key
        return not known

    def _dns(self, batch: PacketBatch, row: int) -> Iterator[Observation]:
        yield from self._dns_message(batch, row, batch.payload(row))

    def _dns_tcp(self, batch: PacketBatch, row: int) -> Iterator[Observation]:
        data = batch.payload(row)
        if len(data) > 14 and int.from_bytes(data[:2], "big") == len(data) - 2:
            yield from self._dns_message(batch, row, data[2:])

    def _dns_message(self, batch: PacketBatch, row: int, data: Buffer) -> Iterator[Observation]:
        message = dns.parse(data)
        if message is None or not message.questions:
            self.errors["dns"] += message is None
            return
        if len(data) > dns.USUAL_BYTES:
            self._charge(batch, row, message)
        time_ns, name = int(batch.time_ns[row]), message.questions[0].name
        source = int(batch.src_high[row]), int(batch.src_low[row])
        destination = int(batch.dst_high[row]), int(batch.dst_low[row])
        if not message.response:
            if int(batch.dst_port[row]) == PORT_DNS and name:
                yield self._fact(batch, row, "dns.query", name)
                asked = Asked(time_ns, int(batch.eth_src[row]), name, int(batch.eth_dst[row]))
                self._questions.ask(source, destination, int(batch.src_port[row]), message.id, asked)
            return
        if int(batch.src_port[row]) != PORT_DNS or not name:
            return
        question = self._questions.answered(
            destination, source, int(batch.dst_port[row]), message.id, name, time_ns, int(batch.eth_src[row])
        )
        if question is None:
            self.errors["dns.unasked"] += 1
            return
        if question.resolver_key in (int(batch.eth_src[row]), address_key(*source)):
            yield self._fact(batch, row, "dns.server", "53")
        for record, host in _answers(message, name):
            for address in record.addresses:
                yield NameSeen(time_ns, question.key, host[:MAX_VALUE], "dns", address, ttl_seconds=record.ttl)

    def _charge(self, batch: PacketBatch, row: int, message: dns.Message) -> None:
        """Names and records that make work cost more than the message itself."""
        steps = message.steps + STEPS_A_RECORD * len(message.records) if message.steps else 0
        if steps >= STEPS_A_UNIT:
            self._limiter.charge(int(batch.eth_src[row]), steps // STEPS_A_UNIT)
        if message.steps > dns.MAX_STEPS:
            self.errors["dns.work"] += 1

    def _mdns(self, batch: PacketBatch, row: int) -> Iterator[Observation]:
        message = dns.parse(batch.payload(row))
        if message is None:
            self.errors["mdns"] += 1
            return
        self._charge(batch, row, message)
        for kind, value in dict.fromkeys(mdns.facts(message)):
            yield self._fact(batch, row, kind, value)
        if not message.response:
            return
        own = (int(batch.src_high[row]), int(batch.src_low[row]))
        key, time_ns = int(batch.eth_src[row]), int(batch.time_ns[row])
        for record in message.records:
            for address in record.addresses:
                # Sleep proxies and reflectors speak for others: only the sender's own address is believed to be its.
                if record.name.endswith(".local") and record.ttl and address == own:
                    yield NameSeen(time_ns, key, record.name[:MAX_VALUE], "mdns", address, ttl_seconds=record.ttl)

    def _ssdp(self, batch: PacketBatch, row: int) -> Iterator[Observation]:
        for kind, value in dict.fromkeys(ssdp.facts(batch.payload(row))):
            yield self._fact(batch, row, kind, value)

    def _dhcp(self, batch: PacketBatch, row: int) -> Iterator[Observation]:
        message = dhcp.parse(batch.payload(row))
        if message is None:
            self.errors["dhcp"] += 1
            return
        # A relay or a repeater sends for others: the client named inside is the one that is meant.
        sender = int(batch.eth_src[row])
        key = message.client or sender
        if message.from_client and key != sender and not message.relayed and not sender & KEY_FROM_ADDRESS:
            yield self._fact(batch, row, "network.carries", key_text(key))
        for kind, value in message.facts:
            yield self._fact(batch, row, kind, value, key)
        if message.address is not None:
            yield AddressSeen(int(batch.time_ns[row]), key, message.address)
        if not message.from_client:
            yield self._fact(batch, row, "dhcp.server", "67")

    def _dhcp_v6(self, batch: PacketBatch, row: int) -> Iterator[Observation]:
        for kind, value in dhcp.parse_v6(batch.payload(row)):
            yield self._fact(batch, row, kind, value)

    def _pppp(self, batch: PacketBatch, row: int) -> Iterator[Observation]:
        """A camera asks its vendor's servers, all at once, to be found by a phone."""
        server = int(batch.dst_high[row]), int(batch.dst_low[row])
        if int(batch.dst_port[row]) != PORT_PPPP or is_local_address(*server):
            return
        if self._rendezvous.ask(int(batch.eth_src[row]), server, int(batch.time_ns[row])):
            yield self._fact(batch, row, "p2p.rendezvous", "pppp")

    def _discovery(self, batch: PacketBatch, row: int) -> Iterator[Observation]:
        group = int(batch.dst_high[row]), int(batch.dst_low[row])
        if int(batch.eth_dst[row]) & MAC_GROUP:
            yield self._fact(batch, row, "udp.discovery", f"{address_text(*group)}:{int(batch.dst_port[row])}")

    def _hello(self, batch: PacketBatch, row: int) -> Iterator[Observation]:
        data = bytes(batch.payload(row)[: tls.MAX_HELLO])
        begins = begins_hello(data)
        flow = FlowId.of(batch, row)
        if begins and flow not in self._hellos:
            stream, more = tls.handshake_bytes(data)
            hello = None if more else tls.parse(stream)
            if hello is not None and hello.whole:  # in one segment, as most are
                yield from self._client(batch, row, hello, set(), "sni")
                return
        self._waiting = None
        segments = self._hellos.get(flow)
        sequence = int(batch.tcp_seq[row])
        if segments is None or (begins and sequence != segments.start):
            if not begins:
                return
            segments = Segments(sequence)
            keep(self._hellos, flow, segments, self.settings.pending)
        segments.add(sequence, data)
        stream, more = tls.handshake_bytes(segments.stream())
        hello = tls.parse(stream)
        if hello is None and not more:
            del self._hellos[flow]
            self.errors["tls"] += 1
            return
        cut = len(data) < int(batch.payload_len[row]) and len(data) < tls.MAX_HELLO
        if cut or not more or segments.exhausted or (hello is not None and hello.whole):
            del self._hellos[flow]
        if hello is not None:
            yield from self._client(batch, row, hello, segments.told, "sni")

    def _continues(self, batch: PacketBatch, row: int) -> bool:
        """A segment starts a hello, or belongs to one that is waited for."""
        return begins_hello(batch.payload(row)) or FlowId.of(batch, row) in self._hellos

    def _quic(self, batch: PacketBatch, row: int) -> Iterator[Observation]:
        flow = FlowId.of(batch, row)
        connection = self._initials.get(flow)
        fresh = False
        for initial in quic.initials(batch.payload(row), int(batch.payload_len[row])):
            candidates = []
            if connection is not None and initial.version == connection.version:
                candidates.append(connection)
            if connection is None or initial.destination != connection.destination:
                candidates.append(Connection(initial.version, initial.destination))
            for candidate in candidates:
                frames = quic.open_initial(initial, candidate.keys)
                if frames is None:
                    continue
                if candidate is not connection:
                    connection = candidate
                    keep(self._initials, flow, connection, self.settings.pending)
                for offset, data in frames:
                    connection.crypto.add(offset, data)
                fresh = fresh or bool(frames)
                break
            else:
                self.errors["quic"] += 1
        if connection is None or not fresh or connection.done:
            return
        stream = connection.crypto.stream()
        hello = tls.parse(stream)
        if hello is None:
            hello = _gquic_hello(stream)
        if hello is not None:
            connection.done = hello.whole
            yield from self._client(batch, row, hello, connection.told, "quic")

    def _gquic(self, batch: PacketBatch, row: int) -> Iterator[Observation]:
        hello = _gquic_hello(batch.payload(row))
        if hello is not None:
            yield from self._client(batch, row, hello, set(), "quic")

    def _client(
        self, batch: PacketBatch, row: int, hello: tls.ClientHello, told: set[str], source: str
    ) -> Iterator[Observation]:
        """What a hello tells; `told` keeps a hello that comes in pieces from saying a thing twice."""
        port = int(batch.dst_port[row])
        prints = self.settings.fingerprints
        facts: list[tuple[str, str | None]] = [
            ("tls.sni" if source == "sni" else "quic.sni", hello.server_name),
            ("tls.ja3", hello.ja3 if prints else None),
            ("tls.ja4", hello.ja4("t" if source == "sni" else "q") if prints else None),
            ("tls.alpn", ",".join(hello.alpn) if hello.whole and hello.alpn else None),
            ("tls.ech", (hello.server_name or "") if hello.ech and hello.whole else None),
            ("dns.encrypted", ("dot" if source == "sni" else "doq") if port == PORT_DNS_OVER_TLS else None),
        ]
        for kind, value in facts:
            if value is None or kind in told:
                continue
            told.add(kind)
            yield self._fact(batch, row, kind, value)
            if kind in ("tls.sni", "quic.sni"):
                yield NameSeen(
                    int(batch.time_ns[row]),
                    int(batch.eth_src[row]),
                    value[:MAX_VALUE],
                    "sni" if source == "sni" else "quic",
                    (int(batch.dst_high[row]), int(batch.dst_low[row])),
                    proto=int(batch.proto[row]),
                    port=port,
                    client_port=int(batch.src_port[row]),
                )


_Reader = Callable[[PacketBatch, int], Iterator[Observation]]


def _gquic_hello(data: Buffer) -> tls.ClientHello | None:
    """A hello of gQUIC, as far as it says the same."""
    name = gquic.server_name(data)
    return None if name is None else tls.ClientHello(version=0, server_name=name, whole=False)


def _answers(message: dns.Message, asked: str) -> Iterator[tuple[dns.Record, str]]:
    """Address records of the answer that belong to the name asked for, through any chain of CNAMEs; and those of
    others beside it, under their own name."""
    alias = {asked}
    answers = message.records[: message.answers]
    for _ in range(8):  # chains are short; records may come in any order
        more = {r.target for r in answers if r.type == dns.CNAME and r.name in alias and r.target} - alias
        if not more:
            break
        alias |= more
    for record in answers:
        if record.addresses:
            yield record, asked if record.name in alias else record.name
