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

#define REVISION 6

enum { MAX_TAGS = 8, MAX_EXTENSIONS = 16 };

#define FROM_ADDRESS (1ull << 63)
#define FROM_IPV6 (1ull << 62)

static inline uint32_t u16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }
static inline uint32_t u32(const uint8_t *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }
static inline uint64_t u64(const uint8_t *p) { return (uint64_t)u32(p) << 32 | u32(p + 4); }
static inline uint64_t mac48(const uint8_t *p) { return (uint64_t)u16(p) << 32 | u32(p + 2); }

#include "_protocols.h"

struct row {
    uint64_t src, dst, src_high, src_low, dst_high, dst_low;
    uint32_t seq, ack;
    int32_t network, transport, length; /* `length`: bytes behind `transport` on the wire */
    uint16_t ether_type, src_port, dst_port;
    uint8_t version, proto, flags, has_src, has_dst, fragment, later, bad4, bad6, bad_tcp, bad_udp;
};

/* --- link ---------------------------------------------------------------------------------------------------- */

static int ppp_protocol(const uint8_t *p, int64_t cap, struct row *r) {
    if (cap < r->network + 2) return 0;
    int brief = p[r->network] & 1;
    uint32_t protocol = brief ? p[r->network] : u16(p + r->network);
    r->ether_type = protocol == 0x21 ? IPV4 : protocol == 0x57 ? IPV6 : 0;
    r->network += brief ? 1 : 2;
    return 1;
}

static int inner(const uint8_t *p, int64_t cap, struct row *r) {
    int tags = 0;
    while (is_tag(r->ether_type)) {
        if (tags++ == MAX_TAGS || cap < r->network + 4) return 0;
        r->ether_type = (int)u16(p + r->network + 2);
        r->network += 4;
    }
    if (r->ether_type == PPPOE) {
        r->network += 6;
        return ppp_protocol(p, cap, r);
    }
    return 1;
}

static int cooked(const uint8_t *p, int64_t cap, struct row *r, int version) {
    int header = version == 1 ? 16 : 20;
    if (cap < header) return 0;
    uint32_t size = version == 1 ? u16(p + 4) : p[11];
    uint32_t hardware = u16(p + (version == 1 ? 2 : 8));
    r->has_src = size == 6 && hardware != 772;
    if (r->has_src) r->src = mac48(p + (version == 1 ? 6 : 12));
    r->ether_type = (int)u16(p + (version == 1 ? 14 : 0));
    r->network = header;
    return inner(p, cap, r);
}

/* 1: a whole link header; 0: none; -1: the link type is not known. */
static int read_link(int link_type, const uint8_t *p, int64_t cap, struct row *r) {
    uint32_t family;
    switch (link_type) {
    case 1:
        if (cap < 14) return 0;
        r->has_src = r->has_dst = 1;
        r->dst = mac48(p);
        r->src = mac48(p + 6);
        r->ether_type = (int)u16(p + 12);
        r->network = 14;
        return r->ether_type == IPV4 ? 1 : inner(p, cap, r);
    case 113: return cooked(p, cap, r, 1);
    case 276: return cooked(p, cap, r, 2);
    case 12: case 14: case 101: case 228: case 229:
        if (cap < 1 || (p[0] >> 4 != 4 && p[0] >> 4 != 6)) return 0;
        r->ether_type = p[0] >> 4 == 4 ? IPV4 : IPV6;
        return 1;
    case 0: case 108:
        if (cap < 4) return 0;
        family = u32(p);
        if (family > 0xFFFF) family = (uint32_t)p[1] << 8 | p[0];
        r->ether_type = family == 2 ? IPV4 : family == 10 || family == 24 || family == 28 || family == 30 ? IPV6 : 0;
        r->network = 4;
        return 1;
    case 9: case 50:
        if (cap < 4) return 0;
        r->network = u16(p) == 0xFF03 ? 2 : 0;
        return ppp_protocol(p, cap, r);
    case 51:
        r->ether_type = PPPOE;
        return inner(p, cap, r);
    }
    return -1;
}

/* --- network: 1 where it could be read ------------------------------------------------------------------------- */

static int read_ipv4(const uint8_t *p, int64_t cap, int64_t wire, struct row *r) {
    const uint8_t *at = p + r->network;
    if (cap < r->network + 20) return !(r->bad4 = 1);
    int64_t header = (at[0] & 15) * 4, total = u16(at + 2);
    /* No packet is longer than its frame, whatever it claims. Segmentation offload leaves the length empty. */
    if (total == 0 || total > wire - r->network) total = wire - r->network;
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
    if (length == 0 || length > room) length = room > 0 ? room : 0; /* 0: a jumbogram, or offload */
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

static int parse(int link_type, const uint8_t *p, int64_t cap, int64_t wire, struct row *r) {
    /* One by one: compilers clear a struct of this size by an instruction that takes longer than all of these. */
    r->src = r->dst = r->src_high = r->src_low = r->dst_high = r->dst_low = 0;
    r->seq = r->ack = 0;
    r->network = r->transport = r->length = 0;
    r->ether_type = r->src_port = r->dst_port = 0;
    r->version = r->proto = r->flags = r->has_src = r->has_dst = r->fragment = r->later = 0;
    r->bad4 = r->bad6 = r->bad_tcp = r->bad_udp = 0;
    if (read_link(link_type, p, cap, r) != 1) return 0;
    r->transport = r->network;
    r->length = wire > r->network ? wire - r->network : 0;
    int good = r->ether_type == IPV4 ? read_ipv4(p, cap, wire, r) : r->ether_type == IPV6 ? read_ipv6(p, cap, wire, r) : 1;
    if (good && r->version && !r->later) good = read_transport(p, cap, r);
    if (!good) r->length = 0;
    return 1;
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

static int is_identity(const uint8_t *p, int64_t cap, const struct row *r) {
    if (is_identity_type(r->ether_type)) return 1;
    if (!r->version || (r->proto == ICMPV6 && r->version != 6)) return 0;
    return is_identity_content(r->proto, r->src_port, r->dst_port, p + r->transport, payload_captured(r, cap), r->length);
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
static int is_news(struct news *n, const struct row *r, struct keys *keys) {
    int fresh = r->version && r->proto == TCP && (r->flags & (SYN | ACK)) == SYN;
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

/* --- the module ------------------------------------------------------------------------------------------------- */

enum { OUTPUTS = 21, INPUTS = 5 };

/* Item sizes of the columns of `PacketBatch`, in its order. */
static const Py_ssize_t WIDTHS[OUTPUTS] = {8, 8, 8, 2, 1, 8, 8, 8, 8, 1, 2, 2, 4, 1, 4, 4, 4, 8, 4, 8, 4};

struct call {
    Py_buffer in[INPUTS + 1], out[OUTPUTS + 3];
    int ins, outs;
};

static void release(struct call *c) {
    for (int i = 0; i < c->ins; i++) PyBuffer_Release(&c->in[i]);
    for (int i = 0; i < c->outs; i++) PyBuffer_Release(&c->out[i]);
}

PyDoc_STRVAR(decode_doc,
    "decode(data, link_type, offset, captured, wire, time_ns, keys, identity, slim, news, columns, row, frames, filled, "
    "largest, first) -> (next, row, filled, link, ipv4, ipv6, tcp, udp, fragments)\n\nWrite the selected rows of a block, from frame "
    "`first` on, into the columns of a PacketBatch, from `row` on, until there is no room. `frames` is None, or a buffer "
    "for the bytes of these rows, of which `filled` are taken; where less than `largest` is left there is no room. `slim` leaves out what decode.frames.batch.decode says; `news` is "
    "None or (table, taken, most, wanted).");

static PyObject *decode(PyObject *self, PyObject *args) {
    PyObject *inputs[INPUTS + 1], *columns, *told, *kept;
    int link_type, identity, slim;
    long link = 0, ipv4 = 0, ipv6 = 0, tcp = 0, udp = 0, fragments = 0;
    Py_ssize_t n, filled, largest, i;
    (void)self;
    if (!PyArg_ParseTuple(args, "OiOOOOOppOOnOnnn", &inputs[0], &link_type, &inputs[1], &inputs[2], &inputs[3], &inputs[4],
                          &inputs[5], &identity, &slim, &told, &columns, &n, &kept, &filled, &largest,
                          &i))
        return NULL;
    struct call c;
    c.ins = c.outs = 0;
    struct keys keys = {NULL, 0, 0, 0};
    struct news news = {NULL, 0, NULL, 0, NULL};
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
        if (!parse(link_type, p, cap, wire[i], &r)) { link++; continue; }
        if (!r.has_src && r.version) r.src = address_key(r.src_high, r.src_low);
        if (!r.has_dst && r.version) r.dst = address_key(r.dst_high, r.dst_low);
        int fresh = news.table ? is_news(&news, &r, &keys) : 0;
        if (fresh < 0) goto done;
        int whole = 1; /* whether its bytes are wanted too */
        if (select) {
            int sent = keys_have(&keys, r.src), named = identity && !fresh && is_identity(p, cap, &r);
            if (!fresh && !sent && !named && !keys_have(&keys, r.dst)) continue;
            if (slim && !fresh) {
                if (r.version && r.proto == TCP && r.length == 0 && !(r.flags & SYN) && !named && !keys_have(&keys, r.dst)) continue;
                whole = named || (sent && r.length > 0);
            }
        }
        if (frames && whole) memcpy(frames + filled, p, (size_t)cap);
        if (frames) at = filled;
        ipv4 += r.bad4;
        ipv6 += r.bad6;
        tcp += r.bad_tcp;
        udp += r.bad_udp;
        fragments += r.fragment;
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
    release(&c);
    if (PyErr_Occurred()) return NULL;
    return Py_BuildValue("nnnllllll", i, n, filled, link, ipv4, ipv6, tcp, udp, fragments);
}

static PyMethodDef methods[] = {{"decode", decode, METH_VARARGS, decode_doc}, {NULL, NULL, 0, NULL}};

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
