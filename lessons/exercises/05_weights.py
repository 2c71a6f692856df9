"""Where in a backward pass does the weight of a sample belong?

On the row of its sample, once. A weighted loss is a sum over the samples, each times a weight of its own,

    L = 1/N sum_i w_i l_i              l_i  loss of sample i, which depends on row i of the logits alone
    dL/dz_i = 1/N w_i dl_i/dz_i        z_i  row i of the logits Z, shape (N, K), or a number where K = 1
                                       w_i  weight of sample i, zero or positive

and the derivative of a sum is the sum of the derivatives. Nothing here asks which loss it is. So you weight three of
them, with a weight for each class or for each sample; and in the last task you meet weights on something else.
"""

# %%
import numpy as np

import minigrad as mg
from minigrad.classroom import Wrong, compare


def cross_entropy(z, y, class_weight):
    """1/N sum_i w_i l_i with w_i = class_weight[y_i] and l_i = -log p_y, p = softmax(z). z (N, K), y (N,)."""
    losses = np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y]
    return np.mean(class_weight[y] * losses)


# %% [markdown]
# ## Task 1: A weight for each class (3 points)
# A sample has the weight of its class: w_i = class_weight[y_i], with labels y of shape (N,) and class_weight of shape
# (K,). Write `cross_entropy_backward(g, z, y, class_weight)`: g dL/dz, shape (N, K). For a single sample without a
# weight it is p - e_y: probabilities minus the label as a row of zeros with a 1 at y.


# %%
def cross_entropy_backward(g, z, y, class_weight):
    ### BEGIN SOLUTION
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    rows = p - np.eye(z.shape[1])[y]
    return g * class_weight[y][:, None] * rows / len(y)
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_cross_entropy(student, rng):
    z, y, class_weight = rng.normal(size=(6, 4)), rng.permutation([0, 1, 2, 3, 0, 0]), rng.uniform(0.5, 5, size=4)
    mg.check_backward(
        lambda z: cross_entropy(z, y, class_weight),
        lambda g, z: student.cross_entropy_backward(g, z, y, class_weight),
        z,
        labels=y,
        weights=class_weight,
    ).raise_on_failure()


### END TESTS


# %%
### BEGIN HIDDEN TESTS
def check_absent_and_worthless_classes(student, rng):
    arguments = 1.0, rng.normal(size=(5, 3)), np.array([1, 0, 0, 1, 1]), np.array([3.0, 0.0, 7.0])
    dz = student.cross_entropy_backward(*arguments)
    compare(dz, cross_entropy_backward(*arguments), "dz, where class 2 does not occur and class 1 has the weight 0,")


### END HIDDEN TESTS


# %% [markdown]
# ## Task 2: A weight for each sample (2 points)
# Two classes and one logit: l_i = log(1 + exp(z_i)) - t_i z_i, where t_i is 0 or 1; z, t and w all have shape (N,).
# Write `binary_backward(g, z, t, w)` for L = 1/N sum_i w_i l_i.


# %%
def binary_backward(g, z, t, w):
    ### BEGIN SOLUTION
    p = 1 / (1 + np.exp(-z))
    return g * w * (p - t) / len(z)
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_binary(student, rng):
    z, t, w = rng.normal(size=7), rng.permutation([0, 1, 1, 0, 0, 1, 0]), rng.uniform(0.5, 5, size=7)
    mg.check_backward(
        lambda z: np.mean(w * (np.log1p(np.exp(z)) - t * z)),
        lambda g, z: student.binary_backward(g, z, t, w),
        z,
        labels=t,
        weights=w,
    ).raise_on_failure()


### END TESTS


# %% [markdown]
# ## Task 3: A loss with two branches (2 points)
# Huber's loss of the residual r_i = z_i - t_i is r^2 / 2 where |r| <= delta, and delta (|r| - delta / 2) elsewhere: a
# parabola that goes on as a straight line. So a wild target can pull only so much. What are the slopes of the two, and
# what do both become by the weight? Write `huber_backward(g, z, t, w, delta)` for L = 1/N sum_i w_i l_i.


# %%
def huber_backward(g, z, t, w, delta):
    ### BEGIN SOLUTION
    return g * w * np.clip(z - t, -delta, delta) / len(z)
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_huber(student, rng):
    t, w, delta = rng.normal(size=8), rng.uniform(0.5, 5, size=8), 1.5
    z = t + rng.permutation([-4.0, -2.0, -1.2, -0.5, 0.3, 1.0, 2.5, 6.0])
    mg.check_backward(
        lambda z: np.mean(w * np.where(abs(z - t) <= delta, (z - t) ** 2 / 2, delta * (abs(z - t) - delta / 2))),
        lambda g, z: student.huber_backward(g, z, t, w, delta),
        z,
        labels=t,
        weights=w,
        delta=delta,
    ).raise_on_failure()


### END TESTS


# %% [markdown]
# ## Task 4: Eight patients, eight measurements (3 points)
# The gradient of a weighted linear regression, L = 1/N sum_i w_i (x_i v - y_i)^2, with inputs X of shape (N, D) and
# parameters v of shape (D,). It was tried on eight patients with eight measurements each. It ran, training made the
# loss smaller, and nobody noticed that the weights do not do what they should. Repair it. (Would it have run for nine?)


# %%
def regression_backward(g, v, X, y, w):
    residual = X @ v - y
    ### BEGIN SOLUTION
    return g * 2 / len(y) * X.T @ (w * residual)
    ### BEGIN GIVEN
    # return g * 2 / len(y) * (w * X).T @ residual
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_regression(student, rng):
    hint = "Which axis of X belongs to the patients? Along which one does NumPy lay an array of shape (N,)?"
    for N, D in ((8, 8), (9, 4), (1, 3)):
        v, X, y, w = rng.normal(size=D), rng.normal(size=(N, D)), rng.normal(size=N), rng.uniform(0.5, 5, size=N)
        dv, right = student.regression_backward(-2.0, v, X, y, w), regression_backward(-2.0, v, X, y, w)
        if N == D and np.shape(dv) == (D,) and np.allclose(dv, -4 / N * w * (X.T @ (X @ v - y))):
            raise Wrong("The weights are on the columns of X, on the measurements", hint, "weight_by_feature")
        compare(dv, right, f"the gradient for {N} patients with {D} measurements, g = -2,", hint=hint)


### END TESTS
