"""How do you find out that a gradient is wrong?

You measure it. Move one entry x_i of the input a little to both sides, and see how much the function moves:

    df/dx_i  is about  (f(x + h e_i) - f(x - h e_i)) / (2 h)         h    the step, a small positive number
                                                                    e_i  1 in entry i, 0 elsewhere

That is the central difference. It needs no calculus, only two values of f for each entry. It is far too slow to train
with, and right for finding mistakes. You write it, choose its step, use it on a loss that somebody has differentiated
badly, and decide what it should say where there is no slope.
"""

# %%
import numpy as np

import minigrad as mg
from minigrad.classroom import compare


def cubes(x):
    """A function to try it on: the sum of x_i^3, whose derivative is 3 x_i^2. x of any shape."""
    return np.sum(x**3)


# %% [markdown]
# ## Task 1: The central difference (3 points)
# Write `numeric_gradient(f, x, h)`: an array of the shape of x with a central difference for every entry. f takes such
# an array and returns a number. x must be the same afterwards. (`for index in np.ndindex(x.shape)` visits every entry.)


# %%
def numeric_gradient(f, x, h):
    gradient = np.zeros_like(x)
    ### BEGIN SOLUTION
    for index in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[index] = h
        gradient[index] = (f(x + step) - f(x - step)) / (2 * h)
    ### END SOLUTION
    return gradient


# %%
### BEGIN TESTS
def check_numeric_gradient(student, rng):
    x, h = rng.normal(size=(2, 3)), 0.1
    measured = student.numeric_gradient(student.cubes, x, h)
    # For a cube the central difference can be computed on paper: (x + h)^3 - (x - h)^3 = 2 h (3 x^2 + h^2)
    compare(measured, 3 * x**2 + h**2, "the numeric gradient of cubes, with h = 0.1,", rtol=1e-9)


### END TESTS


# %% [markdown]
# ## Task 2: The step (2 points)
# Two errors pull at h. The formula is not exact: its error grows like h^2. And f(x + h) is rounded: the computer's
# numbers have a relative precision eps, and dividing by h makes an error of about eps / h out of it. Too large a step
# is bad, and so is too small a one. Which h makes the sum h^2 + eps / h smallest? Forget factors like 2, and write `h`
# as a number, for eps = 2.2e-16 (float64) and for eps = 1.2e-7 (float32). A factor of 5 more or less does not matter.

# %%
### BEGIN SOLUTION
h_float64 = 6e-6
h_float32 = 5e-3
### END SOLUTION


# %%
### BEGIN TESTS
def check_steps(student):
    for name, h, eps in (("h_float64", student.h_float64, 2.2e-16), ("h_float32", student.h_float32, 1.2e-7)):
        assert isinstance(h, (int, float)), f"{name} should be a number, it is a {type(h).__name__}"
        assert h > 0, f"{name} is {h}, but a step is positive"
        best = eps ** (1 / 3)
        too = "large: the formula's own error" if h > best else "small: rounding"
        assert best / 5 <= h <= best * 5, f"{name} = {h:g} is too {too} is much larger than it needs to be"


### END TESTS


# %% [markdown]
# ## Task 3: A loss that trained anyway (3 points)
# The loss is L = 1/N sum_i log(cosh(z_i - y_i)), with predictions z and targets y, both of shape (N,). (The derivative
# of log(cosh(r)) is tanh(r).) Its author needed a strangely small learning rate, and nothing worked where y was to be
# learned too. There is more than one mistake. `g` is a number that arrives from above: multiply by it.


# %%
def log_cosh_backward(g, z, y):
    """g dL/dz and g dL/dy, both of shape (N,)."""
    ### BEGIN SOLUTION
    dz = g * np.tanh(z - y) / len(z)
    return dz, -dz
    ### BEGIN GIVEN
    # dz = g * np.tanh(z - y)
    # return dz, dz
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_log_cosh(student, rng):
    def loss(z, y):
        return np.mean(np.log(np.cosh(z - y)))

    mg.check_backward(loss, student.log_cosh_backward, [rng.normal(size=7), rng.normal(size=7)]).raise_on_failure()


### END TESTS


# %% [markdown]
# ## Task 4: A kink (2 points)
# max(x, 0) has slope 0 left of 0, slope 1 right of it, and at 0 the central difference says 1/2. A backward pass that
# says 0 there, or 1, is right all the same: it may say anything between the two slopes. Write `accepts(claimed, left,
# right, tolerance)`: an array of bool, True where `claimed` lies between the slopes `left` and `right`, or at most
# `tolerance` outside. All three are arrays of one shape. Careful: which of the two slopes is the larger?


# %%
def accepts(claimed, left, right, tolerance):
    ### BEGIN SOLUTION
    return (claimed >= np.minimum(left, right) - tolerance) & (claimed <= np.maximum(left, right) + tolerance)
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_accepts(student):
    claimed = np.array([0.0, 1.0, 0.5, 1.2, -0.2])
    verdicts = student.accepts(claimed, np.zeros(5), np.ones(5), 0.1)
    compare(verdicts, np.array([True, True, True, False, False]), f"the verdict on {claimed} for max(x, 0) at 0")


### END TESTS


# %%
### BEGIN HIDDEN TESTS
def check_accepts_other_kinks(student, rng):
    left, right = rng.normal(size=20), rng.normal(size=20)
    for claimed in (left, right, (left + right) / 2, left + right, rng.normal(size=20)):
        verdicts = student.accepts(claimed, left, right, 1e-3)
        compare(verdicts, accepts(claimed, left, right, 1e-3), "the verdict at a kink", hint="Try -max(x, 0) at 0.")


### END HIDDEN TESTS
