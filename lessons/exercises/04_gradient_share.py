"""How large a part of the gradient does a rare class have?

The gradient of the last layer is an arrow with many entries. It is a sum with one term for each sample, and the terms
can be sorted by class. For cross-entropy, summed over the samples,

    dL/dV = sum over classes c of G_c                  V    weights of the last layer, shape (K, D)
    G_c   = sum over i with y_i = c of dz_i h_i^T      h_i  input of that layer for sample i, D numbers
    share_c = ||G_c|| / sum_k ||G_k||                  dz_i gradient of the loss of sample i at its K logits
                                                       y_i  label of sample i, one of 0 .. K-1

||G|| is the length of the arrow: the root of the sum of all its squared entries. A class with few samples adds few
terms, its arrow is short, and the steps of training go where the others want to go. You compute the terms, sort them,
measure the shares, and repair the weights that should make them equal.
"""

# %%
import numpy as np

import minigrad as mg
from minigrad.classroom import Wrong, compare


def cross_entropy(z, y):
    """Sum over the samples of -log p_y, p = softmax(z). z (N, K), y (N,) whole numbers."""
    shifted = z - z.max(axis=1, keepdims=True)
    return np.sum(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(y)), y])


# %% [markdown]
# ## Task 1: At the logits (3 points)
# Write `cross_entropy_backward(g, z, y)`: it returns dz, shape (N, K), whose row i is dz_i, times g. g is a number, the
# gradient that arrives from above. (If you differentiate on paper: begin with log sum_j exp(z_j) - z_y.)


# %%
def cross_entropy_backward(g, z, y):
    ### BEGIN SOLUTION
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return g * (p - np.eye(z.shape[1])[y])
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_cross_entropy(student, rng):
    z, y = rng.normal(size=(6, 4)), np.array([0, 1, 2, 2, 1, 0])
    mg.check_backward(
        lambda z: cross_entropy(z, y),
        lambda g, z: student.cross_entropy_backward(g, z, y),
        z,
        labels=y,
        reduction="sum",
    ).raise_on_failure()


### END TESTS


# %%
### BEGIN HIDDEN TESTS
def check_large_logits(student):
    z, y = np.array([[1000.0, 0.0, -1000.0]]), np.array([2])
    hint = "exp(1000) is too large for a float. What may be subtracted from all logits of a row?"
    compare(student.cross_entropy_backward(1.0, z, y), np.array([[1.0, 0, -1]]), "dz for logits of 1000", hint=hint)


### END HIDDEN TESTS


# %% [markdown]
# ## Task 2: Sorted by class (3 points)
# Write `class_gradients(dz, h, y, K)`: an array of shape (K, K, D), whose entry c is G_c. dz has shape (N, K), h has
# shape (N, D). A class may have no samples: nothing is added up for it.


# %%
def class_gradients(dz, h, y, K):
    ### BEGIN SOLUTION
    return np.array([dz[y == c].T @ h[y == c] for c in range(K)])
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_class_gradients(student, rng):
    dz, h, y = rng.normal(size=(9, 4)), rng.normal(size=(9, 3)), np.array([0, 1, 0, 3, 0, 1, 3, 0, 0])
    G, right = student.class_gradients(dz, h, y, 4), class_gradients(dz, h, y, 4)
    hint = "Write the shapes of dz_i and h_i beside those of V. Which samples belong to G_c, and is it a sum or a mean?"
    if np.shape(G) == right.shape:
        compare(np.sum(G, axis=0), dz.T @ h, "the sum of all G_c, which should be dL/dV,", hint=hint)
    compare(G, right, "G", hint=hint)


### END TESTS


# %% [markdown]
# ## Task 3: The share (2 points)
# Write `class_gradient_share(G)`: an array of the K shares, for G as in task 2. They add up to 1.


# %%
def class_gradient_share(G):
    ### BEGIN SOLUTION
    lengths = np.sqrt(np.sum(G**2, axis=(1, 2)))
    return lengths / lengths.sum()
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_share(student, rng):
    G = rng.normal(size=(4, 4, 3)) * np.array([8, 4, 0, 1])[:, None, None]
    share, squares = student.class_gradient_share(G), np.sum(G**2, axis=(1, 2))
    if np.shape(share) == (4,) and np.allclose(share, squares / squares.sum()):
        raise Wrong("The shares are those of the squared lengths", "How long is the arrow (3, 4)?", "squared")
    compare(share, class_gradient_share(G), "the share", hint="How long is (3, -4)? What do shares add up to?")


### END TESTS


# %% [markdown]
# ## Task 4: The weights that make them equal (2 points)
# Balanced weights give each sample of class c the weight n / (K n_c), with n samples in all and n_c of class c. Then
# all samples of a class weigh n / K together, whatever the class, and where the terms are about equally long, so are
# the arrows. The function below had worked for months. Then came data in which one class did not occur. The training
# ran on, but the shares were far from equal. Repair the function.


# %%
def balanced(y, K):
    """The weights of the classes, shape (K,). The weight of a class without samples does not matter."""
    ### BEGIN SOLUTION
    n_c = np.bincount(y, minlength=K)
    ### BEGIN GIVEN
    # n_c, _ = np.histogram(y, bins=K)
    ### END SOLUTION
    return len(y) / (K * np.maximum(n_c, 1))


# %%
### BEGIN TESTS
def check_balanced(student, rng):
    for labels in ([0, 0, 0, 1, 2, 2, 3], [0, 0, 0, 1, 2, 2], [1, 1, 1, 1, 2, 3, 3], [1, 1, 2]):
        y = rng.permutation(labels)
        w, there = student.balanced(y, 4), np.bincount(y, minlength=4) > 0
        w = np.where(there, w, 0) if np.shape(w) == (4,) else w
        hint = "Print n_c for these labels, and count by hand."
        compare(w, np.where(there, balanced(y, 4), 0), f"for labels {y} the array of weights", hint=hint)


### END TESTS
