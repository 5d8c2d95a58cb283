/* Written by tools/make_c_header.py from sniffer/model/protocols.py: change it there. */
enum { IPV4 = 0x0800, IPV6 = 0x86dd, PPPOE = 0x8864 };
enum { TCP = 6, UDP = 17, ICMPV6 = 58 };
enum { SYN = 0x02, ACK = 0x10 };

#define V4_MAPPED 0xffff00000000ull
#define MIX0 0x9e3779b97f4a7c15ull
#define MIX1 0xbf58476d1ce4e5b9ull
#define MIX2 0x94d049bb133111ebull

static inline int is_tag(int type) { return type == 0x8100 || type == 0x88a8 || type == 0x9100 || type == 0x9200; }

static inline int is_local_ipv4(uint32_t address) {
    return ((address & 0xff000000u) == 0x0a000000u) |
           ((address & 0xfff00000u) == 0xac100000u) |
           ((address & 0xffff0000u) == 0xc0a80000u) |
           ((address & 0xffff0000u) == 0xa9fe0000u) |
           ((address & 0xffc00000u) == 0x64400000u);
}

/* By the upper half of an address. */
static inline int is_local_ipv6(uint64_t high) {
    return high >> 57 == 0x7e || high >> 54 == 0x3fa;
}

static inline int is_identity_type(int ether_type) {
    return ether_type == 0x806;
}

/* `at` is the transport payload, of which `seen` bytes were captured and `length` bytes were on the wire. */
static inline int is_steady_content(int proto, int from, int to, const uint8_t *at, int64_t seen, int64_t length) {
    uint32_t value;
    (void)value, (void)from, (void)to, (void)at, (void)seen, (void)length;
    if (proto == UDP) {
        if (from == 67 || from == 68 || from == 0x222 || from == 0x223 || from == 0x76c || from == 0x7d64 || from == 0x4cf8) return 1;
        if (to == 67 || to == 68 || to == 0x222 || to == 0x223 || to == 0x76c || to == 0x7d64 || to == 0x4cf8) return 1;
        return 0;
    }
    if (proto == ICMPV6) {
        if (seen >= 1 && (value = at[0], (value >= 0x85u && value <= 0x89u))) return 1; /* neighbour */
        return 0;
    }
    return 0;
}
/* Those that are read now and then, once the host is known. */
static inline int is_sampled_content(int proto, int from, int to, const uint8_t *at, int64_t seen, int64_t length) {
    uint32_t value;
    (void)value, (void)from, (void)to, (void)at, (void)seen, (void)length;
    if (proto == TCP) {
        if (from == 53) return 1;
        if (to == 53) return 1;
        if (seen >= 6 && (value = u16(at + 0), value == 0x1603u) && (value = at[5], value == 0x1u)) return 1; /* hello */
        return 0;
    }
    if (proto == UDP) {
        if (from == 53 || from == 0x14e9) return 1;
        if (to == 53 || to == 0x14e9) return 1;
        if (seen >= 5 && length >= 1200 && (value = (at[0] & 0xf0), value == 0xc0u) && (value = u32(at + 1), value == 0x1u || (value >= 0xff000017u && value <= 0xff000022u) || value == 0x51303530u || (value >= 0x54303530u && value <= 0x54303531u) || value == 0xfaceb002u || value == 0xfaceb00eu)) return 1; /* quic */
        if (seen >= 5 && length >= 1200 && (value = (at[0] & 0xf0), value == 0xd0u) && (value = u32(at + 1), value == 0x6b3343cfu)) return 1; /* quic.2 */
        if (seen >= 3 && length >= 1200 && (value = u16(at + 1), value == 0x5130u)) return 1; /* gquic */
        if (seen >= 11 && length >= 1200 && (value = u16(at + 9), value == 0x5130u)) return 1; /* gquic.id */
        return 0;
    }
    return 0;
}

/* A bit for each of the identity protocols that a packet is of, in the order of their table. */
static inline uint32_t identity_bits(int ether_type, int version, int proto, int from, int to, const uint8_t *at, int64_t seen, int64_t length) {
    uint32_t value, bits = 0;
    (void)value;
    if (ether_type == 0x806) bits |= 1u << 0; /* arp */
    if (!version) return bits;
    if (proto == TCP) {
        if (from == 53 || to == 53) bits |= 1u << 3; /* dns.tcp */
        if (seen >= 6 && (value = u16(at + 0), value == 0x1603u) && (value = at[5], value == 0x1u)) bits |= 1u << 10; /* hello */
    }
    if (proto == UDP) {
        if (from == 53 || to == 53) bits |= 1u << 2; /* dns */
        if (from == 67 || from == 68 || to == 67 || to == 68) bits |= 1u << 4; /* dhcp */
        if (from == 0x222 || from == 0x223 || to == 0x222 || to == 0x223) bits |= 1u << 5; /* dhcpv6 */
        if (from == 0x14e9 || to == 0x14e9) bits |= 1u << 6; /* mdns */
        if (from == 0x76c || to == 0x76c) bits |= 1u << 7; /* ssdp */
        if (from == 0x7d64 || to == 0x7d64) bits |= 1u << 8; /* pppp */
        if (from == 0x4cf8 || to == 0x4cf8) bits |= 1u << 9; /* discovery */
        if (seen >= 5 && length >= 1200 && (value = (at[0] & 0xf0), value == 0xc0u) && (value = u32(at + 1), value == 0x1u || (value >= 0xff000017u && value <= 0xff000022u) || value == 0x51303530u || (value >= 0x54303530u && value <= 0x54303531u) || value == 0xfaceb002u || value == 0xfaceb00eu)) bits |= 1u << 11; /* quic */
        if (seen >= 5 && length >= 1200 && (value = (at[0] & 0xf0), value == 0xd0u) && (value = u32(at + 1), value == 0x6b3343cfu)) bits |= 1u << 12; /* quic.2 */
        if (seen >= 3 && length >= 1200 && (value = u16(at + 1), value == 0x5130u)) bits |= 1u << 13; /* gquic */
        if (seen >= 11 && length >= 1200 && (value = u16(at + 9), value == 0x5130u)) bits |= 1u << 14; /* gquic.id */
    }
    if (proto == ICMPV6 && version == 6) {
        if (seen >= 1 && (value = at[0], (value >= 0x85u && value <= 0x89u))) bits |= 1u << 1; /* neighbour */
    }
    return bits;
}
