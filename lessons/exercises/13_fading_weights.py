"""What keeps the weights of a loss from fading while a network trains?

Where classes can be told apart, every loss l_i goes to 0, and a weight times nothing is nothing. Two things keep
the parameters small, so that the losses stay and the weights go on mattering: a penalty, and stopping early. A third,
clipping, keeps a single step small. With N samples of D features, X (N, D), labels t (N,) of 0 and 1:

    L = 1/N sum_i w_i l_i + lam/2 sum_d v_d^2     v    parameters, shape (D,);  logits z = X v
                                                  w_i  weight of sample i;  lam  strength of the penalty (L2)
    l_i = log(1 + exp(z_i)) - t_i z_i             dl_i/dz_i = sigmoid(z_i) - t_i

You write the gradient of L, then the clipping, in which the order matters; and you repair a program that is meant to
stop early and never does.
"""

# %%
import numpy as np

import minigrad as mg
from minigrad.classroom import Wrong, compare


def losses(v, X, t):
    """The l_i, shape (N,)."""
    return np.logaddexp(0, X @ v) - t * (X @ v)


def rows(v, X, t):
    """dl_i/dv in row i, shape (N, D)."""
    return (1 / (1 + np.exp(-X @ v)) - t)[:, None] * X


# %% [markdown]
# ## Task 1: The penalty (3 points)
# Write `loss_backward(g, v, X, t, w, lam)`: g dL/dv, shape (D,). `rows` has the gradients of the single samples.


# %%
def loss_backward(g, v, X, t, w, lam):
    ### BEGIN SOLUTION
    return g * (w @ rows(v, X, t) / len(t) + lam * v)
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_loss_backward(student, rng):
    X, t, w, v = (
        rng.normal(size=(7, 4)),
        rng.permutation(np.arange(7) % 2),
        rng.uniform(0.5, 5, size=7),
        rng.normal(size=4),
    )
    for factor, words in ((w.sum(), "the sum"), (w.mean(), "the mean")):
        if np.allclose(student.loss_backward(1.0, v, X, t, w, 0.3), loss_backward(1.0, v, X, t, w, 0.3 * factor)):
            hint = "Let all weights be twice as large. Which of the two terms of L doubles?"
            raise Wrong(f"Your penalty grows with {words} of the weights", hint, "penalty_weighted")
    mg.check_backward(
        lambda v: np.mean(w * losses(v, X, t)) + 0.3 / 2 * np.sum(v**2),
        lambda g, v: student.loss_backward(g, v, X, t, w, 0.3),
        v,
        weights=w,
        lam=0.3,
    ).raise_on_failure()


### END TESTS


# %% [markdown]
# ## Task 2: Clipping (4 points)
# A single wild batch can throw v far away. Write `clipped(G, w, limit)`: the gradient of a weighted batch (without a
# penalty), 1/N sum_i w_i G_i, if its length is at most `limit`; else shortened to the length `limit`, in the same
# direction. G_i = dl_i/dv is row i of G, shape (N, D); the length is the root of the sum of squares.


# %%
def clipped(G, w, limit):
    ### BEGIN SOLUTION
    gradient = w @ G / len(w)
    length = np.linalg.norm(gradient)
    return gradient * limit / length if length > limit else gradient
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_clipped(student, rng):
    G, w = rng.normal(size=(6, 4)), rng.permutation([0.2, 0.5, 1.0, 3.0, 0.1, 8.0])
    gradient, plain, lengths = w @ G / 6, np.linalg.norm(G.mean(axis=0)), np.linalg.norm(G, axis=1)
    length = np.linalg.norm(gradient)
    compare(student.clipped(G, w, 9 * length), gradient, "the gradient, with a limit of nine times its length,")
    limit, hint = min(length, plain) / 2, "A sample of weight 8: what becomes of its pull in your order of the two?"
    got = student.clipped(G, w, limit)
    for before in (w * np.minimum(1, limit / lengths) @ G / 6, gradient * limit / plain):
        if np.shape(got) == (4,) and np.allclose(got, before):
            raise Wrong("You clip what is not weighted yet, and then weight it", hint, "clipped_before_weighting")
    compare(got, gradient * limit / length, "the clipped gradient", hint="Which length and which direction has it now?")


### END TESTS


# %%
### BEGIN HIDDEN TESTS
def check_no_gradient(student):
    G = np.ones((3, 2))
    compare(student.clipped(G, np.zeros(3), 0.5), np.zeros(2), "the clipped gradient, where all weights are 0,")


### END HIDDEN TESTS


# %% [markdown]
# ## Task 3: Stopping that never stops (3 points)
# Gradient descent that should give up once a loss has not improved for `patience` steps, and return the best parameters
# it has met. `training` and `validation` are triples (X, t, w); the weights belong to both. On 20 samples with 10
# features it runs to the very end, the parameters grow and grow, and the weights fade. Repair it.


# %%
def train(training, validation, patience):
    (X, t, w), v = training, np.zeros(training[0].shape[1])
    best, best_v, waited = np.inf, v, 0
    for _ in range(400):
        ### BEGIN SOLUTION
        watched = np.mean(validation[2] * losses(v, *validation[:2]))
        ### BEGIN GIVEN
        # watched = np.mean(w * losses(v, X, t))
        ### END SOLUTION
        if watched < best:
            best, best_v, waited = watched, v, 0
        else:
            waited += 1
        if waited == patience:
            break
        v = v - 0.2 * w @ rows(v, X, t) / len(t)
    return best_v


# %%
### BEGIN TESTS
def check_train(student, rng):
    def draw(n):
        X, t = rng.normal(size=(n, 10)), np.arange(n) % 2
        return X + 0.3 * t[:, None], t, np.where(t == 1, 5.0, 0.5)

    runs, hint = [(draw(20), draw(30)) for _ in range(4)], "What must not get worse, and which samples can tell?"
    v, right = (np.array([program(*run, 5) for run in runs]) for program in (student.train, train))
    on_training = np.array([train(training, training, 5) for training, _ in runs])
    unweighted = np.array([train(training, (X, t, np.ones(30)), 5) for training, (X, t, _) in runs])
    if v.shape == right.shape and np.allclose(v, on_training):
        lengths = f"{np.linalg.norm(v[0]):.3g}, that of the best one {np.linalg.norm(right[0]):.3g}"
        raise Wrong(f"It never stops early: v has the length {lengths}", hint, "training_loss")
    if v.shape == right.shape and np.allclose(v, unweighted):
        raise Wrong("Now it stops early, but by a loss without the weights", hint, "weight_forgotten")
    compare(v, right, "the best v of four trainings", hint=hint)


### END TESTS
