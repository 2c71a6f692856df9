"""What must a network remember on its way forward?

A network computes step by step, and each step has a derivative of its own. The chain rule multiplies them, from the
last step back to the first. Write g for the gradient that arrives at a step from above: the derivative of the loss L
with respect to what the step returned. The step hands on

    dL/dx = g * dy/dx          y = f(x)   what the step computed
                               dy/dx      its local derivative, at the value that x had on the way forward

The local derivative needs a value from the way forward: x itself or, often more cheaply, y. Whoever did not keep it
cannot go back. In this exercise you write a local derivative, repair a network that kept the wrong value, and meet
a value that is used twice.
"""

# %%
import numpy as np

import minigrad as mg
from minigrad.classroom import compare

# %% [markdown]
# ## Task 1: A derivative from the output (3 points)
# The step is a = tanh(z), entry by entry, and da/dz = 1 - tanh(z)^2. The network has kept a, not z. That is enough.
# Write `tanh_backward(g, a)`: it returns dL/dz, in the shape of a, from g = dL/da and a.


# %%
def tanh_backward(g, a):
    ### BEGIN SOLUTION
    return g * (1 - a**2)
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_tanh_backward(student, rng):
    def backward(g, z):
        return student.tanh_backward(g, np.tanh(z))

    mg.check_backward(np.tanh, backward, rng.normal(size=(3, 4))).raise_on_failure()


### END TESTS


# %% [markdown]
# ## Task 2: The network that lost a1 (4 points)
# Two layers, N samples with D features, H hidden units:
#
#     z1 = X W1          X   inputs, shape (N, D)          W1  first weights, shape (D, H)
#     a1 = tanh(z1)      a1  hidden values, shape (N, H)   w2  second weights, shape (H,)
#     p  = a1 w2         p   predictions, shape (N,)       y   targets, shape (N,)
#     L  = 1/N sum_i (p_i - y_i)^2
#
# `forward` returns the loss and a tuple of what it has kept for `backward`; `backward` returns dL/dW1 and dL/dw2. The
# loss is right. Training makes it smaller at first, and then it explodes: the gradients are wrong. Repair the program.
# You may change both functions; `backward` gets the tuple that your `forward` returns.


# %%
def forward(X, y, W1, w2):
    ### BEGIN SOLUTION
    hidden = np.tanh(X @ W1)
    p = hidden @ w2
    loss = np.mean((p - y) ** 2)
    return loss, (X, hidden, p - y)
    ### BEGIN GIVEN
    # hidden = X @ W1
    # kept = hidden
    # hidden = np.tanh(hidden)
    # p = hidden @ w2
    # loss = np.mean((p - y) ** 2)
    # return loss, (X, kept, p - y)
    ### END SOLUTION


def backward(kept, w2):
    X, a1, error = kept
    dp = 2 * error / len(error)  # dL/dp, shape (N,)
    dw2 = a1.T @ dp
    da1 = np.outer(dp, w2)
    dz1 = da1 * (1 - a1**2)
    dW1 = X.T @ dz1
    return dW1, dw2


# %%
### BEGIN TESTS
def check_network(student, rng):
    X, y = rng.normal(size=(5, 4)), rng.normal(size=5)

    def loss(W1, w2):
        return np.mean((np.tanh(X @ W1) @ w2 - y) ** 2)

    def gradients(g, W1, w2):
        value, kept = student.forward(X, y, W1, w2)
        compare(value, loss(W1, w2), "the loss that forward returns")
        dW1, dw2 = student.backward(kept, w2)
        return g * dW1, g * dw2

    mg.check_backward(loss, gradients, [rng.normal(size=(4, 3)), rng.normal(size=3)]).raise_on_failure()


### END TESTS


# %% [markdown]
# ## Task 3: One value, two ways (3 points)
# y = x + tanh(x W), with x of shape (N, D) and W of shape (D, D): a layer and, past it, a short cut for x itself. Deep
# networks are built of such blocks. The loss feels a change of x in two ways, along the short cut and through the
# layer, and each way brings its own part of dL/dx. The program below goes both ways, and yet one part gets lost. Which
# one?


# %%
def block_backward(g, x, W):
    dx = g  # along the short cut
    dz = g * (1 - np.tanh(x @ W) ** 2)  # into the layer, to z = x W
    dW = x.T @ dz
    ### BEGIN SOLUTION
    dx = dx + dz @ W.T  # through the layer, to x
    ### BEGIN GIVEN
    # dx = dz @ W.T  # through the layer, to x
    ### END SOLUTION
    return dx, dW


# %%
### BEGIN TESTS
def check_block(student, rng):
    def block(x, W):
        return x + np.tanh(x @ W)

    mg.check_backward(
        block, student.block_backward, [rng.normal(size=(5, 3)), rng.normal(size=(3, 3))]
    ).raise_on_failure()


### END TESTS


# %%
### BEGIN HIDDEN TESTS
def check_one_number(student):
    one, g = np.array([[0.5]]), np.array([[2.0]])
    compare(
        student.block_backward(g, one, 0 * one), (g + 0 * one, 0.5 * g), "the gradients of a block with D = 1, W = 0"
    )


### END HIDDEN TESTS
