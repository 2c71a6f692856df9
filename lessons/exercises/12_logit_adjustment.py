"""Where do the class shares enter, if not as weights: before the softmax, after it, or at the decision?

Give every class c a handicap, tau log pi_c, and a temperature a_c while the network trains. Later the plain z decide:

    q_i = softmax(z_i / a + tau log pi)     z_i  logits of sample i, shape (K,)
    l_i = -log q_i[y_i]                     pi   shares of the classes in the training data, shape (K,)
    L   = 1/N sum_i w_i l_i                 tau  how large the handicap is;  a  temperatures, shape (K,)
                                            w_i  weight of the class y_i of sample i

With a = 1 this is logit adjustment, with tau = 0 it is CDT, and with both it is the vector-scaling loss. z / a divides
column c by a_c. You write both gradients, find a program that divides something else, and adjust after training.
"""

# %%
import numpy as np

import minigrad as mg
from minigrad.classroom import Wrong, compare


def log_softmax(z):
    """log of the softmax of each row of z, shape (N, K)."""
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def cross_entropy(z, y, w):
    """1/N sum_i w_i l_i with w_i = w[y_i] and l_i = -log softmax(z_i)[y_i]. z (N, K), y (N,), w (K,)."""
    return -np.mean(w[y] * log_softmax(z)[np.arange(len(y)), y])


# %% [markdown]
# ## Task 1: The handicap (3 points)
# Write `adjusted_backward(g, z, y, pi, tau)`: g dL/dz, shape (N, K), for a = 1 and w = 1. Large logits occur, and
# classes without training samples: pi_c = 0, q_c = 0.


# %%
def adjusted_backward(g, z, y, pi, tau):
    ### BEGIN SOLUTION
    with np.errstate(divide="ignore"):
        q = np.exp(log_softmax(z + tau * np.log(pi)))
    return g * (q - np.eye(len(pi))[y]) / len(y)
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_adjusted(student, rng):
    z, y, pi = rng.normal(size=(6, 4)), rng.permutation([0, 1, 2, 3, 0, 0]), rng.dirichlet(np.full(4, 5))
    dz, hint = student.adjusted_backward(1.0, z, y, pi, 1.5), "Is log pi positive or negative? Where does it go?"
    for kind, tau, words in (("sign", -1.5, "with -tau for tau"), ("not_adjusted", 0, "of plain cross-entropy")):
        if np.shape(dz) == z.shape and np.allclose(dz, adjusted_backward(1.0, z, y, pi, tau)):
            raise Wrong(f"Your gradient is that {words}", hint, kind)
    shift = 1.5 * np.log(pi)  # a constant, so dL/dz is the slope at the shifted logits
    mg.check_backward(
        lambda shifted: cross_entropy(shifted, y, np.ones(4)),
        lambda g, shifted: student.adjusted_backward(g, shifted - shift, y, pi, 1.5),
        z + shift,
        labels=y,
    ).raise_on_failure()
    single = 1.0, 1000 + z[:1], y[:1], np.array([0.9, 0.0, 0.1, 0.0]), 2.0
    compare(student.adjusted_backward(*single), adjusted_backward(*single), "your dz for large logits and shares of 0")


### END TESTS


# %% [markdown]
# ## Task 2: Temperatures and weights, too (3 points)
# Write `scaled_backward(g, z, y, pi, tau, a, w)`: g dL/dz for the whole loss, w of shape (K,).


# %%
def scaled_backward(g, z, y, pi, tau, a, w):
    ### BEGIN SOLUTION
    q = np.exp(log_softmax(z / a + tau * np.log(pi)))
    return g * w[y][:, None] * (q - np.eye(len(pi))[y]) / a / len(y)
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_scaled(student, rng):
    z, y, pi = rng.normal(size=(6, 4)), rng.permutation([0, 1, 2, 3, 0, 0]), rng.dirichlet(np.full(4, 5))
    a, w = rng.uniform(1.2, 4, size=4), rng.uniform(0.5, 5, size=4)
    hint = "The loss sees z / a. What does the chain rule say?"
    dz = student.scaled_backward(1.0, z, y, pi, 1.5, a, w)
    if np.shape(dz) == z.shape and np.allclose(dz, scaled_backward(a, z, y, pi, 1.5, a, w)):
        raise Wrong("Your gradient is that with respect to z / a, not to z", hint, "temperature_missing")
    mg.check_backward(
        lambda z: cross_entropy(z / a + 1.5 * np.log(pi), y, w),
        lambda g, z: student.scaled_backward(g, z, y, pi, 1.5, a, w),
        z,
        labels=y,
        weights=w,
        temperature=a,
    ).raise_on_failure()


### END TESTS


# %% [markdown]
# ## Task 3: A widely copied mistake (2 points)
# CDT trains z / a, with the largest a_c for the rarest class: its logit must grow further than the others to count as
# much. This is a step of training for a linear model, X (N, D) and parameters V (D, K). Rare classes do worse with it
# than without, because `slopes` are those of another loss. Which one?


# %%
def step(V, X, y, a):
    z, truth = X @ V, np.eye(len(a))[y]
    ### BEGIN SOLUTION
    slopes = (np.exp(log_softmax(z / a)) - truth) / a
    ### BEGIN GIVEN
    # slopes = (np.exp(log_softmax(z)) - truth) / a[y][:, None]
    ### END SOLUTION
    return V - X.T @ slopes / len(y)


# %%
### BEGIN TESTS
def check_step(student, rng):
    X, V, y, a = rng.normal(size=(6, 3)), rng.normal(size=(3, 4)), np.arange(6) % 4, rng.uniform(1, 4, size=4)
    slopes = (np.exp(log_softmax(X @ V)) - np.eye(4)[y]) / a[y][:, None]
    got, hint = student.step(V, X, y, a), "For a sample of the rarest class: do its slopes get larger, or smaller?"
    if np.shape(got) == V.shape and np.allclose(got, V - X.T @ slopes / 6):
        raise Wrong("`slopes` are those of log(softmax(z)) / a", hint, "temperature_on_log_probabilities")
    compare(got, step(V, X, y, a), "V after the step", hint="With respect to what are your slopes?")


### END TESTS


# %% [markdown]
# ## Task 4: After an ordinary training (2 points)
# A network trained with plain cross-entropy is to treat all classes as equally frequent. Write `predict(z, pi, tau)`:
# the class of each sample, shape (N,), by its largest adjusted logit.


# %%
def predict(z, pi, tau):
    ### BEGIN SOLUTION
    return np.argmax(z - tau * np.log(pi), axis=1)
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_predict(student, rng):
    z, pi, hint = rng.normal(size=(40, 4)), np.array([0.85, 0.1, 0.04, 0.01]), "Which class needs help here?"
    for tau in (1, 2):
        compare(student.predict(z, pi, tau), predict(z, pi, tau), f"the class, for tau = {tau},", hint=hint)


### END TESTS
