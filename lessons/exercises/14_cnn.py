"""How does a gradient find its way back through a window that slides over an image?

By the way it came. A convolution lays a window w over every place (h, v) of an image x and writes down a weighted sum:

    y[n, k, h, v] = b[k] + sum_{c, i, j} x[n, c, h + i, v + j] w[k, c, i, j]

    x  images, shape (N, C, H, V)      n  image, c  channel, h  row, v  column
    w  windows, shape (K, C, I, J)     k  window, i  row and j  column inside it
    b  biases, shape (K,)              y  shape (N, K, H - I + 1, V - J + 1)

A pixel lies in many windows, and a window entry meets many pixels: each adds up what comes from all of them. You write
this, then a pooling, which hands everything to one pixel, and batch normalisation, in which all samples meet.
"""

# %%
import numpy as np

import minigrad as mg
from minigrad.classroom import compare


def windows(x, size, step=1):
    """Every window of `size` = (I, J) pixels, one every `step` pixels, shape (N, C, rows, columns, I, J)."""
    return np.lib.stride_tricks.sliding_window_view(x, size, axis=(2, 3))[:, :, ::step, ::step]


def conv(x, w, b):
    return np.einsum("nchvij,kcij->nkhv", windows(x, w.shape[2:]), w) + b[:, None, None]


# %% [markdown]
# ## Task 1: Convolution (4 points)
# Write `conv_backward(g, x, w, b)`: dL/dx, dL/dw and dL/db, from g = dL/dy. A loop over the entries (i, j) of a window
# is enough: which pixels does w[:, :, i, j] meet? `np.einsum("nkhv,kc->nchv", A, B)` multiplies A by B and sums over
# the letters that the result lacks, here k. (The underscore of `_b` says that its values are not needed.)


# %%
def conv_backward(g, x, w, _b):
    ### BEGIN SOLUTION
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    rows, columns = g.shape[2:]
    for i, j in np.ndindex(w.shape[2:]):
        met = np.s_[:, :, i : i + rows, j : j + columns]
        dx[met] += np.einsum("nkhv,kc->nchv", g, w[:, :, i, j])
        dw[:, :, i, j] = np.einsum("nkhv,nchv->kc", g, x[met])
    return dx, dw, g.sum(axis=(0, 2, 3))
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_conv(student, rng):
    x, w, b = rng.normal(size=(2, 3, 5, 6)), rng.normal(size=(4, 3, 3, 2)), rng.normal(size=4)
    mg.check_backward(conv, student.conv_backward, [x, w, b]).raise_on_failure()


### END TESTS


# %%
### BEGIN HIDDEN TESTS
def check_one_pixel(student, rng):
    x, w, b = rng.normal(size=(1, 2, 3, 4)), rng.normal(size=(1, 2, 3, 4)), rng.normal(size=1)
    mg.check_backward(conv, student.conv_backward, [x, w, b]).raise_on_failure()


### END HIDDEN TESTS


# %% [markdown]
# ## Task 2: Maximum pooling (3 points)
# The largest of every 3 x 3 pixels, one window every 2 pixels: windows overlap. Write `max_pool_backward(g, x)`: dL/dx.
# A window with several largest pixels still has one g to give.


# %%
def max_pool(x):
    return windows(x, (3, 3), 2).max(axis=(4, 5))


def max_pool_backward(g, x):
    ### BEGIN SOLUTION
    dx = np.zeros_like(x)
    places = windows(x, (3, 3), 2).reshape(*g.shape, 9).argmax(axis=-1)
    for n, c, h, v in np.ndindex(g.shape):
        i, j = divmod(places[n, c, h, v], 3)
        dx[n, c, 2 * h + i, 2 * v + j] += g[n, c, h, v]
    return dx
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_max_pool(student, rng):
    x = rng.permutation(2 * 3 * 7 * 5).reshape(2, 3, 7, 5) / 9
    mg.check_backward(max_pool, student.max_pool_backward, x, window=9).raise_on_failure()
    ties = rng.integers(3, size=(2, 2, 7, 5)) / 10
    mg.check_backward(max_pool, student.max_pool_backward, ties).raise_on_failure()


### END TESTS


# %%
### BEGIN HIDDEN TESTS
def check_one_colour(student, rng):
    x, g = np.full((1, 1, 5, 7), -3.0), rng.normal(size=(1, 1, 2, 3))
    mg.check_backward(max_pool, student.max_pool_backward, x).raise_on_failure()
    compare(student.max_pool_backward(g, x).sum(), g.sum(), "the sum of dL/dx for an image of one colour")


### END HIDDEN TESTS


# %% [markdown]
# ## Task 3: Batch normalisation (3 points)
# Every feature gets the mean 0 and the deviation 1, then a scale gamma and a shift beta of its own, which are learned:
#
#     y = gamma xhat + beta        xhat = (x - mean) / deviation, mean and deviation over the N samples
#
# Write `batch_norm_backward(g, x, gamma, beta)`: dL/dx, shape (N, D), dL/dgamma and dL/dbeta, shape (D,). A sample acts
# on its own xhat, and on everybody's through the mean, d mean/dx_n = 1/N, and d deviation/dx_n = xhat_n / N.


# %%
def batch_norm(x, gamma, beta):
    return gamma * (x - x.mean(axis=0)) / x.std(axis=0) + beta


def batch_norm_backward(g, x, gamma, _beta):
    ### BEGIN SOLUTION
    xhat, u = (x - x.mean(axis=0)) / x.std(axis=0), g * gamma
    dx = (u - u.mean(axis=0) - xhat * (u * xhat).mean(axis=0)) / x.std(axis=0)
    return dx, np.sum(g * xhat, axis=0), g.sum(axis=0)
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_batch_norm(student, rng):
    x, gamma, beta = 1 + 2 * rng.normal(size=(6, 4)), rng.uniform(0.5, 2, size=4), rng.normal(size=4)
    mg.check_backward(batch_norm, student.batch_norm_backward, [x, gamma, beta]).raise_on_failure()


### END TESTS
