import json

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sniffer.sinks.storage.jsonl import MAX_RECORD_BYTES, decode, encode
from tests.sinks.builders import upload

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(categories=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.text(), VALUES, max_size=6))
def test_any_record_is_one_line_of_ascii_json(record: dict) -> None:
    line = encode(record)
    assert line.isascii()
    assert line.isprintable()
    assert set(decode(line)) == set(record)


def test_numbers_of_numpy_are_numbers() -> None:
    line = encode({"a": np.int64(3), "b": np.float32(0.5), "c": {1}, "d": object})
    assert json.loads(line)["a"] == 3
    assert json.loads(line)["b"] == 0.5


def test_a_long_record_loses_its_bins_and_keeps_its_verdict() -> None:
    record = upload(host="x" * 1_000_000)
    record["upload"]["bins"] = list(range(100_000))
    record["flows"] = ["y" * 100] * 10_000
    short = decode(encode(record))
    assert len(encode(record)) < MAX_RECORD_BYTES
    assert (short["id"], short["verdict"], short["upload"]["bins"]) == (record["id"], "unexpected", [])
