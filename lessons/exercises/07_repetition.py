"""A sample shall count k times: is that a weight, or are these copies?

Both, as long as the loss is a sum over samples. With l_i the loss of sample i and whole numbers k_i,

    sum_i k_i l_i / sum_i k_i  =  mean of l over a data set in which sample i stands k_i times

On the left k is a weight, on the right a number of copies. There is a third way: draw samples at random, sample i with
the probability q_i. On average that counts it in proportion to q_i. All three are one idea, and so they can be
exchanged; but whoever uses two of them at once counts twice. You write the copies and a gradient that agrees with them,
go backwards through the one layer that can tell copies from weights, and deal with samplers.
"""

# %%
import numpy as np

import minigrad as mg
from minigrad.classroom import Wrong, compare

# %% [markdown]
# ## Task 1: Copies, and a gradient that agrees with them (3 points)
# Write `copies(p, y, k)`: longer arrays p and y, in which entry i of each stands k_i times, one after the other, in the
# old order. p, y and k have shape (N,); k_i is a whole number, and may be 0. And write `loss_backward(g, p, y, w)`: g
# dL/dp for predictions p and L = sum_i w_i (p_i - y_i)^2 / sum_i w_i. An entry with weight 3 has what its three copies
# have together.


# %%
def copies(p, y, k):
    ### BEGIN SOLUTION
    return np.repeat(p, k), np.repeat(y, k)
    ### END SOLUTION


def loss_backward(g, p, y, w):
    ### BEGIN SOLUTION
    return g * 2 * w * (p - y) / w.sum()
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_copies(student, rng):
    p, y, k = rng.normal(size=5), rng.normal(size=5), rng.permutation([0, 1, 1, 2, 4])
    compare(student.copies(p, y, k), copies(p, y, k), "the copies", hint="Try k = [2, 0, 1] on paper.")


def check_loss(student, rng):
    p, y, w = rng.normal(size=6), rng.normal(size=6), rng.uniform(0.5, 5, size=6)
    mg.check_backward(
        lambda p: np.sum(w * (p - y) ** 2) / w.sum(),
        lambda g, p: student.loss_backward(g, p, y, w),
        p,
        labels=y,
        weights=w,
    ).raise_on_failure()


### END TESTS


# %%
### BEGIN HIDDEN TESTS
def check_law(student, rng):
    p, y, k = rng.normal(size=4), rng.normal(size=4), rng.permutation([3, 0, 1, 2])
    each = student.loss_backward(1.0, *copies(p, y, k), np.ones(6))
    together = np.bincount(np.repeat(np.arange(4), k), each, minlength=4)
    weighted = student.loss_backward(1.0, p, y, k.astype(float))
    compare(weighted, together, "the gradient with weights k, against that of the copies,")


### END HIDDEN TESTS


# %% [markdown]
# ## Task 2: The layer that can tell (3 points)
# Batch normalization takes mean and variance over the rows of a batch. Copies change both, weights neither: here a
# weight is not a number of copies. Samples meet in this layer, so an entry of x acts in three ways: by itself, through
# the mean and through the variance. Write `batch_norm_backward(g, x)`: dL/dx from g = dL/dh, both of shape (N, D).


# %%
def batch_norm(x):
    """h = (x - mean) / sqrt(variance + 1e-5), with mean and variance of each of the D columns."""
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)


def batch_norm_backward(g, x):
    ### BEGIN SOLUTION
    h, scale = batch_norm(x), 1 / np.sqrt(x.var(axis=0) + 1e-5)
    return scale * (g - g.mean(axis=0) - h * np.mean(g * h, axis=0))
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_batch_norm(student, rng):
    x = rng.normal(1, 2, size=(6, 3))
    mg.check_backward(batch_norm, student.batch_norm_backward, x).raise_on_failure()


### END TESTS


# %% [markdown]
# ## Task 3: The weights that a sampler asks for (2 points)
# Somebody draws samples for you, sample i with the probability q_i, and you take the mean of u_i l_i over those drawn.
# You want (1/N) sum_i w_i l_i, on average over the draws. Which u_i do you need? Write `importance(q, w)`, for q and w
# of shape (N,). Where q_i is 0 the sample is never drawn, and u_i shall be 0.


# %%
def importance(q, w):
    ### BEGIN SOLUTION
    return np.divide(w, len(q) * q, out=np.zeros(len(q)), where=q > 0)
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_importance(student, rng):
    q, w = rng.permutation([*rng.dirichlet(np.ones(5)), 0]), rng.uniform(0.5, 5, size=6)
    hint = "Write the average over the draws as a sum over all samples: what stands in front of l_i?"
    compare(student.importance(q, w), importance(q, w), "u", hint=hint)


### END TESTS


# %% [markdown]
# ## Task 4: Ten times or a hundred times? (2 points)
# One sample shall count 10 times as much as each of the others. In training with this function it counts 100 times.
# `draw` returns the numbers of the samples in a batch, and the weights that multiply their losses. Repair it.


# %%
def draw(w, size, seed):
    rng = np.random.default_rng(seed)
    ### BEGIN SOLUTION
    rows = rng.choice(len(w), size=size, p=w / w.sum())
    return rows, np.ones(size)
    ### BEGIN GIVEN
    # rows = rng.choice(len(w), size=size, p=w / w.sum())
    # return rows, w[rows]
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_draw(student, rng):
    w = rng.permutation([1.0, 1, 1, 10])
    rows, weights = student.draw(w, 20_000, int(rng.integers(1000)))
    counts = np.bincount(rows, weights, minlength=4)
    times = counts[w == 10][0] / counts[w == 1].mean()
    if times > 50:
        raise Wrong(f"It counts {times:.0f} times as much as another", "In which lines does w act?", "counted_twice")
    assert 9 < times < 11, f"the sample should count 10 times as much as another one, it counts {times:.1f} times"


### END TESTS
