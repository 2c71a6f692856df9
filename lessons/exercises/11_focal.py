"""How does a loss turn away from the samples that it has already learned?

The focal loss multiplies cross-entropy by a modulator, which is close to 0 where the network is right and sure of it:

    l_i = -(1 - q_i)^gamma log q_i       q_i    probability that the network gives to the truth of sample i
    L = 1/N sum_i w_i l_i                gamma  focusing, a number >= 0; gamma = 0 is plain cross-entropy
    q_i = sigmoid(m_i)                   w_i    weight of sample i
    m_i = z_i where t_i = 1, else -z_i   z_i    logit for class 1, a number;  t_i  label, 0 or 1

m_i is the margin: how far the logit is on the right side. Both factors of l_i depend on it, and a derivative that
forgets one of them is the most frequent mistake with this loss. You write l, its derivative, and find a program in
which every line is right and that never predicts more than one half.
"""

# %%
import numpy as np

import minigrad as mg
from minigrad.classroom import Wrong, compare


def log_sigmoid(m):
    """log(1 / (1 + exp(-m))), for m of any size."""
    return -np.logaddexp(0, -m)


# %% [markdown]
# ## Task 1: The loss (3 points)
# Write `focal(z, t, w, gamma)`: the number L, from z, t and w of shape (N,). Logits of 800 occur, where exp overflows
# and log(q) would be log(0). `log_sigmoid` is safe there.


# %%
def focal(z, t, w, gamma):
    ### BEGIN SOLUTION
    m = np.where(t == 1, z, -z)
    modulator = np.exp(gamma * log_sigmoid(-m))
    return np.mean(w * modulator * -log_sigmoid(m))
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_focal(student, rng):
    z, t, w = rng.normal(size=7), rng.permutation([0, 1, 1, 0, 0, 1, 0]), rng.uniform(0.5, 5, size=7)
    for gamma in (0, 0.5, 2):
        compare(student.focal(z, t, w, gamma), focal(z, t, w, gamma), f"the loss for gamma = {gamma}")
    for logit in (-800.0, 40.0, 800.0):
        one = np.array([logit]), np.array([1]), np.array([2.0]), 0.5
        compare(student.focal(*one), focal(*one), f"the loss of one sample of class 1 with logit {logit}")


### END TESTS


# %% [markdown]
# ## Task 2: Its derivative (4 points)
# Write `focal_backward(g, z, t, w, gamma)`: g dL/dz, shape (N,), for logits of any size, and for gamma below 1, too:
# there (1 - q)^(gamma - 1) divides by something close to 0. On paper that power goes away: q has the derivative
# q (1 - q). And 1 - sigmoid(m) is a sigmoid itself: of what?


# %%
def focal_backward(g, z, t, w, gamma):
    ### BEGIN SOLUTION
    sign = np.where(t == 1, 1, -1)
    m = sign * z
    q, modulator = np.exp(log_sigmoid(m)), np.exp(gamma * log_sigmoid(-m))
    slope = gamma * q * modulator * log_sigmoid(m) - modulator * np.exp(log_sigmoid(-m))  # dl/dm
    return g * w * sign * slope / len(z)
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_focal_backward(student, rng):
    z, t, w = rng.normal(size=7), rng.permutation([0, 1, 1, 0, 0, 1, 0]), rng.uniform(0.5, 5, size=7)
    for gamma in (3, 0.5, 0):
        mg.check_backward(
            lambda z, gamma=gamma: focal(z, t, w, gamma),
            lambda g, z, gamma=gamma: student.focal_backward(g, z, t, w, gamma),
            z,
            labels=t,
            weights=w,
            gamma=gamma,
        ).raise_on_failure()


### END TESTS


# %%
### BEGIN HIDDEN TESTS
def check_far_out(student):
    z, t, w = np.array([-800.0, -40.0, 40.0, 800.0]), np.array([1, 0, 1, 1]), np.array([2.0, 0.0, 3.0, 1.0])
    for gamma in (0.5, 2):
        dz, right = student.focal_backward(1.0, z, t, w, gamma), focal_backward(1.0, z, t, w, gamma)
        compare(
            dz,
            right,
            f"your dz at the logits {z}, for gamma = {gamma},",
            hint="Is there a power below 0 in your code?",
        )


### END HIDDEN TESTS


# %% [markdown]
# ## Task 3: Never more than one half (3 points)
# A linear model, trained with minigrad's focal loss: X (N, D), labels t (N,), parameters v (D,). The loss goes down,
# and a gradient check of the whole program finds nothing. But even on data that are easy to tell apart, no sample gets
# a probability above one half. What does `mg.losses.binary_focal` want to be given? Repair the program.


# %%
def score(v, X):
    ### BEGIN SOLUTION
    return X @ v
    ### BEGIN GIVEN
    # log_p = -np.log(1 + np.exp(-X @ v))
    # return log_p
    ### END SOLUTION


def train(X, t, gamma):
    v = np.zeros(X.shape[1])
    for _ in range(50):
        variable = mg.tensor(v, requires_grad=True)
        loss = mg.losses.binary_focal(score(variable, X), t, gamma=gamma, alpha=None)
        v = v - mg.grad(loss, variable).numpy()
    return v


def probability(v, X):
    return 1 / (1 + np.exp(-score(v, X)))


# %%
### BEGIN TESTS
def check_train(student, rng):
    t, hint = rng.permutation(np.arange(20) % 2), "A logit can be any number. Which numbers does `score` return?"
    X = np.column_stack([rng.normal(size=20) + 5 * t, np.ones(20)])
    v = student.train(X, t, 2.0)
    p = student.probability(v, X)
    if np.shape(p) == (20,) and np.max(p) <= 0.5:
        raise Wrong(
            f"Half of the samples are of class 1, the largest probability is {np.max(p):.3f}", hint, "log_probability"
        )
    compare(v, train(X, t, 2.0), "what `train` returns", rtol=1e-5, hint=hint)
    compare(p, probability(v, X), "what `probability` returns", hint=hint)


### END TESTS
