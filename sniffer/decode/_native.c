/* Frames to columns, one pass: what `decode.frames.batch` and `decode.frames.batcher` do in numpy, with the same results to the last bit.
 *
 * Optional: built by hatch_build.py where there is a compiler; the package works without it (and with
 * SNIFFER_PURE_PYTHON=1 ignores it). Only the stable ABI is used. Every read is checked against the captured
 * length of its frame, and every frame against the buffer.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define REVISION 11

enum { MAX_TAGS = 8, MAX_EXTENSIONS = 16 };

#define FROM_ADDRESS (1ull << 63)
#define FROM_IPV6 (1ull << 62)

static inline uint32_t u16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }
static inline uint32_t u32(const uint8_t *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }
static inline uint64_t u64(const uint8_t *p) { return (uint64_t)u32(p) << 32 | u32(p + 4); }
static inline uint32_t le16(const uint8_t *p) { return (uint32_t)p[1] << 8 | p[0]; }
static inline uint32_t le32(const uint8_t *p) { return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0]; }
static inline uint64_t mac48(const uint8_t *p) { return (uint64_t)u16(p) << 32 | u32(p + 2); }

#include "_protocols.h"

struct row {
    uint64_t src, dst, src_high, src_low, dst_high, dst_low;
    uint32_t seq, ack;
    int32_t network, transport, length; /* `length`: bytes behind `transport` on the wire */
    uint16_t ether_type, src_port, dst_port;
    uint8_t version, proto, flags, has_src, has_dst, fragment, later, bad4, bad6, bad_tcp, bad_udp;
    uint8_t other, tunnel, overlong, layers; /* an unknown type; a tunnel that was not peeled; claims more than the frame has */
};

/* --- link ---------------------------------------------------------------------------------------------------- */

/* What reading a link gives. In the other cases the frame belongs to nobody. */
enum { GOOD = 1, DAMAGED = 0, UNKNOWN_LINK = -1, ENCRYPTED = -2 };
enum { ARP = 0x0806, TRANSPARENT = 0x6558, MPLS = 0x8847, MPLS_MULTICAST = 0x8848, BATMAN = 0x4305, MACSEC = 0x88E5 };
/* Headers within each other: more are no packet of ours. */
enum { MAX_LAYERS = 16, MAX_TUNNELS = 8 };

static int ethernet(const uint8_t *p, int64_t cap, int64_t wire, int64_t at, struct row *r);

static int family_type(uint32_t family) {
    return family == 2 ? IPV4 : family == 10 || family == 24 || family == 28 || family == 30 ? IPV6 : 0;
}

/* Nothing that we decode, and nothing wrong with it. */
static int no_packet(struct row *r) {
    r->ether_type = 0;
    return GOOD;
}

static int ppp_protocol(const uint8_t *p, int64_t cap, struct row *r) {
    if (cap < r->network + 2) return DAMAGED;
    int brief = p[r->network] & 1;
    uint32_t protocol = brief ? p[r->network] : u16(p + r->network);
    r->ether_type = protocol == 0x21 ? IPV4 : protocol == 0x57 ? IPV6 : 0;
    r->network += brief ? 1 : 2;
    return GOOD;
}

/* Whether a header that we decode stands at `at`, if its type says so. */
static int plausible(const uint8_t *p, int64_t cap, int64_t wire, uint32_t type, int64_t at) {
    if (type == IPV4 && cap >= at + 20)
        return p[at] >> 4 == 4 && (p[at] & 15) >= 5 && (int64_t)u16(p + at + 2) >= (p[at] & 15) * 4 && at + (int64_t)u16(p + at + 2) <= wire && p[at + 8];
    if (type == IPV6 && cap >= at + 40) return p[at] >> 4 == 6 && at + 40 + (int64_t)u16(p + at + 4) <= wire && p[at + 7];
    if (type == ARP && cap >= at + 8) return u32(p + at) == 0x00010800 && u16(p + at + 4) == 0x0604;
    if (is_tag((int)type) && cap >= at + 4 && !is_tag((int)u16(p + at + 2))) return plausible(p, cap, wire, u16(p + at + 2), at + 4);
    return 0;
}

/* A switch's tag of 2, 4, 6 or 8 bytes before the type: its length, or 0. */
static int switch_tag(const uint8_t *p, int64_t cap, int64_t wire, int64_t at) {
    for (int skip = 2; skip <= 8; skip += 2)
        if (cap >= at + skip + 2 && plausible(p, cap, wire, u16(p + at + skip), at + skip + 2)) return skip;
    return 0;
}

/* Protocols of a LAN that carry no IP: nothing is missed where they are not decoded. */
static int is_plain(uint32_t type) {
    switch (type) {
    case IPV4: case IPV6: case ARP: case 0x0842: case 0x22EA: case 0x22F0: case 0x8035: case 0x809B: case 0x80F3: case 0x8137:
    case 0x8808: case 0x8809: case 0x8863: case 0x886D: case 0x887B: case 0x888E: case 0x8892: case 0x8899: case 0x88A4:
    case 0x88B8: case 0x88CC: case 0x88CD: case 0x88E1: case 0x88E3: case 0x88F5: case 0x88F6: case 0x88F7: case 0x8902:
    case 0x8912: case 0x890D: case 0x8914: case 0x893A: case 0x8999: case 0x9000: return 1;
    }
    return 0;
}

/* Step over everything that stands between a link header and the network layer. */
static int inner(const uint8_t *p, int64_t cap, int64_t wire, struct row *r) {
    int tags = 0;
    for (int layer = 0; layer < MAX_LAYERS; layer++) {
        int64_t at = r->network, size;
        uint32_t type = r->ether_type;
        if (is_tag((int)type)) {
            if (tags++ == MAX_TAGS || cap < at + 4) return DAMAGED;
            r->ether_type = (uint16_t)u16(p + at + 2);
            r->network += 4;
            continue;
        }
        switch (type) {
        case IPV4: case IPV6: case ARP: return GOOD;
        case PPPOE:
            r->network += 6;
            return ppp_protocol(p, cap, r);
        case MPLS: case MPLS_MULTICAST:
            for (int labels = 1;; labels++, at += 4) {
                if (labels > MAX_TAGS || cap < at + 4) return DAMAGED;
                if (p[at + 2] & 1) break;
            }
            at += 4;
            if (cap < at + 1) return DAMAGED;
            r->network = (int32_t)at;
            if (p[at] >> 4 == 4 || p[at] >> 4 == 6) {
                r->ether_type = p[at] >> 4 == 4 ? IPV4 : IPV6;
                return GOOD;
            }
            return ethernet(p, cap, wire, p[at] >> 4 ? at : at + 4, r); /* a pseudowire, with or without a control word */
        case TRANSPARENT: return ethernet(p, cap, wire, at, r);
        case BATMAN:
            if (cap < at + 10) return DAMAGED;
            if (p[at + 1] != 15 || (p[at] != 0x40 && p[at] != 0x42 && p[at] != 0x01)) return no_packet(r);
            return ethernet(p, cap, wire, at + (p[at] == 0x40 ? 10 : p[at] == 0x42 ? 18 : 14), r);
        case MACSEC: /* encrypted, or only signed */
            if (cap < at + 1) return DAMAGED;
            if (p[at] & 0x0C) return ENCRYPTED;
            size = p[at] & 0x20 ? 14 : 6;
            break;
        case 0x88E7: return ethernet(p, cap, wire, at + 4, r); /* provider backbone bridging */
        case 0x8926: case 0x892F: size = 4; break; /* VN-tag, HSR */
        case 0x8909: size = 6; break;              /* Cisco metadata */
        case 0x894F:                               /* network service header */
            if (cap < at + 8) return DAMAGED;
            size = (p[at + 1] & 63) * 4;
            if (size < 8) return DAMAGED;
            if (p[at + 3] == 3) return ethernet(p, cap, wire, at + size, r);
            r->network += (int32_t)size;
            r->ether_type = p[at + 3] == 1 ? IPV4 : p[at + 3] == 2 ? IPV6 : p[at + 3] == 5 ? MPLS : 0;
            if (r->ether_type == 0) return GOOD;
            continue;
        case 0x22F3: /* TRILL */
            if (cap < at + 6) return DAMAGED;
            return ethernet(p, cap, wire, at + 6 + ((p[at] & 7) << 2 | p[at + 1] >> 6) * 4, r);
        default:
            if (type < 0x600 && cap >= at + 8 && u16(p + at) == 0xAAAA && p[at + 2] == 3 && !p[at + 3] && !p[at + 4] && (!p[at + 5] || p[at + 5] == 0xF8)) {
                r->ether_type = (uint16_t)u16(p + at + 6);
                r->network += 8;
                continue;
            }
            size = r->has_dst ? switch_tag(p, cap, wire, at - 2) : 0;
            if (size) {
                r->ether_type = (uint16_t)u16(p + at - 2 + size);
                r->network += (int32_t)size;
                continue;
            }
            r->other = type >= 0x600 && !is_plain(type);
            return GOOD;
        }
        if (cap < at + size + 2) return DAMAGED;
        r->ether_type = (uint16_t)u16(p + at + size);
        r->network += (int32_t)size + 2;
    }
    return DAMAGED;
}

static int ethernet(const uint8_t *p, int64_t cap, int64_t wire, int64_t at, struct row *r) {
    if (cap < at + 14 || r->layers++ == MAX_LAYERS) return DAMAGED;
    r->has_src = r->has_dst = 1;
    r->dst = mac48(p + at);
    r->src = mac48(p + at + 6);
    r->ether_type = (uint16_t)u16(p + at + 12);
    r->network = (int32_t)at + 14;
    return r->ether_type == IPV4 ? GOOD : inner(p, cap, wire, r);
}

/* Ethernet with a switch's tag of a known length before the type. */
static int tagged_ethernet(const uint8_t *p, int64_t cap, int64_t wire, int64_t at, int tag, struct row *r) {
    if (cap < at + 14 + tag) return DAMAGED;
    r->has_src = r->has_dst = 1;
    r->dst = mac48(p + at);
    r->src = mac48(p + at + 6);
    r->ether_type = (uint16_t)u16(p + at + 12 + tag);
    r->network = (int32_t)at + 14 + tag;
    return inner(p, cap, wire, r);
}

static int wifi(const uint8_t *p, int64_t cap, int64_t wire, int64_t at, int padded, struct row *r) {
    if (cap < at + 2 || p[at] & 3) return DAMAGED;
    r->network = (int32_t)at;
    if ((p[at] >> 2 & 3) != 2 || p[at] & 0x40) return no_packet(r); /* management, control, or no data */
    if (cap < at + 24) return DAMAGED;
    if (p[at + 1] & 0x40) return ENCRYPTED;
    if (p[at + 22] & 15) return no_packet(r); /* a later fragment */
    int between = p[at + 1] & 3, service = p[at] >> 7;
    int64_t header = between == 3 ? 30 : 24, end = at + header + service * 2 + (service && p[at + 1] & 0x80 ? 4 : 0);
    if (padded) end = at + ((end - at + 3) & ~(int64_t)3);
    if (cap < end + 8) return DAMAGED;
    r->has_src = r->has_dst = 1;
    r->dst = mac48(p + at + (between & 1 ? 16 : 4));
    r->src = mac48(p + at + (between == 3 ? 24 : between == 2 ? 16 : 10));
    if (service && p[at + header] & 0x80) { /* several in one: the first */
        if (cap < end + 22) return DAMAGED;
        r->dst = mac48(p + end);
        r->src = mac48(p + end + 6);
        end += 14;
    }
    r->network = (int32_t)end;
    r->ether_type = 0;
    r->has_dst = 0; /* no switch tags here */
    int status = inner(p, cap, wire, r);
    if (status == GOOD) r->has_dst = 1;
    return status;
}

static int radiotap(const uint8_t *p, int64_t cap, int64_t wire, int64_t at, struct row *r) {
    if (cap < at + 8 || p[at]) return DAMAGED;
    int64_t end = at + le16(p + at + 2), field = at + 8;
    uint32_t present = le32(p + at + 4), word = present;
    if (end < at + 8 || cap < end) return DAMAGED;
    for (; word >> 31; field += 4) {
        if (field + 4 > end) return DAMAGED;
        word = le32(p + field);
    }
    if (present & 1) field = at + ((field - at + 7) & ~(int64_t)7) + 8;
    int flags = present & 2 && field < end ? p[field] : 0;
    return flags & 0x40 ? DAMAGED : wifi(p, cap, wire, end, flags & 0x20, r);
}

/* Netfilter's log: fields of length and kind in the byte order of the host, and among them the packet. */
static int nflog(const uint8_t *p, int64_t cap, int64_t wire, int64_t at, struct row *r) {
    if (cap < at + 8 || p[at + 1]) return DAMAGED;
    int64_t field = at + 4;
    int big = le16(p + field) > u16(p + field), type = family_type(p[at]);
    for (int fields = 0; fields < 64 && cap >= field + 4; fields++) {
        int64_t size = big ? u16(p + field) : le16(p + field), value = field + 4;
        uint32_t kind = (big ? u16(p + field + 2) : le16(p + field + 2)) & 0x7FFF;
        if (size < 4) return DAMAGED;
        if (kind == 9) {
            r->network = (int32_t)value;
            r->ether_type = (uint16_t)type;
            return inner(p, cap, wire, r);
        }
        if (cap < field + size) return DAMAGED;
        if (kind == 1 && size >= 6 && !type) type = (int)u16(p + value);
        if (kind == 8 && size >= 14 && u16(p + value) == 6 && !r->has_dst) {
            r->has_src = 1;
            r->src = mac48(p + value + 4);
        }
        if (kind == 16 && size == 18) {
            r->has_src = r->has_dst = 1;
            r->dst = mac48(p + value);
            r->src = mac48(p + value + 6);
        }
        field += (size + 3) & ~(int64_t)3;
    }
    return DAMAGED;
}

static int cooked(const uint8_t *p, int64_t cap, int64_t wire, int64_t at, struct row *r, int version) {
    int header = version == 1 ? 16 : 20;
    if (cap < at + header) return DAMAGED;
    uint32_t size = version == 1 ? u16(p + at + 4) : p[at + 11];
    uint32_t hardware = u16(p + at + (version == 1 ? 2 : 8));
    r->network = (int32_t)at + header;
    if (hardware == 803) return radiotap(p, cap, wire, at + header, r);
    if (hardware == 801) return wifi(p, cap, wire, at + header, 0, r);
    r->has_src = size == 6 && hardware != 772;
    if (r->has_src) r->src = mac48(p + at + (version == 1 ? 6 : 12));
    r->ether_type = (uint16_t)u16(p + at + (version == 1 ? 14 : 0));
    return inner(p, cap, wire, r);
}

static int read_link(uint32_t link_type, const uint8_t *p, int64_t cap, int64_t wire, int64_t at, struct row *r) {
    int64_t size;
    uint32_t family;
    if (link_type != 1 && r->layers++ == MAX_LAYERS) return DAMAGED;
    switch (link_type) {
    case 1: return ethernet(p, cap, wire, at, r);
    case 113: return cooked(p, cap, wire, at, r, 1);
    case 276: return cooked(p, cap, wire, at, r, 2);
    case 12: case 14: case 101: case 228: case 229:
        if (cap < at + 1 || (p[at] >> 4 != 4 && p[at] >> 4 != 6)) return DAMAGED;
        r->ether_type = p[at] >> 4 == 4 ? IPV4 : IPV6;
        r->network = (int32_t)at;
        return GOOD;
    case 0: case 108: case 109: /* 109: OpenBSD's IPsec, with eight bytes more */
        size = link_type == 109 ? 12 : 4;
        if (cap < at + size) return DAMAGED;
        family = u32(p + at);
        if (family > 0xFFFF) family = (uint32_t)p[at + 1] << 8 | p[at];
        r->ether_type = (uint16_t)family_type(family);
        r->network = (int32_t)(at + size);
        return GOOD;
    case 166: case 204: at++; /* PPP behind a byte for the direction */ /* fall through */
    case 9: case 50:
        if (cap < at + 4) return DAMAGED;
        r->network = (int32_t)at + (u16(p + at) == 0xFF03 ? 2 : 0);
        return ppp_protocol(p, cap, r);
    case 51:
        r->ether_type = PPPOE;
        r->network = (int32_t)at;
        return inner(p, cap, wire, r);
    case 104: /* Cisco HDLC */
        if (cap < at + 4) return DAMAGED;
        r->ether_type = (uint16_t)u16(p + at + 2);
        r->network = (int32_t)at + 4;
        return inner(p, cap, wire, r);
    case 105: return wifi(p, cap, wire, at, 0, r);
    case 127: return radiotap(p, cap, wire, at, r);
    case 119: case 163: /* Prism, AVS */
        if (cap < at + 8) return DAMAGED;
        size = u32(p + at) >> 12 == 0x80211 || !p[at] ? u32(p + at + 4) : le32(p + at + 4);
        if (size < 8 || cap < at + size) return DAMAGED;
        return wifi(p, cap, wire, at + size, 0, r);
    case 192: /* PPI */
        if (cap < at + 8) return DAMAGED;
        size = le16(p + at + 2);
        if (size < 8 || cap < at + size) return DAMAGED;
        return read_link(le32(p + at + 4), p, cap, wire, at + size, r);
    case 258: /* PKTAP */
        if (cap < at + 12) return DAMAGED;
        size = le32(p + at);
        if (size < 12 || cap < at + size) return DAMAGED;
        if (le32(p + at + 4) != 1) {
            r->network = (int32_t)(at + size);
            return no_packet(r);
        }
        return read_link(le32(p + at + 8), p, cap, wire, at + size, r);
    case 117: /* PF's log */
        if (cap < at + 4) return DAMAGED;
        size = (p[at] + 3) & ~3;
        if (size < 4 || cap < at + size) return DAMAGED;
        r->ether_type = (uint16_t)family_type(p[at + 1]);
        r->network = (int32_t)(at + size);
        return GOOD;
    case 239: return nflog(p, cap, wire, at, r);
    case 240: case 282: return ethernet(p, cap, wire, at + 4, r); /* netANALYZER; Broadcom's tag in front */
    case 281: case 284: return tagged_ethernet(p, cap, wire, at, 4, r);
    case 285: return tagged_ethernet(p, cap, wire, at, 8, r);
    }
    return UNKNOWN_LINK;
}

/* --- network: 1 where it could be read ------------------------------------------------------------------------- */

static int read_ipv4(const uint8_t *p, int64_t cap, int64_t wire, struct row *r) {
    const uint8_t *at = p + r->network;
    if (cap < r->network + 20) return !(r->bad4 = 1);
    int64_t header = (at[0] & 15) * 4, total = u16(at + 2);
    /* No packet is longer than its frame, whatever it claims. Segmentation offload leaves the length empty. */
    r->overlong = total > wire - r->network;
    if (total == 0 || r->overlong) total = wire - r->network;
    if (at[0] >> 4 != 4 || header < 20 || total < header) return !(r->bad4 = 1);
    uint32_t fragment = u16(at + 6);
    r->version = 4;
    r->src_low = V4_MAPPED | u32(at + 12);
    r->dst_low = V4_MAPPED | u32(at + 16);
    r->proto = at[9];
    r->transport = r->network + header;
    r->length = total - header;
    r->fragment = (fragment & 0x3FFF) != 0;
    r->later = (fragment & 0x1FFF) != 0;
    return 1;
}

static int is_extension(int proto) {
    switch (proto) {
    case 0: case 43: case 44: case 51: case 60: case 135: case 139: case 140: return 1;
    }
    return 0;
}

static int read_ipv6(const uint8_t *p, int64_t cap, int64_t wire, struct row *r) {
    const uint8_t *at = p + r->network;
    if (cap < r->network + 40 || at[0] >> 4 != 6) return !(r->bad6 = 1);
    int64_t length = u16(at + 4), room = wire - r->network - 40;
    r->overlong = length > (room > 0 ? room : 0);
    if (length == 0 || r->overlong) length = room > 0 ? room : 0; /* 0: a jumbogram, or offload */
    r->version = 6;
    r->src_high = u64(at + 8);
    r->src_low = u64(at + 16);
    r->dst_high = u64(at + 24);
    r->dst_low = u64(at + 32);
    r->proto = at[6];
    r->transport = r->network + 40;
    r->length = length;
    for (int i = 0; is_extension(r->proto); i++) {
        if (i == MAX_EXTENSIONS || cap < r->transport + 8) return !(r->bad6 = 1);
        at = p + r->transport;
        int64_t size = r->proto == 44 ? 8 : r->proto == 51 ? (at[1] + 2) * 4 : (at[1] + 1) * 8;
        if (size > r->length) return !(r->bad6 = 1);
        uint32_t place = r->proto == 44 ? u16(at + 2) : 0;
        r->fragment |= (place & 0xFFF9) != 0;
        r->proto = at[0];
        r->transport += size;
        r->length -= size;
        if (place & 0xFFF8) return r->later = 1;
    }
    return 1;
}

/* --- transport: afterwards `transport` is where its payload begins ------------------------------------------- */

static int read_transport(const uint8_t *p, int64_t cap, struct row *r) {
    const uint8_t *at = p + r->transport;
    if (r->proto == TCP) {
        int64_t header = cap < r->transport + 20 ? 0 : (at[12] >> 4) * 4;
        if (header < 20 || header > r->length) return !(r->bad_tcp = 1);
        r->seq = u32(at + 4);
        r->ack = u32(at + 8);
        r->flags = at[13];
        r->transport += header;
        r->length -= header;
    } else if (r->proto == UDP) {
        if (cap < r->transport + 8 || r->length < 8) return !(r->bad_udp = 1);
        r->transport += 8;
        r->length -= 8;
    } else {
        return 1;
    }
    r->src_port = (int)u16(at);
    r->dst_port = (int)u16(at + 2);
    return 1;
}

static int64_t payload_captured(const struct row *r, int64_t cap) {
    int64_t seen = cap - r->transport;
    if (seen > r->length) seen = r->length;
    return seen > 0 ? seen : 0;
}

/* --- tunnels ------------------------------------------------------------------------------------------------------ */

static int is_global(uint64_t high, uint64_t low) {
    if (high == 0 && low >> 32 == 0xFFFF) {
        uint32_t a = (uint32_t)low;
        return !(a >> 24 == 0 || a >> 24 == 10 || a >> 24 == 127 || a >> 20 == 0xAC1 || a >> 16 == 0xC0A8 || a >> 16 == 0xA9FE ||
                 a >> 22 == 0x191 || a >> 8 == 0xC00002 || a >> 8 == 0xC63364 || a >> 8 == 0xCB0071 || a >> 17 == 0x6309 || a >> 28 >= 14);
    }
    return !(high == 0 || high >> 57 == 0x7E || high >> 54 == 0x3FA || high >> 56 == 0xFF || high >> 32 == 0x20010DB8);
}

static int is_tunnel_port(int port) { return port == 4789 || port == 8472 || port == 4790 || port == 6081 || port == 37008; }

/* 1: a packet of a tunnel that is peeled, if what is in it can be read. A speaker that wraps its uploads and sends them
 * over the Internet shall not hide them: UDP tunnels are peeled only where they end in the house (others: `accept`). */
static inline int is_tunnel(const struct row *r) {
    if (r->proto == TCP || !r->version || r->later || r->bad4 || r->bad6) return 0;
    if (r->proto == UDP) return !r->bad_udp && is_tunnel_port(r->dst_port) && !is_global(r->dst_high, r->dst_low);
    return r->proto == 4 || r->proto == 41 || r->proto == 47 || r->proto == 97 || r->proto == 137;
}

static int address_only(const uint8_t *p, int64_t cap, int64_t wire, uint32_t type, int64_t at, struct row *r) {
    r->ether_type = (uint16_t)type;
    r->network = (int32_t)at;
    int status = inner(p, cap, wire, r);
    return status == GOOD && (r->ether_type == IPV4 || r->ether_type == IPV6 || r->has_dst);
}

static int gre(const uint8_t *p, int64_t cap, int64_t wire, int64_t at, struct row *r) {
    if (cap < at + 4) return 0;
    uint32_t flags = u16(p + at), type = u16(p + at + 2), version = flags & 7;
    if (flags & 0x4000 || version > 1) return 0;
    int64_t body = at + 4 + (flags & 0x8000 ? 4 : 0) + (flags & 0x2000 ? 4 : 0) + (flags & 0x1000 ? 4 : 0);
    if (version == 1) { /* PPTP */
        body += flags & 0x0080 ? 4 : 0;
        if (type != 0x880B || cap < body + 4) return 0;
        r->network = (int32_t)body + (u16(p + body) == 0xFF03 ? 2 : 0);
        return ppp_protocol(p, cap, r) == GOOD && r->ether_type;
    }
    if (type == 0x88BE) return ethernet(p, cap, wire, body + (flags & 0x1000 ? 8 : 0), r) == GOOD; /* ERSPAN II, I */
    if (type == 0x22EB) { /* ERSPAN III */
        if (cap < body + 12) return 0;
        uint32_t kind = p[body + 10] >> 2 & 31;
        int64_t frame = body + 12 + (p[body + 11] & 1 ? 8 : 0);
        if (kind == 2 && cap > frame) return address_only(p, cap, wire, p[frame] >> 4 == 6 ? IPV6 : IPV4, frame, r);
        return kind == 0 && ethernet(p, cap, wire, frame, r) == GOOD;
    }
    if (type == TRANSPARENT) return ethernet(p, cap, wire, body, r) == GOOD;
    return address_only(p, cap, wire, type, body, r);
}

static int tzsp(const uint8_t *p, int64_t cap, int64_t wire, int64_t at, struct row *r) {
    if (cap < at + 4 || p[at] != 1 || p[at + 1] > 1) return 0;
    uint32_t kind = u16(p + at + 2);
    at += 4;
    for (int tags = 0; tags < 64 && cap > at; tags++) {
        if (p[at] == 1) {
            uint32_t link_type = kind == 1 ? 1 : kind == 18 ? 105 : kind == 119 ? 119 : kind == 127 ? 163 : 0xFFFFFFFF;
            return read_link(link_type, p, cap, wire, at + 1, r) == GOOD;
        }
        if (!p[at]) at++;
        else if (cap > at + 1) at += 2 + p[at + 1];
        else return 0;
    }
    return 0;
}

/* 1 where what is in the tunnel could be read: then `r` is that, as far as `inner` goes. */
static int peel(const uint8_t *p, int64_t cap, int64_t wire, struct row *r) {
    int64_t at = r->transport;
    switch (r->proto) {
    case 4: return address_only(p, cap, wire, IPV4, at, r);
    case 41: return address_only(p, cap, wire, IPV6, at, r);
    case 47: return gre(p, cap, wire, at, r);
    case 97: return cap >= at + 2 && u16(p + at) == 0x3000 && ethernet(p, cap, wire, at + 2, r) == GOOD;
    case 137: return address_only(p, cap, wire, MPLS, at, r);
    }
    if (r->dst_port == 37008) return tzsp(p, cap, wire, at, r);
    if (cap < at + 8) return 0;
    if (r->dst_port == 6081) { /* Geneve */
        int64_t body = at + 8 + (p[at] & 63) * 4;
        if (p[at] >> 6) return 0;
        if (u16(p + at + 2) == TRANSPARENT) return ethernet(p, cap, wire, body, r) == GOOD;
        return address_only(p, cap, wire, u16(p + at + 2), body, r);
    }
    if (!(p[at] & 8)) return 0; /* VXLAN */
    if (r->dst_port != 4790 || p[at + 3] == 3) return ethernet(p, cap, wire, at + 8, r) == GOOD;
    return p[at + 3] >= 1 && p[at + 3] <= 2 && address_only(p, cap, wire, p[at + 3] == 1 ? IPV4 : IPV6, at + 8, r);
}

static void read_packet(const uint8_t *p, int64_t cap, int64_t wire, struct row *r) {
    r->transport = r->network;
    r->length = wire > r->network ? (int32_t)(wire - r->network) : 0;
    int good = r->ether_type == IPV4 ? read_ipv4(p, cap, wire, r) : r->ether_type == IPV6 ? read_ipv6(p, cap, wire, r) : 1;
    if (good && r->version && !r->later) good = read_transport(p, cap, r);
    if (!good) r->length = 0;
}

static void clear_packet(struct row *r) {
    r->src_high = r->src_low = r->dst_high = r->dst_low = 0;
    r->seq = r->ack = 0;
    r->src_port = r->dst_port = 0;
    r->version = r->proto = r->flags = r->fragment = r->later = 0;
    r->bad4 = r->bad6 = r->bad_tcp = r->bad_udp = r->overlong = 0;
}

/* 1 where what was in a tunnel (`r`) counts instead of the packet that carried it. A tunnel of its own IP protocol that
 * goes to the Internet belongs to the host whose frame it is in: its MAC addresses stay, and where nothing in it tells a
 * place on the Internet, or a whole frame with other MAC addresses is in it, the tunnel is the upload. Tunnels within the
 * house are mirrors: what is in them has MAC addresses of its own, or none. */
static int accept(const struct row *outer, struct row *r) {
    if (outer->proto == UDP) return 1;
    if (!is_global(outer->src_high, outer->src_low) && !is_global(outer->dst_high, outer->dst_low)) return 1;
    if (r->has_src || r->has_dst) return 0;
    if (!is_global(r->src_high, r->src_low) && !is_global(r->dst_high, r->dst_low)) return 0;
    r->src = outer->src;
    r->dst = outer->dst;
    r->has_src = outer->has_src;
    r->has_dst = outer->has_dst;
    return 1;
}

static int parse(int link_type, const uint8_t *p, int64_t cap, int64_t wire, struct row *r) {
    /* One by one: compilers clear a struct of this size by an instruction that takes longer than all of these. */
    r->src = r->dst = 0;
    r->network = r->transport = r->length = 0;
    r->ether_type = 0;
    r->has_src = r->has_dst = r->other = r->tunnel = r->layers = 0;
    clear_packet(r);
    int status = read_link((uint32_t)link_type, p, cap, wire, 0, r);
    if (status != GOOD) return status;
    read_packet(p, cap, wire, r);
    for (int tunnels = 0; is_tunnel(r); tunnels++) {
        struct row outer = *r;
        r->src = r->dst = 0;
        r->has_src = r->has_dst = r->layers = 0;
        if (tunnels == MAX_TUNNELS || !peel(p, cap, wire, r)) {
            *r = outer;
            r->tunnel = 1;
            break;
        }
        clear_packet(r);
        read_packet(p, cap, wire, r);
        if (!accept(&outer, r)) {
            *r = outer;
            r->tunnel = 1;
            break;
        }
    }
    return GOOD;
}

/* --- who -------------------------------------------------------------------------------------------------------- */

static uint64_t address_key(uint64_t high, uint64_t low) {
    if (high == 0 && low >> 32 == 0xFFFF) return FROM_ADDRESS | (low & 0xFFFFFFFFull);
    uint64_t mixed = high * MIX0 + low;
    mixed = (mixed ^ (mixed >> 30)) * MIX1;
    mixed = (mixed ^ (mixed >> 27)) * MIX2;
    mixed ^= mixed >> 31;
    return FROM_ADDRESS | FROM_IPV6 | (mixed & (FROM_IPV6 - 1));
}

/* Whether a packet shows who a host is: always, or the more of it the more the host is used. */
enum { NO_IDENTITY = 0, STEADY = 1, SAMPLED = 2 };

static int identity_of(const uint8_t *p, int64_t cap, const struct row *r) {
    if (is_identity_type(r->ether_type)) return STEADY;
    if (!r->version || (r->proto == ICMPV6 && r->version != 6)) return NO_IDENTITY;
    int64_t seen = payload_captured(r, cap);
    if (is_steady_content(r->proto, r->src_port, r->dst_port, p + r->transport, seen, r->length)) return STEADY;
    return is_sampled_content(r->proto, r->src_port, r->dst_port, p + r->transport, seen, r->length) ? SAMPLED : NO_IDENTITY;
}

/* The wanted keys, as a hash table that is mostly free, so that others are seldom looked for twice. Key 0 cannot be in the table: kept apart. */
struct keys {
    uint64_t *slots, mask, taken;
    int zero;
};

/* Random for each process: whoever chooses addresses cannot choose places. Then the finaliser of splitmix64. */
static uint64_t seed;

static uint64_t slot_of(uint64_t key) {
    key = (key ^ seed) * MIX0;
    key = (key ^ key >> 29) * MIX1;
    return key >> 32;
}

static void keys_put(struct keys *k, uint64_t key) {
    uint64_t at = slot_of(key) & k->mask;
    while (k->slots[at] && k->slots[at] != key) at = (at + 1) & k->mask;
    k->taken += !k->slots[at];
    k->slots[at] = key;
}

static int keys_add(struct keys *k, uint64_t key) {
    if (!key) k->zero = 1;
    if (!k->slots || k->taken * 8 > k->mask) {
        struct keys larger = {NULL, k->slots ? k->mask * 2 + 1 : 255, 0, k->zero};
        larger.slots = calloc(larger.mask + 1, sizeof *larger.slots);
        if (!larger.slots) return 0;
        for (uint64_t i = 0; k->slots && i <= k->mask; i++)
            if (k->slots[i]) keys_put(&larger, k->slots[i]);
        free(k->slots);
        *k = larger;
    }
    if (key) keys_put(k, key);
    return 1;
}

static inline int keys_have(const struct keys *k, uint64_t key) {
    if (!key || !k->slots) return !key && k->zero;
    uint64_t at = slot_of(key) & k->mask;
    while (k->slots[at]) {
        if (k->slots[at] == key) return 1;
        at = (at + 1) & k->mask;
    }
    return 0;
}

/* Hosts that are known, and looked at in one second of `every`. */
struct sample {
    struct keys keys;
    uint64_t every;
};

static int is_left_out(const struct sample *s, uint64_t key, int64_t time_ns) {
    if (!s->every || !keys_have(&s->keys, key)) return 0;
    int64_t second = time_ns / 1000000000 - (time_ns % 1000000000 < 0);
    return (uint64_t)second % s->every != key % s->every;
}

/* Whose questions, answers and names these are. */
static uint64_t subject_of(const struct row *r) { return r->src_port == 53 ? r->dst : r->src; }

/* What was told so far: see decode/novelty.py. */
struct news {
    uint64_t *table, mask;
    int64_t *taken, most;
    PyObject *wanted; /* asked about hosts of which something is new */
};

static int is_local(uint64_t high, uint64_t low) {
    if (high == 0 && low >> 32 == 0xFFFF) return is_local_ipv4((uint32_t)low);
    return is_local_ipv6(high);
}

static int is_new(struct news *n, uint64_t key, uint64_t told) {
    uint64_t token = address_key(key, told) | 1, at = slot_of(token) & n->mask;
    while (n->table[at]) {
        if (n->table[at] == token) return 0;
        at = (at + 1) & n->mask;
    }
    if (*n->taken >= n->most) return 0;
    n->table[at] = token;
    ++*n->taken;
    return 1;
}

static int is_one(uint64_t key) { return key && (key >> 63 || !(key >> 40 & 1)); }

/* Something of a host is new: whether all of its packets are wanted from here on is asked outside. */
static int arrived(struct news *n, uint64_t key, struct keys *keys) {
    PyObject *answer = PyObject_CallFunction(n->wanted, "K", (unsigned long long)key);
    int wanted = answer ? PyObject_IsTrue(answer) : -1;
    Py_XDECREF(answer);
    if (wanted == 1 && !keys_add(keys, key)) PyErr_NoMemory();
    return PyErr_Occurred() ? -1 : 1;
}

/* 1 where a row is news, 0 where not, -1 with an exception set. */
static int is_news(struct news *n, const struct row *r, struct keys *keys, const struct sample *s, int64_t time_ns) {
    int fresh = r->version && r->proto == TCP && (r->flags & (SYN | ACK)) == SYN && !is_left_out(s, r->src, time_ns);
    if (is_one(r->src)) {
        uint64_t told = 0;
        if (r->version) {
            told = address_key(r->src_high, r->src_low);
            if (!is_local(r->src_high, r->src_low)) told = 1 + told % 8;
        }
        if (is_new(n, r->src, told) && (fresh = arrived(n, r->src, keys)) < 0) return -1;
    }
    if (is_one(r->dst) && is_new(n, r->dst, 9)) return arrived(n, r->dst, keys);
    return fresh;
}

#include "_messages.h"

/* --- the module ------------------------------------------------------------------------------------------------- */

enum { OUTPUTS = 21, INPUTS = 5, MOST_INPUTS = INPUTS + 2 };

/* Item sizes of the columns of `PacketBatch`, in its order. */
static const Py_ssize_t WIDTHS[OUTPUTS] = {8, 8, 8, 2, 1, 8, 8, 8, 8, 1, 2, 2, 4, 1, 4, 4, 4, 8, 4, 8, 4};

struct call {
    Py_buffer in[MOST_INPUTS], out[OUTPUTS + 3];
    int ins, outs;
};

static void release(struct call *c) {
    for (int i = 0; i < c->ins; i++) PyBuffer_Release(&c->in[i]);
    for (int i = 0; i < c->outs; i++) PyBuffer_Release(&c->out[i]);
}

/* Types that are not known, counted; of too many kinds the rest together, as type 0. */
enum { MAX_OTHERS = 16 };
struct other {
    int type;
    long count;
};

static int count_other(struct other *others, int kinds, int type) {
    int k = 0;
    while (k < kinds && others[k].type != type) k++;
    if (k == kinds && kinds >= MAX_OTHERS) {
        type = 0;
        for (k = 0; k < kinds && others[k].type; k++);
    }
    if (k == kinds) others[kinds++] = (struct other){type, 0};
    others[k].count++;
    return kinds;
}

PyDoc_STRVAR(decode_doc,
    "decode(data, link_type, offset, captured, wire, time_ns, keys, identity, slim, news, columns, row, frames, filled, "
    "largest, first, sample) -> (next, row, filled, (link, encrypted, tunnel, ipv4, ipv6, tcp, udp), fragments, overlong, packets, sampled, ((ether_type, count), ...))\n\nWrite the selected rows of a block, from frame "
    "`first` on, into the columns of a PacketBatch, from `row` on, until there is no room. `frames` is None, or a buffer "
    "for the bytes of these rows, of which `filled` are taken; where less than `largest` is left there is no room. `slim` leaves out what decode.frames.batch.decode says; `news` is "
    "None or (table, taken, most, wanted); `sample` is None or (keys, every).");

static PyObject *decode(PyObject *self, PyObject *args) {
    PyObject *inputs[INPUTS + 1], *columns, *told, *kept, *sampling;
    int link_type, identity, slim;
    long link = 0, encrypted = 0, tunnel = 0, overlong = 0, packets = 0, sampled = 0, ipv4 = 0, ipv6 = 0, tcp = 0, udp = 0, fragments = 0;
    struct other others[MAX_OTHERS + 1];
    int kinds = 0;
    Py_ssize_t n, filled, largest, i;
    (void)self;
    if (!PyArg_ParseTuple(args, "OiOOOOOppOOnOnnnO", &inputs[0], &link_type, &inputs[1], &inputs[2], &inputs[3], &inputs[4],
                          &inputs[5], &identity, &slim, &told, &columns, &n, &kept, &filled, &largest,
                          &i, &sampling))
        return NULL;
    struct call c;
    c.ins = c.outs = 0;
    struct keys keys = {NULL, 0, 0, 0};
    struct news news = {NULL, 0, NULL, 0, NULL};
    struct sample sample = {{NULL, 0, 0, 0}, 0};
    int select = inputs[5] != Py_None;
    for (int k = 0; k < INPUTS + select; k++, c.ins++)
        if (PyObject_GetBuffer(inputs[k], &c.in[k], PyBUF_SIMPLE) < 0) goto done;
    Py_ssize_t count = c.in[1].len / 8, size = c.in[0].len, room = PY_SSIZE_T_MAX, space = 0;
    if (c.in[2].len < count * 4 || c.in[3].len < count * 4 || c.in[4].len < count * 8) {
        PyErr_SetString(PyExc_ValueError, "columns of different lengths");
        goto done;
    }
    if (!PyTuple_Check(columns) || PyTuple_Size(columns) != OUTPUTS) {
        PyErr_SetString(PyExc_ValueError, "not the columns of a batch");
        goto done;
    }
    for (int k = 0; k < OUTPUTS; k++, c.outs++) {
        if (PyObject_GetBuffer(PyTuple_GetItem(columns, k), &c.out[k], PyBUF_WRITABLE) < 0) goto done;
        if (c.out[k].len / WIDTHS[k] < room) room = c.out[k].len / WIDTHS[k];
    }
    uint8_t *frames = NULL;
    if (kept != Py_None) {
        if (PyObject_GetBuffer(kept, &c.out[c.outs], PyBUF_WRITABLE) < 0) goto done;
        frames = c.out[c.outs].buf;
        space = c.out[c.outs++].len;
    }
    if (n < 0 || n > room || filled < 0 || filled > space || i < 0) {
        PyErr_SetString(PyExc_ValueError, "outside the columns");
        goto done;
    }
    for (Py_ssize_t k = 0; select && k < c.in[5].len / 8; k++)
        if (!keys_add(&keys, ((const uint64_t *)c.in[5].buf)[k])) {
            PyErr_NoMemory();
            goto done;
        }
    if (told != Py_None) {
        PyObject *table, *taken;
        long long most;
        if (!PyArg_ParseTuple(told, "OOLO", &table, &taken, &most, &news.wanted)) goto done;
        Py_buffer *at = &c.out[c.outs];
        if (PyObject_GetBuffer(table, &at[0], PyBUF_WRITABLE) < 0) goto done;
        c.outs++;
        if (PyObject_GetBuffer(taken, &at[1], PyBUF_WRITABLE) < 0) goto done;
        c.outs++;
        Py_ssize_t places = at[0].len / 8;
        if (places < 2 || places & (places - 1) || most >= places || at[1].len < 8) {
            PyErr_SetString(PyExc_ValueError, "not a table of news");
            goto done;
        }
        news.table = at[0].buf;
        news.mask = (uint64_t)places - 1;
        news.taken = at[1].buf;
        news.most = most;
    }

    if (sampling != Py_None) {
        PyObject *known;
        unsigned long long every;
        if (!PyArg_ParseTuple(sampling, "OK", &known, &every)) goto done;
        Py_buffer *at = &c.in[c.ins];
        if (PyObject_GetBuffer(known, at, PyBUF_SIMPLE) < 0) goto done;
        c.ins++;
        for (Py_ssize_t k = 0; k < at->len / 8; k++)
            if (!keys_add(&sample.keys, ((const uint64_t *)at->buf)[k])) {
                PyErr_NoMemory();
                goto done;
            }
        sample.every = every;
    }

    const uint8_t *data = c.in[0].buf;
    const int64_t *offset = c.in[1].buf, *time_ns = c.in[4].buf;
    const int32_t *captured = c.in[2].buf, *wire = c.in[3].buf;
    int64_t *o_time = c.out[0].buf, *o_frame = c.out[17].buf, *o_payload = c.out[19].buf;
    uint64_t *o_src = c.out[1].buf, *o_dst = c.out[2].buf;
    uint16_t *o_type = c.out[3].buf, *o_sport = c.out[10].buf, *o_dport = c.out[11].buf;
    uint8_t *o_version = c.out[4].buf, *o_proto = c.out[9].buf, *o_flags = c.out[13].buf;
    uint64_t *o_sh = c.out[5].buf, *o_sl = c.out[6].buf, *o_dh = c.out[7].buf, *o_dl = c.out[8].buf;
    int32_t *o_len = c.out[12].buf, *o_wire = c.out[16].buf, *o_cap = c.out[18].buf, *o_seen = c.out[20].buf;
    uint32_t *o_seq = c.out[14].buf, *o_ack = c.out[15].buf;

    for (; i < count && n < room; i++) {
        int64_t at = offset[i], cap = captured[i];
        if (at < 0 || cap < 0 || at > size || cap > size - at || (frames && cap > largest)) {
            PyErr_SetString(PyExc_ValueError, "a frame lies outside its buffer");
            goto done;
        }
        if (frames && space - filled < largest) break;
        if (i + 8 < count) { /* the buffer is larger than the nearest cache */
            uintptr_t ahead = (uintptr_t)data + (uintptr_t)offset[i + 8];
            __builtin_prefetch((const void *)ahead);
            __builtin_prefetch((const void *)(ahead + 64));
        }
        const uint8_t *p = data + at;
        struct row r;
        int status = parse(link_type, p, cap, wire[i], &r);
        if (status != GOOD) {
            encrypted += status == ENCRYPTED;
            link += status != ENCRYPTED;
            continue;
        }
        tunnel += r.tunnel;
        packets += r.version != 0;
        if (r.other) kinds = count_other(others, kinds, r.ether_type);
        if (!r.has_src && r.version) r.src = address_key(r.src_high, r.src_low);
        if (!r.has_dst && r.version) r.dst = address_key(r.dst_high, r.dst_low);
        int fresh = news.table ? is_news(&news, &r, &keys, &sample, time_ns[i]) : 0;
        if (fresh < 0) goto done;
        int whole = 1; /* whether its bytes are wanted too */
        if (select) {
            int sent = keys_have(&keys, r.src), named = identity && !fresh ? identity_of(p, cap, &r) : NO_IDENTITY, known = 0;
            if (named == SAMPLED && is_left_out(&sample, subject_of(&r), time_ns[i])) {
                named = NO_IDENTITY;
                known = 1;
            }
            if (!fresh && !sent && !named && !keys_have(&keys, r.dst)) {
                sampled += known;
                continue;
            }
            if (slim && !fresh) {
                if (r.version && r.proto == TCP && r.length == 0 && !(r.flags & SYN) && !named && !keys_have(&keys, r.dst)) continue;
                whole = named || (sent && r.length > 0);
            }
        } else if (sample.every && is_left_out(&sample, subject_of(&r), time_ns[i]) && identity_of(p, cap, &r) == SAMPLED) {
            sampled++;
            continue;
        }
        if (frames && whole) memcpy(frames + filled, p, (size_t)cap);
        if (frames) at = filled;
        ipv4 += r.bad4;
        ipv6 += r.bad6;
        tcp += r.bad_tcp;
        udp += r.bad_udp;
        fragments += r.fragment;
        overlong += r.overlong;
        o_time[n] = time_ns[i];
        o_src[n] = r.src;
        o_dst[n] = r.dst;
        o_type[n] = r.ether_type;
        o_version[n] = r.version;
        o_sh[n] = r.src_high;
        o_sl[n] = r.src_low;
        o_dh[n] = r.dst_high;
        o_dl[n] = r.dst_low;
        o_proto[n] = r.proto;
        o_sport[n] = r.src_port;
        o_dport[n] = r.dst_port;
        o_len[n] = r.length;
        o_flags[n] = r.flags;
        o_seq[n] = r.seq;
        o_ack[n] = r.ack;
        o_wire[n] = wire[i];
        o_frame[n] = at;
        o_cap[n] = whole ? (int32_t)cap : 0;
        o_payload[n] = !whole ? at : at + (r.transport < cap ? r.transport : cap);
        o_seen[n] = whole ? (int32_t)payload_captured(&r, cap) : 0;
        filled += frames && whole ? cap : 0;
        n++;
    }
done:
    free(keys.slots);
    free(sample.keys.slots);
    release(&c);
    if (PyErr_Occurred()) return NULL;
    PyObject *unknown = PyTuple_New(kinds);
    for (int k = 0; unknown && k < kinds; k++)
        if (PyTuple_SetItem(unknown, k, Py_BuildValue("il", others[k].type, others[k].count)) < 0) Py_CLEAR(unknown);
    if (!unknown) return NULL;
    return Py_BuildValue("nnn(lllllll)llllN", i, n, filled, link, encrypted, tunnel, ipv4, ipv6, tcp, udp, fragments, overlong, packets, sampled, unknown);
}

PyDoc_STRVAR(identity_doc,
    "identity(data, ether_type, ip_version, proto, src_port, dst_port, payload_offset, payload_captured, payload_len, bits) -> all\n\n"
    "Write the identity protocols of each row of a batch, a bit for each in the order of their table; return the bits of all rows.");

static PyObject *identity(PyObject *self, PyObject *args) {
    enum { COLUMNS = 10 };
    static const Py_ssize_t widths[COLUMNS] = {1, 2, 1, 1, 2, 2, 8, 4, 4, 4};
    PyObject *given[COLUMNS];
    Py_buffer b[COLUMNS];
    int taken = 0;
    uint32_t all = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOOOOOOOOO", &given[0], &given[1], &given[2], &given[3], &given[4], &given[5], &given[6], &given[7], &given[8], &given[9]))
        return NULL;
    for (; taken < COLUMNS; taken++)
        if (PyObject_GetBuffer(given[taken], &b[taken], taken == COLUMNS - 1 ? PyBUF_WRITABLE : PyBUF_SIMPLE) < 0) goto done;
    Py_ssize_t rows = b[COLUMNS - 1].len / 4;
    for (int k = 1; k < COLUMNS; k++)
        if (b[k].len != rows * widths[k]) {
            PyErr_SetString(PyExc_ValueError, "columns of different lengths");
            goto done;
        }
    const uint16_t *type = b[1].buf, *from = b[4].buf, *to = b[5].buf;
    const uint8_t *data = b[0].buf, *version = b[2].buf, *proto = b[3].buf;
    const int64_t *offset = b[6].buf;
    const int32_t *seen = b[7].buf, *length = b[8].buf;
    uint32_t *bits = b[9].buf;
    for (Py_ssize_t i = 0; i < rows; i++) {
        int64_t captured = seen[i] > 0 ? seen[i] : 0;
        if (captured && (offset[i] < 0 || offset[i] > b[0].len || captured > b[0].len - offset[i])) {
            PyErr_SetString(PyExc_ValueError, "a payload lies outside its buffer");
            goto done;
        }
        bits[i] = identity_bits(type[i], version[i], proto[i], from[i], to[i], captured ? data + offset[i] : data, captured, length[i]);
        all |= bits[i];
    }
done:
    for (int k = 0; k < taken; k++) PyBuffer_Release(&b[k]);
    return PyErr_Occurred() ? NULL : PyLong_FromUnsignedLong(all);
}

static PyMethodDef methods[] = {{"decode", decode, METH_VARARGS, decode_doc},
                                {"dns", dns, METH_VARARGS, dns_doc},
                                {"identity", identity, METH_VARARGS, identity_doc},
                                {"hello", hello, METH_VARARGS, hello_doc},
                                {NULL, NULL, 0, NULL}};

static int draw_seed(void) {
    PyObject *os = PyImport_ImportModule("os"), *drawn = os ? PyObject_CallMethod(os, "urandom", "i", 8) : NULL;
    char *bytes = drawn ? PyBytes_AsString(drawn) : NULL;
    if (bytes) memcpy(&seed, bytes, sizeof seed);
    Py_XDECREF(drawn);
    Py_XDECREF(os);
    return bytes ? 0 : -1;
}

static int fill(PyObject *module) {
    return draw_seed() < 0 ? -1 : PyModule_AddIntConstant(module, "REVISION", REVISION);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)fill}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "sniffer.decode._native", "Frames to columns, compiled.", 0, methods, slots, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__native(void) { return PyModuleDef_Init(&definition); }
