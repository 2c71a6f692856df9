"""Why does a program predict the same number for everybody, although its gradient is right?

NumPy lets arrays of different shapes meet. It repeats the smaller one until the shapes agree: it broadcasts.

    Z = X W + b          X   inputs, shape (N, D)        W  weights, shape (D, K)
                         b   biases, shape (K,): the same K numbers are added to each of the N rows

That is how a layer gets its biases, and it has two prices. What was used N times on the way forward must be summed over
N ways on the way back. And two shapes that were never meant to meet, (N, 1) and (N,), meet all the same: they make
N x N numbers, and nobody says a word. You write the backward pass of a layer, then repair two linear regressions: one
predicts the mean for everybody, the other one runs away when more data come. Why it does is the last task.
"""

# %%
import numpy as np

import minigrad as mg
from minigrad.classroom import Wrong, compare


def layer(X, W, b):
    return X @ W + b


# %% [markdown]
# ## Task 1: A layer (3 points)
# Write `layer_backward`: it returns dX, dW and db, each in the shape of its own array. g, of shape (N, K), is the
# gradient that arrives from above, dL/dZ. (The underscore of `_b` says that you will not need the values of b.)


# %%
def layer_backward(g, X, W, _b):
    ### BEGIN SOLUTION
    return g @ W.T, X.T @ g, g.sum(axis=0)
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_layer(student, rng):
    X, W, b = rng.normal(size=(5, 4)), rng.normal(size=(4, 3)), rng.normal(size=3)
    mg.check_backward(layer, student.layer_backward, [X, W, b]).raise_on_failure()


### END TESTS


# %%
### BEGIN HIDDEN TESTS
def check_layer_of_one_sample_and_one_output(student, rng):
    inputs = [rng.normal(size=(1, 2)), rng.normal(size=(2, 1)), rng.normal(size=1)]
    mg.check_backward(layer, student.layer_backward, inputs).raise_on_failure()


### END HIDDEN TESTS


# %% [markdown]
# ## Task 2: The mean for everybody (3 points)
# `train` is a linear regression with one output. It is fine, and so are its gradients: minigrad computes them. The loss
# falls, and in the end the model predicts the same number for all. The mistake is in `squared_error`. It should be the
# mean over the samples of (p_i - y_i)^2, with predictions p of shape (N, 1) and targets y of shape (N,). Before you
# change anything, ask for the shape of the difference.


# %%
def squared_error(p, y):
    ### BEGIN SOLUTION
    return np.mean((p[:, 0] - y) ** 2)
    ### BEGIN GIVEN
    # return np.mean((p - y) ** 2)
    ### END SOLUTION


def train(X, y, lr, steps):
    """Predictions for X, shape (N, 1), after that many steps of gradient descent."""
    W, b = mg.tensor(np.zeros((X.shape[1], 1)), requires_grad=True), mg.tensor(np.zeros(1), requires_grad=True)
    for _ in range(steps):
        dW, db = mg.grad(squared_error(layer(X, W, b), y), [W, b])
        W, b = (W - lr * dW).detach(), (b - lr * db).detach()
        W.requires_grad = b.requires_grad = True
    return layer(X, W.numpy(), b.numpy())


# %%
### BEGIN TESTS
def check_squared_error(student, rng):
    p, y = rng.normal(size=(6, 1)), rng.normal(size=6)
    value, hint = student.squared_error(p, y), "Print the shape of the difference. What is the mean taken of?"
    if np.shape(value) == () and np.isclose(value, np.mean((p - y) ** 2), rtol=1e-9):
        raise Wrong("The loss compares each prediction with every target, not with its own alone", hint, "n_by_n")
    compare(value, squared_error(p, y), "the loss", hint=hint)


def check_train(student, rng):
    X = rng.normal(size=(40, 3))
    y = X @ np.array([1.0, -2.0, 0.5]) + 3
    compare(student.train(X, y, 0.1, 50), train(X, y, 0.1, 50), "the prediction after 50 steps", rtol=1e-6)


### END TESTS


# %% [markdown]
# ## Task 3: Fine with 50 patients (2 points)
# The same regression with a gradient by hand, for weights w of shape (D,) and the loss L = 1/N sum_i (x_i w - y_i)^2.
# Its author found a learning rate that works for 50 patients. With 500 it runs away. Repair the gradient.


# %%
def regression_backward(g, w, X, y):
    """g dL/dw, shape (D,)."""
    residual = X @ w - y
    ### BEGIN SOLUTION
    return g * 2 / len(y) * X.T @ residual
    ### BEGIN GIVEN
    # return g * X.T @ residual
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_regression(student, rng):
    X, y = rng.normal(size=(7, 3)), rng.normal(size=7)
    mg.check_backward(
        lambda w: np.mean((X @ w - y) ** 2),
        lambda g, w: student.regression_backward(g, w, X, y),
        rng.normal(size=3),
        labels=y,
    ).raise_on_failure()


### END TESTS


# %% [markdown]
# ## Task 4: The largest learning rate (2 points)
# Gradient descent on a parabola runs away as soon as lr * curvature > 2. For many weights at once the curvature that
# counts is the largest eigenvalue of H, the matrix of second derivatives of L, shape (D, D). Differentiate the loss of
# task 3 once more to find H, and write `largest_lr(X)`: the learning rate at which lr * curvature is exactly 2.
# (`np.linalg.eigvalsh(A)` gives the eigenvalues of a symmetric matrix A.)


# %%
def largest_lr(X):
    ### BEGIN SOLUTION
    H = 2 / len(X) * X.T @ X
    return 2 / np.linalg.eigvalsh(H)[-1]
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_largest_lr(student, rng):
    X = rng.normal(size=(9, 3))
    got = student.largest_lr(X)
    compare(got, largest_lr(X), "the largest learning rate", hint="Which factors stand in front of X^T X in H?")


### END TESTS
