"""What changes when a sample may have several labels at once?

Every label c is a yes or no of its own, with a logit z_ic for every sample i, and there are two ways to a loss. The
first takes each entry for itself, and one may weight the labels:

    p_ic = sigmoid(z_ic)                                       t_ic  1 where sample i has label c, else 0
    L = 1/(N K) sum_ic w_c (log(1 + exp(z_ic)) - t_ic z_ic)    w_c   weight of label c;  N samples, K labels

The second takes what one wants to be good at, the F1 of each label, with p in the place of yes and no ("soft F1"):

    F_c = (2 sum_i p_ic t_ic + 1) / (sum_i p_ic + sum_i t_ic + 1)        L = 1/K sum_c (1 - F_c)

The 1 above and below keeps F_c from 0/0 where a batch lacks label c. F_c does not belong to any sample: its sums run
over the batch. You write both gradients, and find out why a network learned nothing at all with the true F1.
"""

# %%
import numpy as np

import minigrad as mg
from minigrad.classroom import Wrong, compare


def sigmoid(z):
    return 0.5 * (1 + np.tanh(0.5 * z))


def some_labels(rng):
    """Labels of 7 samples, shape (7, 4): the first is frequent, the last rare."""
    return (np.arange(7)[:, None] < [5, 4, 2, 1])[rng.permutation(7)].astype(int)


# %% [markdown]
# ## Task 1: Entry by entry (3 points)
# Write `binary_backward(g, z, t, w)`: g dL/dz of the first loss, shape (N, K), with z and t of this shape, too, and
# the weights of the labels, w, of shape (K,).


# %%
def binary_backward(g, z, t, w):
    ### BEGIN SOLUTION
    return g * w * (sigmoid(z) - t) / z.size
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_binary(student, rng):
    z, t, w = rng.normal(size=(7, 4)), some_labels(rng), rng.uniform(0.5, 5, size=4)
    mg.check_backward(
        lambda z: np.mean(w * (np.logaddexp(0, z) - t * z)),
        lambda g, z: student.binary_backward(g, z, t, w),
        z,
        labels=t,
        weights=w,
    ).raise_on_failure()


### END TESTS


# %%
### BEGIN HIDDEN TESTS
def check_as_many_samples_as_labels(student, rng):
    arguments = 1.0, 900 * rng.normal(size=(4, 4)), some_labels(rng)[:4], np.array([0.0, 1.0, 2.0, 5.0])
    compare(student.binary_backward(*arguments), binary_backward(*arguments), "your dz for N = K = 4 and large logits")


### END HIDDEN TESTS


# %% [markdown]
# ## Task 2: Over the batch (4 points)
# Write `soft_f1_backward(g, z, t)`: g dL/dz of the second loss, shape (N, K). p_ic stands above and below in F_c.


# %%
def soft_f1(z, t):
    p = sigmoid(z)
    return np.mean(1 - (2 * np.sum(p * t, axis=0) + 1) / (np.sum(p, axis=0) + np.sum(t, axis=0) + 1))


def soft_f1_backward(g, z, t):
    ### BEGIN SOLUTION
    p = sigmoid(z)
    above, below = 2 * np.sum(p * t, axis=0) + 1, np.sum(p, axis=0) + np.sum(t, axis=0) + 1
    dp = -(2 * t * below - above) / below**2 / z.shape[1]
    return g * dp * p * (1 - p)
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_soft_f1(student, rng):
    z, t = rng.normal(size=(7, 4)), some_labels(rng)
    dz, hint = student.soft_f1_backward(1.0, z, t), "Along which axis do the sums in F_c run?"
    per_sample = soft_f1_backward(1.0, z.T, t.T).T
    in_one = soft_f1_backward(1.0, z.reshape(28, 1), t.reshape(28, 1)).reshape(7, 4)
    for kind, other, words in (("per_sample", per_sample, "each sample"), ("in_one", in_one, "all entries together")):
        if np.shape(dz) == z.shape and np.allclose(dz / np.linalg.norm(dz), other / np.linalg.norm(other)):
            raise Wrong(f"Your gradient is that of an F1 of {words}, not of each label", hint, f"f1_{kind}")
    mg.check_backward(
        lambda z: soft_f1(z, t), lambda g, z: student.soft_f1_backward(g, z, t), z, labels=t
    ).raise_on_failure()


### END TESTS


# %%
### BEGIN HIDDEN TESTS
def check_absent_label(student, rng):
    z, t = 40 * rng.normal(size=(5, 3)), np.array([[1, 0, 0]] * 5)
    compare(student.soft_f1_backward(1.0, z, t), soft_f1_backward(1.0, z, t), "your dz, where labels are absent")


### END HIDDEN TESTS


# %% [markdown]
# ## Task 3: Nothing moves (3 points)
# A linear model for one label, X (N, D), t (N,), parameters v (D,). The slopes are measured (exercise 2), so there is
# no backward pass that could be wrong. Yet v stays where it was, whatever the learning rate. Repair the program.


# %%
def loss(v, X, t):
    p = sigmoid(X @ v)
    ### BEGIN SOLUTION
    yes = p
    ### BEGIN GIVEN
    # yes = p > 0.5
    ### END SOLUTION
    return 1 - (2 * np.sum(yes * t) + 1) / (np.sum(yes) + np.sum(t) + 1)


def train(v, X, t, lr):
    for _ in range(20):
        slopes = [(loss(v + h, X, t) - loss(v - h, X, t)) / 2e-5 for h in 1e-5 * np.eye(len(v))]
        v = v - lr * np.array(slopes)
    return v


# %%
### BEGIN TESTS
def check_train(student, rng):
    X, t, v = rng.normal(size=(30, 3)), np.arange(30) % 5 == 0, rng.normal(size=3)
    trained, hint = student.train(v, X, t, 1.0), "How does the loss change when a p grows from 0.30 to 0.31?"
    if np.shape(trained) == (3,) and np.allclose(trained, v):
        raise Wrong("After 20 steps v is where it was: all slopes are 0", hint, "zero")
    compare(student.loss(v, X, t), loss(v, X, t), "the loss", hint="Which loss of the docstring is near F1?")
    compare(trained, train(v, X, t, 1.0), "v after 20 steps", rtol=1e-4, hint=hint)


### END TESTS
