"""Can the weights of the samples be learned from a few samples that somebody has checked?

Give sample i of a batch the weight eps_i for one step of training, theta(eps) = theta - sum_i eps_i grad l_i, and ask
how L changes, the mean loss of the trusted samples. At eps = 0 the chain rule says

    u_i = -dL/deps_i = grad L . grad l_i      theta   parameters, seen as one long vector;  grad  derivative by theta
    w_i = max(u_i, 0) / sum_j max(u_j, 0)     l_i     loss of sample i

A sample whose gradient points the same way as that of the trusted samples gets a weight; one that points against it
gets none ("learning to reweight", Ren et al. 2018). If no u_i is positive, no sample helps: then all w_i are 0, and no
step is taken. You write the grad l_i, then the weights, and repair a program that gets u_i through the step itself.
"""

# %%
import numpy as np

import minigrad as mg
from minigrad.classroom import Wrong, compare

# %% [markdown]
# ## Task 1: A gradient for each sample (3 points)
# A linear layer z = X W^T + b has inputs X, shape (N, I), weights W, shape (O, I), and a bias b, shape (O,). The rows
# of dz, shape (N, O), are the slopes dl_i/dz_i. Write `per_sample(dz, X)`: dl_i/dW for every i, shape (N, O, I), and
# dl_i/db for every i, shape (N, O). Nothing is summed over the samples.


# %%
def per_sample(dz, X):
    ### BEGIN SOLUTION
    return dz[:, :, None] * X[:, None, :], dz
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_per_sample(student, rng):
    X, t, W, b = rng.normal(size=(5, 4)), rng.normal(size=(5, 3)), rng.normal(size=(3, 4)), rng.normal(size=3)

    def losses_of_samples(W, b):  # an array, so that g has an entry for every sample
        return np.sum((X @ W.T + b - t) ** 2, axis=1) / 2

    def backward(g, W, b):
        dW, db = student.per_sample(X @ W.T + b - t, X)
        assert np.shape(dW) == (5, 3, 4), f"your dl_i/dW has shape {np.shape(dW)}, expected (5, 3, 4): N, O, I"
        assert np.shape(db) == (5, 3), f"your dl_i/db has shape {np.shape(db)}, expected (5, 3): N, O"
        return np.tensordot(g, dW, axes=1), g @ db

    mg.check_backward(losses_of_samples, backward, [W, b]).raise_on_failure()


### END TESTS


# %%
### BEGIN HIDDEN TESTS
def check_one_sample(student, rng):
    dz, X = rng.normal(size=(1, 2)), rng.normal(size=(1, 3))
    compare(student.per_sample(dz, X), per_sample(dz, X), "the gradients of one sample")


### END HIDDEN TESTS


# %% [markdown]
# ## Task 2: The weights (3 points)
# Write `weights(G, h)`: w, shape (N,), from G, shape (N, P), which has grad l_i in row i, and h = grad L, shape (P,).


# %%
def weights(G, h):
    ### BEGIN SOLUTION
    u = np.maximum(G @ h, 0)
    return u / (u.sum() or 1)
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_weights(student, rng):
    G, h = rng.normal(size=(8, 5)), rng.normal(size=5)
    G[0], G[1] = h, -h  # one that helps for sure, and one that harms
    w = student.weights(G, h)
    if np.shape(w) == (8,) and np.min(w) < 0:
        raise Wrong("There is a negative weight", "When should a sample get no weight at all?", "negative_weight")
    compare(w, weights(G, h), "the array w", hint="Which of the samples 0 and 1 points as h does?")


### END TESTS


# %%
### BEGIN HIDDEN TESTS
def check_nobody_helps(student, rng):
    h = rng.normal(size=3)
    for G in (-h[None, :], np.zeros((4, 3))):
        w = student.weights(G, h)
        compare(w, np.zeros(len(G)), "the array w, where no sample helps,", hint="What is max(u, 0) here?")


### END HIDDEN TESTS


# %% [markdown]
# ## Task 3: Through the step (4 points)
# The same without per-sample gradients: eps is a Tensor, and minigrad differentiates through the step. `step` returns
# theta after a step with the learned weights. Two mistakes are in this program: because of the first, theta never moves
# at all; because of the second it would not move along -sum_i w_i grad l_i, with numbers w_i. Repair both.


# %%
def losses(theta, X, t):
    return np.log(1 + np.exp(X @ theta)) - t * (X @ theta)


def slopes(theta, X, t, X_trusted, t_trusted):
    """u_i, shape (N,), on the graph."""
    eps = mg.tensor(np.zeros(len(t)), requires_grad=True)
    training = np.sum(eps * losses(theta, X, t))
    ### BEGIN SOLUTION
    stepped = theta - mg.grad(training, theta, create_graph=True)
    ### BEGIN GIVEN
    # stepped = theta - mg.grad(training, theta)
    ### END SOLUTION
    after = np.mean(losses(stepped, X_trusted, t_trusted))
    return -mg.grad(after, eps, create_graph=True)


def step(values, X, t, X_trusted, t_trusted):
    theta = mg.tensor(values, requires_grad=True)
    ### BEGIN SOLUTION
    helps = np.maximum(slopes(theta, X, t, X_trusted, t_trusted).detach(), 0)
    ### BEGIN GIVEN
    # helps = np.maximum(slopes(theta, X, t, X_trusted, t_trusted), 0)
    ### END SOLUTION
    w = helps / (np.sum(helps) + 1e-12)
    return values - mg.grad(np.sum(w * losses(theta, X, t)), theta).numpy()


# %%
### BEGIN TESTS
def check_step(student, rng):
    X, t, values = rng.normal(size=(6, 3)), np.array([1, 1, 0, 0, 1, 0]), rng.normal(size=3)
    X[1] = X[0] / 2  # the first two are the trusted ones, too, and help for sure
    batch = X, t, X[:2], t[:2]
    got = student.step(values, *batch)
    if np.shape(got) == (3,) and np.array_equal(got, values):
        hint = "How does `after` depend on eps? Follow the graph back from there: where does it end?"
        raise Wrong("The parameters have not moved: all weights are 0", hint, "create_graph")
    theta = mg.tensor(values, requires_grad=True)
    helps = np.maximum(slopes(theta, *batch), 0)
    attached = mg.grad(np.sum(helps / np.sum(helps) * losses(theta, *batch[:2])), theta).numpy()
    if np.shape(got) == (3,) and np.allclose(got, values - attached):
        raise Wrong(
            "The gradient goes through the weights as well", "What in the last line depends on theta?", "not_detached"
        )
    compare(got, step(values, *batch), "the vector theta after the step")


### END TESTS
