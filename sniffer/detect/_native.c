/* Packets to connections, and the body of a run: what `detect.traffic` and `detect.shape` do in numpy, with the same
 * results to the last bit.
 *
 * Optional: built by hatch_build.py where there is a compiler; the package works without it (and with
 * SNIFFER_PURE_PYTHON=1 ignores it). Only the stable ABI is used.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <stdint.h>
#include <string.h>

#define REVISION 3

/* A connection: both ends in order (host, address in halves), ports and protocol; then packets and bytes from the first
 * end and from the second, first and last moment. As in the rows of `traffic.Traffic`. */
enum { WORDS = 7, FROM_FIRST = 7, FROM_SECOND = 9, BEGIN = 11, END = 12, WIDTH = 13 };

/* Columns of a batch that are read, in this order, and their item sizes. */
enum { TIME, SRC, DST, SRC_HIGH, SRC_LOW, DST_HIGH, DST_LOW, PROTO, SRC_PORT, DST_PORT, WIRE, COLUMNS, OUTPUTS = 3 };
static const Py_ssize_t WIDTHS[COLUMNS] = {8, 8, 8, 8, 8, 8, 8, 1, 2, 2, 4};

/* Random for each process: whoever chooses ports and addresses cannot choose places in the table. */
static uint64_t seed;

static inline uint64_t mix(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * 0x9E3779B97F4A7C15ull;
    return hash ^ hash >> 29;
}

PyDoc_STRVAR(meter_doc,
    "meter(columns, first, table, places, taken, most, fresh) -> (next, taken)\n\nAdd packets from `first` on to the "
    "connections in `table`, of which `taken` are used (`most` at most); `places` is a hash table of their numbers from 1 "
    "on. `fresh` becomes 1 for the first packet from each end. Stops at a packet of a connection for which there is no "
    "room.");

static PyObject *meter(PyObject *self, PyObject *args) {
    PyObject *columns, *outputs[OUTPUTS];
    Py_ssize_t i, taken, most;
    Py_buffer in[COLUMNS + OUTPUTS];
    int held = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "OnOOnnO", &columns, &i, &outputs[0], &outputs[1], &taken, &most, &outputs[2])) return NULL;
    Py_ssize_t count = PY_SSIZE_T_MAX;
    if (!PyTuple_Check(columns) || PyTuple_Size(columns) != COLUMNS) {
        PyErr_SetString(PyExc_ValueError, "not the columns of a batch");
        return NULL;
    }
    for (; held < COLUMNS; held++) {
        if (PyObject_GetBuffer(PyTuple_GetItem(columns, held), &in[held], PyBUF_SIMPLE) < 0) goto done;
        if (in[held].len / WIDTHS[held] < count) count = in[held].len / WIDTHS[held];
    }
    for (; held < COLUMNS + OUTPUTS; held++)
        if (PyObject_GetBuffer(outputs[held - COLUMNS], &in[held], PyBUF_WRITABLE) < 0) goto done;
    int64_t *table = in[COLUMNS].buf;
    uint32_t *places = in[COLUMNS + 1].buf;
    uint8_t *fresh = in[COLUMNS + 2].buf;
    Py_ssize_t slots = in[COLUMNS + 1].len / 4;
    if (i < 0 || in[COLUMNS + 2].len < count || taken < 0 || taken > most || most > in[COLUMNS].len / (8 * WIDTH) || slots <= most || slots & (slots - 1)) {
        PyErr_SetString(PyExc_ValueError, "not a table of connections");
        goto done;
    }
    const int64_t *time_ns = in[TIME].buf;
    const uint64_t *src = in[SRC].buf, *dst = in[DST].buf, *src_high = in[SRC_HIGH].buf, *src_low = in[SRC_LOW].buf,
                   *dst_high = in[DST_HIGH].buf, *dst_low = in[DST_LOW].buf;
    const uint8_t *proto = in[PROTO].buf;
    const uint16_t *src_port = in[SRC_PORT].buf, *dst_port = in[DST_PORT].buf;
    const int32_t *wire = in[WIRE].buf;

    for (; i < count; i++) {
        uint64_t one = src_port[i], other = dst_port[i], key[WORDS], hash = seed;
        int order = src[i] != dst[i] ? src[i] < dst[i] : src_high[i] != dst_high[i] ? src_high[i] < dst_high[i]
                  : src_low[i] != dst_low[i] ? src_low[i] < dst_low[i] : one <= other;
        if (order) {
            uint64_t words[WORDS] = {src[i], src_high[i], src_low[i], dst[i], dst_high[i], dst_low[i], one << 24 | other << 8 | proto[i]};
            memcpy(key, words, sizeof key);
        } else {
            uint64_t words[WORDS] = {dst[i], dst_high[i], dst_low[i], src[i], src_high[i], src_low[i], other << 24 | one << 8 | proto[i]};
            memcpy(key, words, sizeof key);
        }
        for (int k = 0; k < WORDS; k++) hash = mix(hash, key[k]);
        uint64_t at = hash & (uint64_t)(slots - 1);
        while (places[at] && memcmp(table + (places[at] - 1) * (Py_ssize_t)WIDTH, key, sizeof key)) at = (at + 1) & (uint64_t)(slots - 1);
        if (!places[at]) {
            if (taken == most) break;
            int64_t *begun = table + taken * WIDTH;
            memcpy(begun, key, sizeof key);
            memset(begun + WORDS, 0, (WIDTH - WORDS) * 8);
            begun[BEGIN] = begun[END] = time_ns[i];
            places[at] = (uint32_t)++taken;
        }
        int64_t *row = table + (places[at] - 1) * (Py_ssize_t)WIDTH;
        int from = order ? FROM_FIRST : FROM_SECOND;
        fresh[i] = !row[from]++;
        row[from + 1] += wire[i];
        if (time_ns[i] < row[BEGIN]) row[BEGIN] = time_ns[i];
        if (time_ns[i] > row[END]) row[END] = time_ns[i];
    }
done:
    for (int k = 0; k < held; k++) PyBuffer_Release(&in[k]);
    return PyErr_Occurred() ? NULL : Py_BuildValue("nn", i, taken);
}

/* --- the body of a run ----------------------------------------------------------------------------------------- */

PyDoc_STRVAR(stretch_doc,
    "stretch(total, step, slack, slowest, fastest, plain) -> (first, last)\n\nThe steps of the longest stretch in which "
    "the sum of bytes `total` (float64, one more than steps) stays within the tube: see `shape.find_body`.");

static PyObject *stretch(PyObject *self, PyObject *args) {
    Py_buffer sums;
    double step, slack, slowest, fastest, plain;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*ddddd", &sums, &step, &slack, &slowest, &fastest, &plain)) return NULL;
    const double *total = sums.buf;
    Py_ssize_t steps = sums.len / 8 - 1, best = 0, best_reach = 0;
    double most_valued = -1;
    for (Py_ssize_t i = 0; i <= steps; i++) {
        double lower = slowest, upper = fastest;
        Py_ssize_t reach = 0;
        for (Py_ssize_t j = i + 1; j <= steps; j++, reach++) {
            double rise = total[j] - total[i], run = (double)(j - i) * step;
            double least = rise / (run + slack), most = run > slack ? rise / (run - slack > 1e-9 ? run - slack : 1e-9) : fastest;
            if (least > lower) lower = least;
            if (most < upper) upper = most;
            if (lower > upper) break;
        }
        double within = (double)reach * step, share = (total[i + reach] - total[i]) / (within > step ? within : step) / plain;
        if (share > 1) share = 1;
        double value = within * (share * share);
        if (value > most_valued) {
            most_valued = value;
            best = i;
            best_reach = reach;
        }
    }
    PyBuffer_Release(&sums);
    return Py_BuildValue("nn", best, best + best_reach);
}

static PyMethodDef methods[] = {
    {"meter", meter, METH_VARARGS, meter_doc}, {"stretch", stretch, METH_VARARGS, stretch_doc}, {NULL, NULL, 0, NULL}};

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
    PyModuleDef_HEAD_INIT, "sniffer.detect._native", "Detection, compiled.", 0, methods, slots, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__native(void) { return PyModuleDef_Init(&definition); }
