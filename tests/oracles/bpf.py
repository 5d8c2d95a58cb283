"""Classic BPF as its documentation describes it (linux: Documentation/networking/filter.rst), one step a line."""

from __future__ import annotations

from collections.abc import Sequence

WORD = 0xFFFF_FFFF


def run(program: Sequence[tuple[int, int, int, int]], frame: bytes, length: int | None = None) -> int:
    """How many bytes the program keeps of a frame. A load outside the frame ends it with 0."""
    a = x = pc = 0
    memory = [0] * 16
    for _ in range(len(program)):
        code, jump_true, jump_false, k = program[pc]
        pc += 1
        kind = code & 0x07
        if kind in (0x00, 0x01):  # ld, ldx
            size, mode = code & 0x18, code & 0xE0
            width = {0x00: 4, 0x08: 2, 0x10: 1}[size]
            if mode == 0x00:
                value = k
            elif mode == 0x60:
                value = memory[k]
            elif mode == 0x80:
                value = len(frame) if length is None else length
            else:
                at = k + (x if mode == 0x40 else 0)
                if at + width > len(frame):
                    return 0
                value = int.from_bytes(frame[at : at + width], "big")
                if mode == 0xA0:
                    value = 4 * (value & 0x0F)
            if kind == 0x00:
                a = value
            else:
                x = value
        elif kind in (0x02, 0x03):
            memory[k] = a if kind == 0x02 else x
        elif kind == 0x04:
            by = x if code & 0x08 else k
            a = {
                0x00: a + by,
                0x10: a - by,
                0x20: a * by,
                0x40: a | by,
                0x50: a & by,
                0x60: a << (by & 31),
                0x70: a >> (by & 31),
                0xA0: a ^ by,
            }[code & 0xF0] & WORD
        elif kind == 0x05:
            by = x if code & 0x08 else k
            operation = code & 0xF0
            if operation == 0x00:
                pc += k
            else:
                taken = {0x10: a == by, 0x20: a > by, 0x30: a >= by, 0x40: bool(a & by)}[operation]
                pc += jump_true if taken else jump_false
        elif kind == 0x06:
            return a if code & 0x18 == 0x10 else k
        elif code & 0xF8 == 0x00:
            x = a
        else:
            a = x
    raise AssertionError("the program ran past its end")
