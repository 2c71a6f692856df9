"""What ``compare`` says about an answer."""

import numpy as np
import pytest

from minigrad.classroom import Wrong, compare

RIGHT = np.array([[1.0, 2.0, 0.0], [-3.0, 4.0, 5.0]])


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (2, 2.0),
        (np.float64(2), 2),
        (RIGHT + 1e-13, RIGHT),
        (True, True),
        ([1.0, RIGHT], (1.0, RIGHT)),
        (np.array([]), np.array([])),
    ],
)
def test_right_answers_pass(got, expected):
    compare(got, expected, "dW")


@pytest.mark.parametrize(
    ("got", "expected", "kind", "says"),
    [
        (None, RIGHT, "type", "dW: got None, expected an array of shape (2, 3)"),
        ("1", 1.0, "type", "dW: got a str, expected a number"),
        ([1.0], 1.0, "type", "dW: got a list of 1, expected a number"),
        (np.array(["a"]), np.ones(1), "type", "dW: got an array of str32, not of numbers"),
        (1.0, (1.0, 2.0), "type", "dW: got a number, expected a tuple of 2"),
        ((1.0, 3.0), (1.0, 2.0), "values", "dW, part 2 is 3, expected 2"),
        (RIGHT.T, RIGHT, "shape", "dW: got an array of shape (3, 2), expected an array of shape (2, 3)"),
        (RIGHT + np.inf, RIGHT, "nonfinite", "dW is inf at [0, 0]: look for a division by 0, or log(0)"),
        (-RIGHT, RIGHT, "sign", "dW has the wrong sign, in every entry"),
        (-2.0, 2.0, "sign", "dW has the wrong sign"),
        (RIGHT * 3, RIGHT, "factor", "dW is 3 times what it should be, in every entry"),
        (RIGHT * (1 + 1e-6), RIGHT, "factor", "dW is off by 0.0001 %, in every entry"),
        (RIGHT * 0.9995, RIGHT, "factor", "dW is off by 0.05 %, in every entry"),
        (RIGHT * [1, 1, 1 + 5e-7], RIGHT, "values", "dW is wrong in 1 of 6 entries, at worst at [1, 2]: 5, expected 5"),
        (RIGHT * 0, RIGHT, "zero", "dW is 0, in every entry"),
        (RIGHT + np.eye(2, 3), RIGHT, "values", "dW is wrong in 2 of 6 entries, at worst at [0, 0]: 2, expected 1"),
        (np.array([True, True]), np.array([True, False]), "values", "at worst at [1]: True, expected False"),
        (RIGHT, RIGHT * 0, "values", "dW is wrong in 5 of 6 entries, at worst at [1, 2]: 5, expected 0"),
        (2.0, 1.0, "values", "dW is 2, expected 1"),
    ],
)  # fmt: skip
def test_wrong_answers_are_told_in_words(got, expected, kind, says):
    with np.errstate(all="ignore"), pytest.raises(Wrong) as wrong:
        compare(got, expected, "dW", hint="Look again.")
    assert (wrong.value.kind, wrong.value.hint) == (kind, "Look again.")
    assert says in str(wrong.value)
