"""A short exercise, for the tests of the machinery."""

import signal

NAME = "98_sample"
SOURCE = '''"""Which way is down?

Gradient descent goes against the gradient.
"""

# %%
import numpy as np

import minigrad as mg
from minigrad.classroom import compare


def loss(w, X, y):
    return np.mean((X @ w - y) ** 2)


# %% [markdown]
# ## Task 1: The gradient (6 points)
# Write `loss_backward(g, w, X, y)`.


# %%
def loss_backward(g, w, X, y):
    ### BEGIN SOLUTION
    return g * 2 / len(y) * X.T @ (X @ w - y)
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_loss_backward(student, rng):
    X, y = rng.normal(size=(5, 3)), rng.normal(size=5)
    mg.check_backward(
        lambda w: loss(w, X, y), lambda g, w: student.loss_backward(g, w, X, y), [rng.normal(size=3)]
    ).raise_on_failure()
### END TESTS


# %%
### BEGIN HIDDEN TESTS
def check_one_sample(student, rng):
    X, y, w = rng.normal(size=(1, 3)), rng.normal(size=1), rng.normal(size=3)
    compare(student.loss_backward(1.0, w, X, y), loss_backward(1.0, w, X, y), "the gradient for one sample")
### END HIDDEN TESTS


# %% [markdown]
# ## Task 2: The loop (3 points)
# This loop makes the loss larger. Repair it.


# %%
def train(w, X, y, lr, steps):
    for _ in range(steps):
        ### BEGIN SOLUTION
        w = w - lr * 2 / len(y) * X.T @ (X @ w - y)
        ### BEGIN GIVEN
        # w = w + lr * 2 / len(y) * X.T @ (X @ w - y)
        ### END SOLUTION
    return w


# %%
### BEGIN TESTS
def check_train(student, rng):
    X, y, w = rng.normal(size=(20, 3)), rng.normal(size=20), rng.normal(size=3)
    trained = student.train(w, X, y, 0.01, 10)
    compare(trained, train(w, X, y, 0.01, 10), "w after ten steps", hint="Which way does the gradient point?")
### END TESTS


# %% [markdown]
# ## Task 3: A number (1 point)

# %%
### BEGIN SOLUTION
answer = 42
### END SOLUTION

# %%
### BEGIN TESTS
def check_answer(student):
    assert student.answer == 42, "Ask Deep Thought."
### END TESTS
'''


def hear_ctrl_c():
    """For ``Popen(preexec_fn=)``: what a shell starts in the background ignores Ctrl-C, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
