"""Recording: what becomes a node, what is refused, how users add operations of their own."""

import threading

import numpy as np
import pytest

import minigrad as mg
from minigrad.device import is_array
from minigrad.graph import RULES
from tests.devices import ARRAY, on_device


def leaf(x, dtype=np.float64):
    return mg.tensor(np.asarray(x, dtype), requires_grad=True)


@pytest.fixture(autouse=True)
def _rules_made_in_a_test_are_forgotten_after_it(monkeypatch):
    for function, rule in list(RULES.items()):
        monkeypatch.setitem(RULES, function, rule)
    before = set(RULES)
    yield
    for function in set(RULES) - before:
        del RULES[function]


# --- What is recorded


def test_only_what_needs_a_gradient_is_recorded():
    x, constant = leaf([1.0, 2.0]), mg.tensor([1.0, 2.0])
    assert (x + constant).requires_grad
    assert not (constant + constant).requires_grad
    assert (constant + constant).is_leaf
    assert not (x + constant).is_leaf
    assert x.is_leaf
    assert "made_by=add" in repr(x + constant)


def test_no_grad_as_context_decorator_nested_and_after_an_error():
    x = leaf(2.0)

    @mg.no_grad()
    def square(x):
        return x * x

    assert not square(x).requires_grad
    assert (x * x).requires_grad
    with mg.no_grad():
        with mg.no_grad():
            assert not (x * x).requires_grad
        assert not (x * x).requires_grad
    with pytest.raises(ZeroDivisionError), mg.no_grad():
        raise ZeroDivisionError
    assert (x * x).requires_grad


def test_no_grad_does_not_reach_other_threads():
    x, seen = leaf(2.0), []
    with mg.no_grad():
        thread = threading.Thread(target=lambda: seen.append((x * x).requires_grad))
        thread.start()
        thread.join()
    assert seen == [True]


# --- Operations of one's own


def test_a_user_can_add_an_operation():
    @mg.primitive
    def scaled(x, w, factor=1.0):
        """x * w * factor"""
        assert is_array(x)
        return x * w * factor

    mg.rule(scaled, lambda g, _y, _x, w, factor=1.0: g * w * factor, lambda g, _y, x, _w, factor=1.0: g * x * factor)
    assert scaled.__name__ == "scaled"
    assert scaled.__doc__ == "x * w * factor"
    np.testing.assert_array_equal(scaled(np.ones(2), np.ones(2), factor=3), [3, 3])
    x, w = leaf([[1.0, 2.0]]), leaf([3.0])
    for y in (scaled(x, w, factor=2.0), scaled(x, w, 2.0), scaled(x, w=w, factor=2.0), scaled(w=w, x=x, factor=2.0)):
        gx, gw = mg.grad(np.sum(y), (x, w))
        assert gx.tolist() == [[6, 6]]
        assert gw.tolist() == [6]
    assert mg.gradcheck(scaled, [x.numpy(), w.numpy()], order=2).ok


def test_a_variadic_operation():
    @mg.primitive
    def total(*arrays, scale=1.0):
        return sum(arrays) * scale

    mg.rule(total, each=lambda i, g, _y, *_arrays, scale=1.0: g * scale * (i + 1))
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    assert [g.tolist() for g in mg.grad(np.sum(total(a, b, scale=2.0)), (a, b))] == [[2, 2], [4, 4]]


OWN = {
    "plain before": (np.rint, lambda x: np.rint(x)),
    "unsupported before": (np.nan_to_num, lambda x: np.nan_to_num(x)),
    "composite before": (np.sort, lambda x: np.sort(x)),
}


@pytest.mark.parametrize(("function", "call"), OWN.values(), ids=OWN)
def test_a_users_own_rule_for_a_numpy_function(function, call):
    mg.rule(function, lambda g, _y, _x: g * 5)
    x = leaf([2.6, 1.4])
    assert mg.grad(np.sum(call(x)), x).tolist() == [5, 5]


def test_options_with_an_underscore_may_be_given_by_name():
    @mg.primitive
    def shifted(x, by):
        return x + by

    mg.rule(shifted, lambda g, _y, _x, _by: g)
    x = leaf([1.0])
    assert mg.grad(np.sum(shifted(x, by=3.0)), x).tolist() == [1]


REFUSED_RULES = {
    "plain function": (
        lambda: mg.rule(len, lambda g, y, x: g),
        "never sees calls of a plain Python function.*@mg.primitive",
    ),
    "no vjp": (lambda: mg.rule(np.exp), r"rule\(exp\) needs at least one vjp"),
    "few parameters": (lambda: mg.rule(np.exp, lambda g, y: g), r"the rule of exp: .*vjp\(g, y, \*arguments of exp\)"),
    "few parameters, each": (lambda: mg.rule(np.exp, each=lambda i, g, y: g), "at least three parameters"),
}


@pytest.mark.parametrize(("call", "message"), REFUSED_RULES.values(), ids=REFUSED_RULES)
def test_rules_that_cannot_work_are_refused(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_a_primitive_without_a_rule():
    @mg.primitive
    def twice(x):
        return 2 * x

    assert twice(3) == 6
    with pytest.raises(TypeError, match=r"the primitive twice has no rule yet: mg\.rule\(twice, lambda g, y"):
        twice(leaf(1.0))


def primitive_with(vjp):
    @mg.primitive
    def flat(x, _other=None):
        return x.reshape(-1) * 2

    mg.rule(flat, vjp)
    return flat


WRONG_GRADIENTS = {
    "too long": (lambda g, _y, _x, _o=None: np.ones(7), r"shape \(7,\)"),
    "same size, another shape": (lambda g, _y, _x, _o=None: np.ones((3, 2)), r"shape \(3, 2\)"),
    "flat": (lambda g, _y, _x, _o=None: np.ones(6), r"shape \(6,\)"),
    "a float": (lambda g, _y, _x, _o=None: 2.0, "a float"),
    "nothing": (lambda g, _y, _x, _o=None: None, "a NoneType"),
}


@pytest.mark.parametrize(("vjp", "given"), WRONG_GRADIENTS.values(), ids=WRONG_GRADIENTS)
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_gradient_of_the_wrong_shape_names_rule_and_argument(vjp, given, create_graph):
    x = leaf(np.ones((2, 3)))
    y = np.sum(primitive_with(vjp)(x))
    with pytest.raises(ValueError, match=rf"the rule of flat gave {given} as the gradient of argument 0.*\(2, 3\)"):
        y.backward(create_graph=create_graph)


def test_a_gradient_for_an_argument_without_a_vjp_is_refused():
    x = leaf(np.ones((2, 3)))
    y = np.sum(primitive_with(lambda g, _y, _x, _o=None: 2 * g.reshape(_x.shape))(x, x[0]))
    with pytest.raises(TypeError, match=r"flat has no derivative with respect to argument 1: .*t\.detach\(\)"):
        y.backward()


def test_tensors_by_keyword_where_there_is_no_position():
    @mg.primitive
    def scaled(x, *, by):
        return x * by

    mg.rule(scaled, lambda g, _y, _x, *, by: g * by)
    with pytest.raises(TypeError, match="scaled: pass the Tensor by by position, not by keyword"):
        scaled(np.ones(2), by=leaf(1.0))


# --- Errors of the functions themselves, told with names and shapes

SHAPES = {
    "add": (lambda a, b: a + b, r"add of shape \(2, 3\) and shape \(4, 5\)"),
    "matmul": (lambda a, b: a @ b, r"matmul of shape \(2, 3\) and shape \(4, 5\)"),
    "linear": (mg.nn.functional.linear, r"linear of shape \(2, 3\) and shape \(4, 5\).*weight"),
    "reshape": (lambda a, _b: a.reshape(7), r"reshape of shape \(2, 3\)"),
}


@pytest.mark.parametrize(("call", "message"), SHAPES.values(), ids=SHAPES)
def test_shape_errors_name_the_function_and_both_shapes(call, message):
    with pytest.raises(ValueError, match=message):
        call(leaf(np.ones((2, 3))), leaf(np.ones((4, 5))))


class OnDevice:
    """Just enough of an array on a GPU: it has a shape and a device, and NumPy cannot compute with it."""

    __cuda_array_interface__: dict = {}  # noqa: RUF012
    shape, ndim, size, dtype = (2,), 1, 2, np.dtype(np.float32)

    class device:  # noqa: N801
        id = 0

    def __array_ufunc__(self, ufunc, method, *args, **kwargs):
        raise TypeError("Unsupported type")


def test_mixed_devices():
    here, there = mg.tensor([1.0, 2.0], device="cpu"), mg.Tensor(OnDevice())
    assert (here.device, there.device) == ("cpu", "cuda:0")
    message = r"Expected all tensors to be on the same device, but found cpu and cuda:0 \(in {}\)\. .*\.to\(device\)"
    with pytest.raises(TypeError, match=message.format("add")):
        here + there
    with pytest.raises(TypeError, match=message.format("concatenate")):
        np.concatenate([there, here])


# --- Writing into arrays


def test_an_array_cannot_take_in_a_tensor_in_place():
    x, total = leaf([1.0, 2.0]), on_device(np.zeros(2))
    with pytest.raises(TypeError, match=r"np\.add\(\.\.\., out=\) writes into an existing array.*t = t \+ u"):
        total += x
    total += x.detach()
    assert total.tolist() == [1, 2]
    with mg.no_grad():
        total += x
    assert total.tolist() == [2, 4]
    with pytest.raises(TypeError, match="out="):
        np.add(total, 1, out=x)


def test_augmented_assignment_rebinds():
    x = leaf([1.0, 2.0])
    y = x
    y += 1
    assert x.tolist() == [1, 2]
    assert mg.grad(np.sum(y * y), x).tolist() == [4, 6]


def test_creation_like_a_tensor_gives_plain_arrays():
    x = leaf([1.0, 2.0])
    for made in (np.zeros((2, 2), like=x), np.ones_like(x), np.asarray([1.0], like=x)):
        assert type(made) is ARRAY


def test_joining_many_keeps_none_of_them():
    """Or the backward pass would hand n arguments to each of n vjps."""
    x = mg.ones(3, requires_grad=True)
    assert np.stack([x, x * 2])._node.args == []
