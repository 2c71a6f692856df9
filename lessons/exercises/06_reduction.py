"""By what is a sum of weighted losses divided, and what becomes of its gradient?

Three habits are in use, and two of them are called "mean":

    "sum"            L = sum_i w_i l_i                         l_i  loss of sample i
    "mean"           L = sum_i w_i l_i / N                     w_i  its weight, zero or positive
    "weighted_mean"  L = sum_i w_i l_i / sum_i w_i             N    number of samples

If all weights are zero, the third is 0 / 0. We agree that L is the number 0 then: such a batch teaches nothing. You
write the gradients, also that of the weights, and repair two programs in which one loss has become two.
"""

# %%
import numpy as np

import minigrad as mg
from minigrad.classroom import Wrong, compare


def reduce(losses, w, reduction):
    """L, a number; losses and w have shape (N,)."""
    divisor = {"sum": 1, "mean": len(w), "weighted_mean": w.sum() if w.any() else 1}
    return np.sum(w * losses) / divisor[reduction]


# %% [markdown]
# ## Task 1: Three gradients (3 points)
# Write `reduce_backward(g, losses, w, reduction)`: g dL/dl, shape (N,), for each of the three reductions above. g is a
# number. Mind weights that are all zero. (The underscore of `_losses` says that you will not need their values.)


# %%
def reduce_backward(g, _losses, w, reduction):
    ### BEGIN SOLUTION
    divisor = {"sum": 1, "mean": len(w), "weighted_mean": w.sum() or 1}
    return g * w / divisor[reduction]
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_reduce(student, rng):
    losses, w = rng.uniform(0.1, 3, size=7), rng.uniform(0.5, 5, size=7)
    for reduction in ("mean", "weighted_mean", "sum"):
        mg.check_backward(
            lambda losses, of=reduction: reduce(losses, w, of),
            lambda g, losses, of=reduction: student.reduce_backward(g, losses, w, of),
            losses,
            weights=w,
        ).raise_on_failure()


### END TESTS


# %%
### BEGIN HIDDEN TESTS
def check_all_zero(student):
    dl = student.reduce_backward(1.0, np.ones(4), np.zeros(4), "weighted_mean")
    compare(dl, np.zeros(4), "the gradient where all weights are 0", hint="What have we agreed on for 0 / 0?")


### END HIDDEN TESTS


# %% [markdown]
# ## Task 2: What a weight feels (2 points)
# Weights can be learned, too (lesson 16). Write `weight_backward(g, losses, w)`: g dL/dw, shape (N,), for the
# reduction "weighted_mean". In how many places of the formula does w_i stand? Weights here are positive.


# %%
def weight_backward(g, losses, w):
    ### BEGIN SOLUTION
    return g * (losses - reduce(losses, w, "weighted_mean")) / w.sum()
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_weight(student, rng):
    losses, w = rng.uniform(0.1, 3, size=6), rng.uniform(0.5, 5, size=6)
    if np.array_equal(student.weight_backward(1.0, losses, w), losses / w.sum()):
        hint = "Let all weights grow by 1 %. What happens to L, and what does your gradient say?"
        raise Wrong("The sum of the weights was taken for a constant, but w_i is in it", hint, "divisor_constant")
    mg.check_backward(
        lambda w: reduce(losses, w, "weighted_mean"), lambda g, w: student.weight_backward(g, losses, w), w
    ).raise_on_failure()


### END TESTS


# %% [markdown]
# ## Task 3: In pieces (3 points)
# When a batch does not fit into memory, one computes its gradient piece by piece, in micro-batches of `size` samples;
# the last one may be smaller. The result must be that of the whole batch. Here L is the weighted mean of (z_i - t_i)^2,
# for predictions z and targets t of shape (N,). The given program is right for one piece, and wrong for several.


# %%
def backward_in_pieces(g, z, t, w, size):
    dz, pieces = np.zeros_like(z), -(-len(z) // size)  # rounded up
    for k in range(pieces):
        part = slice(k * size, (k + 1) * size)
        slope = w[part] * 2 * (z[part] - t[part])
        ### BEGIN SOLUTION
        dz[part] = g * slope / w.sum()
        ### BEGIN GIVEN
        # dz[part] = g * slope / w[part].sum() / pieces
        ### END SOLUTION
    return dz


# %%
### BEGIN TESTS
def check_pieces(student, rng):
    z, t, w = rng.normal(size=11), rng.normal(size=11), rng.uniform(0.5, 5, size=11)
    for size in (11, 4, 1):
        mg.check_backward(
            lambda z: reduce((z - t) ** 2, w, "weighted_mean"),
            lambda g, z, size=size: student.backward_in_pieces(g, z, t, w, size),
            z,
            weights=w,
            micro_batch=size,
        ).raise_on_failure()


### END TESTS


# %% [markdown]
# ## Task 4: Another loss than you train (2 points)
# One step of a weighted linear regression. It returns the loss before the step, and the new parameters v, shape (D,).
# Somebody stopped the training as soon as the reported loss went up: far too early. What was it that went up?


# %%
def step(v, X, t, w, lr):
    residual = X @ v - t
    ### BEGIN SOLUTION
    loss = reduce(residual**2, w, "weighted_mean")
    ### BEGIN GIVEN
    # loss = np.mean(residual**2)
    ### END SOLUTION
    return loss, v - lr * 2 * X.T @ (w * residual) / w.sum()


# %%
### BEGIN TESTS
def check_step(student, rng):
    v, X, t, w = rng.normal(size=3), rng.normal(size=(8, 3)), rng.normal(size=8), rng.uniform(0.5, 5, size=8)
    returned, hint = student.step(v, X, t, w, 0.1), "Which loss has the gradient that the last line uses?"
    if isinstance(returned, tuple) and np.array_equal(returned[0], np.mean((X @ v - t) ** 2)):
        raise Wrong("The parameters follow the weighted loss, but another one is reported", hint, "weight_forgotten")
    compare(returned, step(v, X, t, w, 0.1), "what `step` returns", hint=hint)


### END TESTS
