/* DNS messages and ClientHellos as they usually are: what `decode.protocols.dns` and `decode.protocols.tls` read, with the same results.
 *
 * Whatever is unusual (cut, wrong, not ASCII, very long, more work than usual) is declined with None: then Python reads it, and it
 * alone decides what that means. So these two never need to agree about an error.
 */

enum { DNS_MOST = 4096, DNS_STEPS = 1024, DNS_HOPS = 4096, DNS_NAME = 255, DNS_LABELS = 128, DNS_QUESTIONS = 32, DNS_RECORDS = 256, DNS_TEXTS = 32, DNS_HINTS = 16 };
enum { T_A = 1, T_CNAME = 5, T_PTR = 12, T_TXT = 16, T_AAAA = 28, T_SRV = 33, T_SVCB = 64, T_HTTPS = 65 };

struct dns {
    const uint8_t *p;
    int size, steps, hops;
    uint8_t known[DNS_MOST / 8]; /* where names that were read begin, or go on: what stands there is not counted again */
};

struct dns_name {
    char text[DNS_NAME + DNS_LABELS + 1], first[64];
    int length, first_length;
};

static int is_plain_text(const uint8_t *p, int length) {
    for (int i = 0; i < length; i++)
        if (p[i] < 0x20 || p[i] > 0x7e) return 0;
    return 1;
}

/* Read the name at `at`; where reading goes on, or -1. */
static int read_name(struct dns *d, int at, struct dns_name *out) {
    int places[DNS_NAME + 1], found = 0, labels = 0, characters = 0, counted_bytes = 0, after = -1, limit = at, counted = 1;
    out->length = out->first_length = 0;
    for (;;) {
        if (++d->hops > DNS_HOPS || (counted && ++d->steps > DNS_STEPS) || at >= d->size || found > DNS_NAME) return -1;
        int length = d->p[at];
        if ((length & 0xC0) == 0xC0) {
            if (at + 1 >= d->size) return -1;
            int target = (length & 0x3F) << 8 | d->p[at + 1];
            if (after < 0) after = at + 2;
            if (target >= limit) return -1;
            if (counted) places[found++] = at;
            at = limit = target;
            if (d->known[target / 8] >> (target % 8) & 1) counted = 0;
            continue;
        }
        if (length & 0xC0) return -1;
        if (counted) places[found++] = at;
        at++;
        if (length == 0) break;
        if (counted && (counted_bytes += length + 1) > DNS_NAME) return -1;
        if (at + length > d->size || ++labels > DNS_LABELS || (characters += length) > DNS_NAME) return -1;
        if (!is_plain_text(d->p + at, length)) return -1;
        if (labels == 1) {
            memcpy(out->first, d->p + at, (size_t)length);
            out->first_length = length;
        } else
            out->text[out->length++] = '.';
        for (int i = 0; i < length; i++) {
            char c = (char)d->p[at + i];
            out->text[out->length++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
        }
        at += length;
    }
    for (int i = 0; i < found; i++) d->known[places[i] / 8] |= (uint8_t)(1 << places[i] % 8);
    return after >= 0 ? after : at;
}

static PyObject *as_text(const char *text, int length) { return PyUnicode_FromStringAndSize(text, length); }

/* A named tuple of a class, made of a tuple that is given away. */
static PyObject *named(PyObject *type, PyObject *values) {
    if (!values) return NULL;
    PyObject *made = PyObject_CallMethod((PyObject *)&PyTuple_Type, "__new__", "OO", type, values);
    Py_DECREF(values);
    return made;
}

static int append(PyObject *list, PyObject *value) {
    if (!value) return -1;
    int status = PyList_Append(list, value);
    Py_DECREF(value);
    return status;
}

static PyObject *frozen(PyObject *list) {
    PyObject *made = list ? PyList_AsTuple(list) : NULL;
    Py_XDECREF(list);
    return made;
}

static PyObject *address_of(const uint8_t *p, int width) {
    return width == 4 ? Py_BuildValue("iK", 0, (unsigned long long)(V4_MAPPED | u32(p)))
                      : Py_BuildValue("KK", (unsigned long long)u64(p), (unsigned long long)u64(p + 8));
}

/* Strings of a TXT record. NULL without an error: not plain. */
static PyObject *read_texts(const uint8_t *p, int at, int end) {
    PyObject *found = PyList_New(0);
    int texts = 0;
    while (found && at < end && texts < DNS_TEXTS) {
        int length = p[at++];
        if (at + length > end) break;
        if (!is_plain_text(p + at, length) || (length && append(found, as_text((const char *)p + at, length)) < 0)) {
            Py_DECREF(found);
            return NULL;
        }
        texts += length > 0;
        at += length;
    }
    return frozen(found);
}

/* Address hints of an SVCB or HTTPS record, and whether it offers Encrypted ClientHello. */
static PyObject *read_hints(const uint8_t *p, int at, int end, int *ech) {
    PyObject *found = PyList_New(0);
    int hints = 0;
    while (found && at + 4 <= end) {
        int key = (int)u16(p + at), length = (int)u16(p + at + 2), width = key == 4 ? 4 : key == 6 ? 16 : 0;
        at += 4;
        if (at + length > end) break;
        for (int i = 0; width && i + width <= length && hints < DNS_HINTS; i += width, hints++)
            if (append(found, address_of(p + at + i, width)) < 0) {
                Py_DECREF(found);
                return NULL;
            }
        *ech |= key == 5;
        at += length;
    }
    return frozen(found);
}

/* Read the record at `*at` into `records`: 1; 0 where it tells nothing; -1 where it is not plain, or with an error set. */
static int read_record(struct dns *d, int *at, PyObject *type, PyObject *records) {
    struct dns_name owner, target;
    int next = read_name(d, *at, &owner);
    if (next < 0 || next + 10 > d->size) return -1;
    int kind = (int)u16(d->p + next), length = (int)u16(d->p + next + 8), ech = 0, aims = 0;
    unsigned long ttl = u32(d->p + next + 4);
    int data = next + 10, end = data + length;
    if (end > d->size) return -1;
    *at = end;
    PyObject *addresses = NULL, *texts = NULL;
    const char *label = "";
    int label_length = 0;
    if ((kind == T_A && length == 4) || (kind == T_AAAA && length == 16)) {
        addresses = Py_BuildValue("(N)", address_of(d->p + data, length));
        if (!addresses) return -1;
    } else if (kind == T_CNAME || kind == T_PTR) {
        if (read_name(d, data, &target) < 0) return -1;
        aims = 1;
        label = target.first;
        label_length = target.first_length;
    } else if (kind == T_SRV && length > 6) {
        if (read_name(d, data + 6, &target) < 0) return -1;
        aims = 1;
        label = owner.first;
        label_length = owner.first_length;
    } else if (kind == T_TXT) {
        texts = read_texts(d->p, data, end);
        if (!texts) return -1;
        label = owner.first;
        label_length = owner.first_length;
    } else if ((kind == T_SVCB || kind == T_HTTPS) && length > 2) {
        int parameters = read_name(d, data + 2, &target);
        if (parameters < 0) return -1;
        addresses = read_hints(d->p, parameters, end, &ech);
        if (!addresses) return -1;
    } else
        return 0;
    if (!addresses) addresses = PyTuple_New(0);
    if (!texts) texts = PyTuple_New(0);
    PyObject *aim = aims ? as_text(target.text, target.length) : Py_NewRef(Py_None);
    if (!addresses || !texts || !aim) {
        Py_XDECREF(addresses);
        Py_XDECREF(texts);
        Py_XDECREF(aim);
        return -1;
    }
    PyObject *values = Py_BuildValue("s#ikNNNs#O", owner.text, (Py_ssize_t)owner.length, kind, ttl > 0x7FFFFFFF ? 0ul : ttl, addresses, aim, texts, label,
                                     (Py_ssize_t)label_length, ech ? Py_True : Py_False);
    return append(records, named(type, values)) < 0 ? -1 : 1;
}

PyDoc_STRVAR(dns_doc,
    "dns(data, message, question, record) -> message or None\n\nRead a DNS message of plain text into these named tuples; None where it is not the usual.");

static PyObject *dns(PyObject *self, PyObject *args) {
    Py_buffer data;
    PyObject *message_type, *question_type, *record_type, *made = NULL;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*OOO", &data, &message_type, &question_type, &record_type)) return NULL;
    struct dns d;
    memset(&d, 0, sizeof d);
    d.p = data.buf;
    d.size = (int)data.len;
    PyObject *asked = PyList_New(0), *records = PyList_New(0);
    if (!asked || !records || data.len < 12 || data.len > DNS_MOST) goto done;
    int flags = (int)u16(d.p + 2), opcode = flags >> 11 & 15, questions = (int)u16(d.p + 4), answers = (int)u16(d.p + 6), first = answers;
    long counts = (long)answers + (long)u16(d.p + 8) + (long)u16(d.p + 10), kept = 0;
    if ((opcode && opcode != 4 && opcode != 5) || questions > DNS_QUESTIONS || questions + counts == 0) goto done;
    int at = 12;
    for (int i = 0; i < questions; i++) {
        struct dns_name name;
        at = read_name(&d, at, &name);
        if (at < 0 || at + 4 > d.size) goto done;
        if (append(asked, named(question_type, Py_BuildValue("s#i", name.text, (Py_ssize_t)name.length, (int)u16(d.p + at)))) < 0) goto done;
        at += 4;
    }
    for (long i = 0; i < counts && i < DNS_RECORDS; i++) {
        int found = read_record(&d, &at, record_type, records);
        if (found < 0) goto done;
        kept += found;
        answers -= !found && i < first;
    }
    if (!questions && !kept) goto done;
    made = named(message_type, Py_BuildValue("iOiNNlOi", (int)u16(d.p), flags & 0x8000 ? Py_True : Py_False, flags & 15, PyList_AsTuple(asked),
                                             PyList_AsTuple(records), (long)answers < kept ? (long)answers : kept, Py_True, d.steps));
done:
    Py_XDECREF(asked);
    Py_XDECREF(records);
    PyBuffer_Release(&data);
    if (!made && !PyErr_Occurred()) Py_RETURN_NONE;
    return made;
}

/* --- ClientHello ------------------------------------------------------------------------------------------------- */

enum { HELLO_MOST = 16 * 1024, HELLO_EXTENSIONS = 256, HELLO_NAMES = 32 };
enum { X_NAME = 0, X_GROUPS = 10, X_POINTS = 11, X_SIGNATURES = 13, X_ALPN = 16, X_VERSIONS = 43, X_ECH = 0xFE0D };
enum { H_CIPHERS, H_EXTENSIONS, H_GROUPS, H_POINTS, H_SIGNATURES, H_VERSIONS, H_ALPN, H_ALPN_RAW, H_NAME, H_FIELDS };

/* Numbers of one or two bytes each. */
static PyObject *numbers(const uint8_t *p, int length, int width) {
    PyObject *made = PyTuple_New(length / width);
    for (int i = 0; made && i < length / width; i++) {
        PyObject *value = PyLong_FromLong(width == 1 ? p[i] : (long)u16(p + 2 * i));
        if (!value || PyTuple_SetItem(made, i, value) < 0) Py_CLEAR(made);
    }
    return made;
}

/* The length of a vector at `*at`, whose length has `width` bytes, and that must end within `end`; `*at` is then its beginning. -1: it does not. */
static int vector(const uint8_t *p, int *at, int end, int width) {
    if (*at + width > end) return -1;
    int length = width == 1 ? p[*at] : (int)u16(p + *at);
    *at += width;
    return length > end - *at ? -1 : length;
}

/* The first name of a list, in lower case, without dots at its end. */
static PyObject *server_name(const uint8_t *p, int at, int end) {
    int length = vector(p, &at, end, 2);
    if (length <= 3) return NULL;
    end = at + length;
    if (p[at++] != 0 || (length = vector(p, &at, end, 2)) < 1 || length > 255 || !is_plain_text(p + at, length)) return NULL;
    char text[255];
    for (int i = 0; i < length; i++) text[i] = p[at + i] >= 'A' && p[at + i] <= 'Z' ? (char)(p[at + i] + 32) : (char)p[at + i];
    while (length && text[length - 1] == '.') length--;
    return as_text(text, length);
}

/* The protocols that a client offers; the first one as it was sent, too. */
static PyObject *protocols(const uint8_t *p, int at, int end, PyObject **raw) {
    int length = vector(p, &at, end, 2), found = 0;
    if (length < 0) return NULL;
    end = at + length;
    PyObject *names = PyList_New(0);
    while (names && at < end) {
        length = vector(p, &at, end, 1);
        if (length < 0 || ++found > HELLO_NAMES || !is_plain_text(p + at, length) || append(names, as_text((const char *)p + at, length)) < 0) {
            Py_DECREF(names);
            return NULL;
        }
        if (found == 1) *raw = PyBytes_FromStringAndSize((const char *)p + at, length);
        at += length;
    }
    return frozen(names);
}

PyDoc_STRVAR(hello_doc,
    "hello(data, type) -> type or None\n\nRead a ClientHello of plain text, of which the end may be cut, from its handshake bytes into this named tuple; None where it is not the usual.");

static PyObject *hello(PyObject *self, PyObject *args) {
    Py_buffer data;
    PyObject *type, *made = NULL, *fields[H_FIELDS] = {NULL};
    (void)self;
    if (!PyArg_ParseTuple(args, "y*O", &data, &type)) return NULL;
    const uint8_t *p = data.buf;
    uint16_t kinds[HELLO_EXTENSIONS];
    int ech = 0, count = 0, at = 6, length;
    if (data.len < 6 || data.len > HELLO_MOST || p[0] != 1) goto done;
    int size = (int)p[1] << 16 | (int)u16(p + 2), version = (int)u16(p + 4), whole = data.len >= 4 + size;
    int end = whole ? 4 + size : (int)data.len, left = 0; /* of what there is; and of extensions, as they claim */
    if ((version >> 8) != 3 || size < 38) goto done;
    at += 32;
    if ((length = vector(p, &at, end, 1)) < 0 || length > 32) goto done;
    at += length;
    if ((length = vector(p, &at, end, 2)) < 0 || !(fields[H_CIPHERS] = numbers(p + at, length, 2))) goto done;
    at += length;
    if ((length = vector(p, &at, end, 1)) < 0) goto done;
    at += length;
    if (at < end) {
        if (end - at < 2) goto done;
        left = (int)u16(p + at);
        at += 2;
    }
    for (; left >= 4; at += length) {
        if (end - at < 4) {
            whole = 0;
            break;
        }
        int kind = (int)u16(p + at), field = -1, inside;
        length = (int)u16(p + at + 2);
        at += 4;
        left -= 4 + length;
        if (count == HELLO_EXTENSIONS) goto done;
        kinds[count++] = (uint16_t)kind;
        if (end - at < length) {
            whole = 0;
            break;
        }
        switch (kind) {
        case X_NAME: field = H_NAME; break;
        case X_GROUPS: field = H_GROUPS; break;
        case X_POINTS: field = H_POINTS; break;
        case X_SIGNATURES: field = H_SIGNATURES; break;
        case X_VERSIONS: field = H_VERSIONS; break;
        case X_ALPN: field = H_ALPN; break;
        case X_ECH: ech = 1; break;
        }
        if (field < 0) continue;
        if (fields[field]) goto done; /* twice: not the usual */
        if (kind == X_NAME)
            fields[field] = server_name(p, at, at + length);
        else if (kind == X_ALPN)
            fields[field] = protocols(p, at, at + length, &fields[H_ALPN_RAW]);
        else {
            int start = at;
            inside = vector(p, &start, at + length, kind == X_POINTS || kind == X_VERSIONS ? 1 : 2);
            if (inside >= 0) fields[field] = numbers(p + start, inside, kind == X_POINTS ? 1 : 2);
        }
        if (!fields[field]) goto done;
    }
    fields[H_EXTENSIONS] = PyTuple_New(count);
    for (int i = 0; fields[H_EXTENSIONS] && i < count; i++)
        if (PyTuple_SetItem(fields[H_EXTENSIONS], i, PyLong_FromLong(kinds[i])) < 0) Py_CLEAR(fields[H_EXTENSIONS]);
    for (int i = 0; i < H_FIELDS; i++)
        if (!fields[i]) fields[i] = i == H_NAME ? Py_NewRef(Py_None) : i == H_ALPN_RAW ? PyBytes_FromStringAndSize("", 0) : PyTuple_New(0);
    for (int i = 0; i < H_FIELDS; i++)
        if (!fields[i]) goto done;
    made = named(type, Py_BuildValue("iOOOOOOOOOOO", version, fields[H_CIPHERS], fields[H_EXTENSIONS], fields[H_GROUPS], fields[H_POINTS],
                                     fields[H_SIGNATURES], fields[H_VERSIONS], fields[H_ALPN], fields[H_ALPN_RAW], fields[H_NAME],
                                     ech ? Py_True : Py_False, whole ? Py_True : Py_False));
done:
    for (int i = 0; i < H_FIELDS; i++) Py_XDECREF(fields[i]);
    PyBuffer_Release(&data);
    if (!made && !PyErr_Occurred()) Py_RETURN_NONE;
    return made;
}
