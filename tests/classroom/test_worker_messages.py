"""What the grader reads from a student's process: data, or a ValueError, whatever the bytes are."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigrad.classroom import messages
from minigrad.classroom.student import Function

plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters())
numbers = (kind(endianness="=") for kind in (hnp.integer_dtypes, hnp.floating_dtypes, hnp.complex_number_dtypes))
dtypes = st.one_of(hnp.boolean_dtypes(), *numbers)
arrays = hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, min_side=0, max_side=4))
values = st.recursive(
    plain | arrays,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=8,
)


def message(head, content=b""):
    head = json.dumps(head).encode()
    return messages.HEAD.pack(len(head)) + head + content


@given(values)
def test_what_is_read_is_what_was_written(value):
    back = messages.decode(messages.encode(value))
    assert type(back) is type(value)
    assert repr(back) == repr(value)
    assert messages.encode(back) == messages.encode(value)


def test_other_byte_orders_become_ours():
    back = messages.decode(messages.encode(np.array([1, 2], ">i2")))
    assert (back.tolist(), back.dtype) == ([1, 2], np.int16)


def read_or_refused(content):
    try:
        messages.decode(content)
    except ValueError as error:
        return str(error).startswith("not a message: ")
    return True


@given(st.binary())
def test_any_bytes_are_a_value_or_a_value_error(content):
    assert read_or_refused(content)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["list", "array", "<f8", "|b1", "dict"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=2), inner),
)


@given(json_values, st.binary(max_size=40))
def test_so_is_any_json(head, content):
    assert read_or_refused(message(head, content))


@given(values, st.data())
def test_so_is_a_message_with_changed_bytes(value, data):
    content = bytearray(messages.encode(value))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    assert read_or_refused(bytes(content))


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"abc",
        messages.HEAD.pack(2**63),
        message(["array", "<f8", [2]], b"\0" * 8),  # longer than the message
        message(["array", "<f8", [1]], b"\0" * 16),  # bytes behind its end
        message(["array", "<f8", [-1, -1]], b"\0" * 8),
        message(["array", "<f8", [10**30]], b""),
        message(["array", "<f8", [True]], b"\0" * 8),
        message(["array", "O", [1]], b"\0" * 8),
        message(["array", "V8", [1]], b"\0" * 8),
        message(["array", "f8,f8", [1]], b"\0" * 16),
        message(["array", 3, []]),
        message(["scalar"]),
        message(["dict", ["a"]]),
        message(["dict", [["list"], 1]]),
        message(["function", "f"]),
        message([[]]),
        message([]),
        messages.HEAD.pack(10**5) + b"[" * 10**5,
        messages.HEAD.pack(5000) + b"1" * 5000,  # more digits than Python reads
    ],
    ids=lambda bad: repr(bad[8:40]),
)
def test_a_bad_message_is_refused(bad):
    with pytest.raises(ValueError, match="not a message: "):
        messages.decode(bad)


def test_a_bool_is_0_or_1_whatever_its_byte():
    array = messages.decode(message(["array", "|b1", [3]], bytes([0, 1, 255])))
    assert np.count_nonzero(array) == array.sum() == 2


def test_a_function_is_sent_by_name_and_never_accepted_back():
    sent = messages.encode([Function(None, "softplus")])
    assert messages.decode(sent, function={"softplus": abs}.get) == [abs]
    with pytest.raises(ValueError, match="a value of kind 'function'"):
        messages.decode(sent)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (object(), "a value of type object"),
        (np.array([object()]), "dtype object"),
        (np.array(["a"]), "dtype <U1"),
        (np.array([(1, 2)], "i4,i4"), "dtype "),
        ([0.1] * 10**6, "lists and strings of"),
    ],
    ids=lambda v: str(type(v)),
)
def test_what_cannot_be_sent_is_named(value, says):
    with pytest.raises((TypeError, ValueError), match=says):
        messages.encode(value)
