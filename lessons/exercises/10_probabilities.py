"""What is a network's probability worth after it was trained with class weights?

A weight w_c makes class c count as if it were w_c times as frequent. A network trained so speaks of another world:

    pi'_c = pi_c w_c / sum_k pi_k w_k        pi_c   share of class c in the data, its prior
                                             w_c    weight of class c, positive
                                             pi'_c  the prior that the network has learned to live with

Its p_c is a probability there, not here. Bayes' rule moves it from one prior to another: multiply p_c by the new prior
of class c, divide by the old one, and divide each sample's K numbers by their sum. You write this for probabilities
and for logits, find a program that does it once too often, and move a threshold in place of all the probabilities.
"""

# %%
import numpy as np

from minigrad.classroom import Wrong, compare


def softmax(z):
    """Probabilities from logits, both of shape (N, K)."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


# %% [markdown]
# ## Task 1: Another prior (3 points)
# Write `correct_prior(p, old, new)`: the probabilities p, shape (N, K), moved from the prior `old` to the prior `new`,
# both of shape (K,). Every row of the result sums to 1.


# %%
def correct_prior(p, old, new):
    ### BEGIN SOLUTION
    return p * new / old / np.sum(p * new / old, axis=1, keepdims=True)
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_correct_prior(student, rng):
    p, (old, new) = softmax(rng.normal(size=(5, 4))), rng.dirichlet(np.full(4, 5), size=2)
    got = student.correct_prior(p, old, new)
    if np.shape(got) == p.shape and np.allclose(got, correct_prior(p, new, old)):
        hint = "If a class becomes more frequent, what should happen to its probability?"
        raise Wrong("The two priors have changed places", hint, "swapped")
    if np.shape(got) == p.shape and not np.allclose(np.sum(got, axis=1), 1):
        raise Wrong("The rows of the result do not sum to 1", "Add up one row on paper.", "not_normalised")
    compare(got, correct_prior(p, old, new), "the corrected p")


### END TESTS


# %%
### BEGIN HIDDEN TESTS
def check_certain_and_gone(student):
    p, old, new = np.array([[1.0, 0.0, 0.0]]), np.array([0.5, 0.2, 0.3]), np.array([0.6, 0.4, 0.0])
    what = "the corrected p, of a sample where p is 1, with a class that no longer occurs,"
    compare(student.correct_prior(p, old, new), correct_prior(p, old, new), what)


### END HIDDEN TESTS


# %% [markdown]
# ## Task 2: The same in logits (2 points)
# p = softmax(z), with logits z of shape (N, K). Write `correct_logits(z, old, new)`: logits whose softmax is the
# corrected p of Task 1. You need no softmax: a product of probabilities is a sum of logits.


# %%
def correct_logits(z, old, new):
    ### BEGIN SOLUTION
    return z + np.log(new / old)
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_correct_logits(student, rng):
    z, (old, new) = rng.normal(size=(5, 4)), rng.dirichlet(np.full(4, 5), size=2)
    got = student.correct_logits(z, old, new)
    if np.shape(got) == z.shape and np.allclose(softmax(got), softmax(z - np.log(new / old))):
        hint = "A class that is rarer here than the network believes: should its logit rise or fall?"
        raise Wrong("The logits are shifted by the right amount, in the wrong direction", hint, "sign")
    for far in (0, 1000):
        got, right = student.correct_logits(z + far, old, new), softmax(z + far + np.log(new / old))
        compare(softmax(got), right, f"the softmax of the corrected logits, of logits about {far},")


### END TESTS


# %% [markdown]
# ## Task 3: Once too often (3 points)
# Logistic regression for a rare class 1, trained with class weights w = (w_0, w_1). `train` is right. `probability`
# promises P(class 1) for a population like the training data, X (N, D) with labels t (N,) of 0 and 1. The mean of p
# should be close to the share of class 1, and it is far below. Yet each step is right by itself. (v: parameters (D,).)


# %%
def train(X, t, w):
    v = np.zeros(X.shape[1])
    for _ in range(200):
        p = 1 / (1 + np.exp(-X @ v))
        v = v - 0.5 * X.T @ (np.where(t == 1, w[1], w[0]) * (p - t)) / len(t)
    return v


def probability(X, v, t, w):
    ### BEGIN SOLUTION
    log_odds = X @ v
    ### BEGIN GIVEN
    # log_odds = X @ v - np.log(w[1] / w[0])
    ### END SOLUTION
    p, share = 1 / (1 + np.exp(-log_odds)), np.mean(t)  # share: the prior of class 1 in the data
    acted = share * w[1] / (share * w[1] + (1 - share) * w[0])  # and what the weights make of it
    yes, no = p * share / acted, (1 - p) * (1 - share) / (1 - acted)
    return yes / (yes + no)


# %%
### BEGIN TESTS
def check_probability(student, rng):
    t = rng.permutation(np.arange(60) % 6 == 0).astype(int)
    X, w = np.column_stack([rng.normal(size=60) + t, np.ones(60)]), np.array([0.6, 3.0])
    v = train(X, t, w)
    p, hint = student.probability(X, v, t, w), f"The share of class 1 is {t.mean():.3f}. And the mean of your p?"
    for kind, times, words in (("corrected_twice", 2, "twice"), ("not_corrected", 0, "not at all")):
        if np.shape(p) == (60,) and np.allclose(p, 1 / (1 + np.exp(times * np.log(w[1] / w[0]) - X @ v))):
            raise Wrong(f"The prior is corrected {words}", hint, kind)
    compare(p, probability(X, v, t, w), "the array p", hint=hint)


### END TESTS


# %% [markdown]
# ## Task 4: Or move the threshold (2 points)
# Somebody says yes where the P(class 1) of this world is at least s, 0 < s < 1. We have the p of the weighted network.
# Write `threshold(s, w)`: the number with which that p must be compared for the very same decisions.


# %%
def threshold(s, w):
    ### BEGIN SOLUTION
    return s * w[1] / (s * w[1] + (1 - s) * w[0])
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_threshold(student):
    w, hint = np.array([0.5, 4.0]), "Weights made p too high. On which side of s is your threshold?"
    for s in (0.5, 0.1):
        compare(student.threshold(s, w), threshold(s, w), f"the threshold for s = {s}, w = {w},", hint=hint)


### END TESTS
