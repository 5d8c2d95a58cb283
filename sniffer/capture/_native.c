/* The walk over the records of a capture: what `capture.pcap` and `capture.pcapng` do in Python, with the same
 * results. Optional: built by hatch_build.py where there is a compiler (see there). Only the stable ABI is used, and
 * nothing is read behind the `end` that is handed in.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <stdint.h>
#include <string.h>

#define REVISION 2

static inline uint32_t get(const uint8_t *p, int big) {
    uint32_t v = big ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]
                     : (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
    return v;
}

struct call {
    Py_buffer buffers[6];
    int count;
};

static void release(struct call *c) {
    for (int i = 0; i < c->count; i++) PyBuffer_Release(&c->buffers[i]);
}

/* The data and the columns that are written; their room in rows, or -1. */
static Py_ssize_t acquire(struct call *c, PyObject *data, PyObject *columns, const Py_ssize_t *widths, int outputs) {
    Py_ssize_t room = PY_SSIZE_T_MAX;
    c->count = 0;
    if (PyObject_GetBuffer(data, &c->buffers[0], PyBUF_SIMPLE) < 0) return -1;
    c->count = 1;
    if (!PyTuple_Check(columns) || PyTuple_Size(columns) != outputs) {
        PyErr_SetString(PyExc_ValueError, "not the columns of a block");
        return -1;
    }
    for (int i = 0; i < outputs; i++) {
        if (PyObject_GetBuffer(PyTuple_GetItem(columns, i), &c->buffers[i + 1], PyBUF_WRITABLE) < 0) return -1;
        c->count++;
        if (c->buffers[i + 1].len / widths[i] < room) room = c->buffers[i + 1].len / widths[i];
    }
    return room;
}

static int within(const struct call *c, Py_ssize_t position, Py_ssize_t end) {
    if (position >= 0 && end >= position && end <= c->buffers[0].len) return 1;
    PyErr_SetString(PyExc_ValueError, "outside the buffer");
    return 0;
}

PyDoc_STRVAR(pcap_doc,
    "pcap(data, position, end, big_endian, header, tick_ns, max_frame, max_wire, head, (offset, captured, wire, time_ns)) -> "
    "(rows, position, length)\n\nThe whole records between two positions, up to where `head` (8 bytes, the beginning of a file) stands; `length` is that of a record that claims too "
    "much, else -1.");

static PyObject *pcap(PyObject *self, PyObject *args) {
    static const Py_ssize_t widths[] = {8, 4, 4, 8};
    PyObject *data, *columns;
    Py_ssize_t position, end, rows = 0;
    int big, header;
    long long tick, max_frame, max_wire, bad = -1;
    const char *head;
    Py_ssize_t head_size;
    (void)self;
    if (!PyArg_ParseTuple(args, "OnnpiLLLy#O", &data, &position, &end, &big, &header, &tick, &max_frame, &max_wire, &head, &head_size, &columns))
        return NULL;
    struct call c;
    Py_ssize_t room = acquire(&c, data, columns, widths, 4);
    if (room < 0 || !within(&c, position, end) || header < 16 || head_size != 8) {
        release(&c);
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_ValueError, "not a record's header: %d", header);
    }
    const uint8_t *base = c.buffers[0].buf;
    int64_t *offset = c.buffers[1].buf, *time_ns = c.buffers[4].buf;
    int32_t *captured = c.buffers[2].buf, *wire = c.buffers[3].buf;
    while (end - position >= header && rows < room) {
        const uint8_t *p = base + position;
        int64_t kept = get(p + 8, big), full = get(p + 12, big);
        if (!memcmp(p, head, 8)) break;
        if (kept > max_frame) {
            bad = kept;
            break;
        }
        if (kept > end - position - header) break;
        offset[rows] = position + header;
        captured[rows] = (int32_t)kept;
        wire[rows] = (int32_t)(full < kept ? kept : full > max_wire ? max_wire : full);
        time_ns[rows] = (int64_t)get(p, big) * 1000000000 + (int64_t)get(p + 4, big) * tick;
        rows++;
        position += header + kept;
    }
    release(&c);
    return Py_BuildValue("nnL", rows, position, bad);
}

PyDoc_STRVAR(pcapng_doc,
    "pcapng(data, position, end, big_endian, interfaces, max_block, max_wire, (interface, ticks, offset, captured, wire)) "
    "-> (rows, position)\n\nThe enhanced packet blocks from a position on, up to the first block that is anything else, or "
    "not as it should be.");

static PyObject *pcapng(PyObject *self, PyObject *args) {
    static const Py_ssize_t widths[] = {4, 8, 8, 4, 4};
    PyObject *data, *columns;
    Py_ssize_t position, end, rows = 0;
    int big;
    long long interfaces, max_block, max_wire;
    (void)self;
    if (!PyArg_ParseTuple(args, "OnnpLLLO", &data, &position, &end, &big, &interfaces, &max_block, &max_wire, &columns))
        return NULL;
    struct call c;
    Py_ssize_t room = acquire(&c, data, columns, widths, 5);
    if (room < 0 || !within(&c, position, end)) {
        release(&c);
        return NULL;
    }
    const uint8_t *base = c.buffers[0].buf;
    int32_t *interface = c.buffers[1].buf, *captured = c.buffers[4].buf, *wire = c.buffers[5].buf;
    uint64_t *ticks = c.buffers[2].buf;
    int64_t *offset = c.buffers[3].buf;
    while (end - position >= 32 && rows < room) {
        const uint8_t *p = base + position;
        int64_t length = get(p + 4, big), number = get(p + 8, big), kept = get(p + 20, big), full = get(p + 24, big);
        if (get(p, big) != 6 || length < 32 || length & 3 || length > max_block || length > end - position) break;
        if (number >= interfaces || kept > length - 32 || get(p + length - 4, big) != (uint32_t)length) break;
        interface[rows] = (int32_t)number;
        ticks[rows] = (uint64_t)get(p + 12, big) << 32 | get(p + 16, big);
        offset[rows] = position + 28;
        captured[rows] = (int32_t)kept;
        wire[rows] = (int32_t)(full < kept ? kept : full > max_wire ? max_wire : full);
        rows++;
        position += length;
    }
    release(&c);
    return Py_BuildValue("nn", rows, position);
}

static PyMethodDef methods[] = {
    {"pcap", pcap, METH_VARARGS, pcap_doc}, {"pcapng", pcapng, METH_VARARGS, pcapng_doc}, {NULL, NULL, 0, NULL}};

static int fill(PyObject *module) { return PyModule_AddIntConstant(module, "REVISION", REVISION); }

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)fill}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "sniffer.capture._native", "The walk over records, compiled.", 0, methods, slots, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__native(void) { return PyModuleDef_Init(&definition); }
