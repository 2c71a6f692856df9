"""Where do the costs of mistakes go: into the loss, or into the decision?

C[y, j] is the cost of deciding j when the truth is y: rows are the truth, columns the decisions (in Elkan's paper it is
the other way round). Two things can be done with C. One is to train on the cost that is to be expected,

    L = 1/N sum_i sum_j p_ij C[y_i, j]          y_i  label of sample i            N, K  numbers of samples, classes
                                                z_i  its K logits, p_i = softmax(z_i)

The other is to train without costs, and then to decide what costs least on average. You write the gradient of the
first and the threshold of the second. Then you repair two programs that mean well with costs.
"""

# %%
import numpy as np

import minigrad as mg
from minigrad.classroom import Wrong, compare


def softmax(z):
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


# %% [markdown]
# ## Task 1: The gradient of the expected cost (3 points)
# Write `expected_cost_backward(g, z, y, C)`: g dL/dz, shape (N, K). C has shape (K, K). Every logit changes every
# probability of its row: dp_j/dz_k is p_j (1 - p_j) for k = j, and -p_j p_k for the others.


# %%
def expected_cost_backward(g, z, y, C):
    ### BEGIN SOLUTION
    p, costs = softmax(z), C[y]
    return g * p * (costs - np.sum(p * costs, axis=1, keepdims=True)) / len(y)
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_expected_cost(student, rng):
    z, y, C = rng.normal(size=(6, 4)), rng.permutation([0, 1, 2, 3, 0, 1]), rng.uniform(1, 9, size=(4, 4))
    np.fill_diagonal(C, 0)
    mg.check_backward(
        lambda z: np.sum(softmax(z) * C[y]) / len(y),
        lambda g, z: student.expected_cost_backward(g, z, y, C),
        z,
        labels=y,
        cost_matrix=C,
    ).raise_on_failure()


### END TESTS


# %%
### BEGIN HIDDEN TESTS
def check_benefits(student):
    z, y, C = np.array([[0.5, -1, 0]]), np.array([1]), np.array([[-2.0, 1, 5], [3, -1, 4], [2, 2, -3]])
    dz, hint = student.expected_cost_backward(1.0, z, y, C), "C[y, y] counts, too: being right has a cost below 0 here."
    compare(dz, expected_cost_backward(1.0, z, y, C), "dz, for costs below 0 on the diagonal,", hint=hint)


### END HIDDEN TESTS


# %% [markdown]
# ## Task 2: The threshold (2 points)
# Two classes. Where class 1 has the probability p, the decision 1 costs (1 - p) C[0, 1] + p C[1, 1] on average. And the
# decision 0? From which p on is 1 the cheaper one? Write `threshold(C)`. The diagonal of C need not be zero.


# %%
def threshold(C):
    ### BEGIN SOLUTION
    false_alarm, miss = C[0, 1] - C[0, 0], C[1, 0] - C[1, 1]
    return false_alarm / (false_alarm + miss)
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_threshold(student, rng):
    for C in (np.array([[0.0, 1], [5, 0]]), rng.uniform([[0, 4], [7, 0]], [[1, 6], [9, 1]])):
        p, hint = student.threshold(C), "At p* both decisions cost the same. Put your p in, and compare the two."
        if np.shape(p) == () and np.isclose(p, threshold(C.T)):
            raise Wrong("The threshold is that of the transposed C", hint, "cost_transposed")
        compare(p, threshold(C), f"p* for C = {C.round(2).tolist()}", hint=hint)


### END TESTS


# %% [markdown]
# ## Task 3: A penalty (3 points)
# "What costs a lot shall be punished": somebody has added to the cross-entropy lam times the cost of the decision, the
# argmax of the logits, and to the gradient lam times the row of costs. It trains, but the gradient is wrong. How does
# the penalty change when a logit moves by a millionth? Repair the gradient. Then say what the penalty has brought.


# %%
def penalized(z, y, C, lam):
    """The loss L and its gradient dL/dz, shape (N, K)."""
    p, decision = softmax(z), z.argmax(axis=1)
    loss = np.mean(-np.log(p[np.arange(len(y)), y]) + lam * C[y, decision])
    ### BEGIN SOLUTION
    rows = p - np.eye(z.shape[1])[y]
    ### BEGIN GIVEN
    # rows = p - np.eye(z.shape[1])[y] + lam * C[y]
    ### END SOLUTION
    return loss, rows / len(y)


# %%
### BEGIN TESTS
def check_penalized(student, rng):
    z, y, C = rng.normal(size=(5, 3)), rng.permutation([0, 1, 2, 2, 1]), rng.uniform(1, 9, size=(3, 3))
    (loss, dz), right = student.penalized(z, y, C, 0.5), penalized(z, y, C, 0.5)
    compare(loss, right[0], "the loss", hint="It was right: only the gradient needs repair.")
    if np.shape(dz) == z.shape and np.allclose(dz - right[1], 0.5 * C[y] / 5):
        hint = "Draw the penalty of one sample against one of its logits. What is the slope of that line?"
        raise Wrong("The costs stand in your gradient as they are: a factor is not yet a slope", hint, "coefficient")
    mg.check_backward(
        lambda z: penalized(z, y, C, 0.5)[0], lambda g, z: g * student.penalized(z, y, C, 0.5)[1], z, labels=y
    ).raise_on_failure()


### END TESTS


# %% [markdown]
# ## Task 4: Twice (2 points)
# Two classes; C has a zero diagonal. A network was trained without weights, or with the weight C[1, 0] on samples of
# class 1 and C[0, 1] on the others: `weighted` says which. `decide` should find the cheap decisions for both, but with
# `weighted=True` it raises far too many alarms. What have the weights already done to p?


# %%
def decide(p, C, weighted):
    """Decisions, True for class 1, from probabilities p of class 1, shape (N,), as the network gives them."""
    ### BEGIN SOLUTION
    cost_of_0, cost_of_1 = (p, 1 - p) if weighted else (p * C[1, 0], (1 - p) * C[0, 1])
    ### BEGIN GIVEN
    # cost_of_0, cost_of_1 = p * C[1, 0], (1 - p) * C[0, 1]
    ### END SOLUTION
    return cost_of_1 <= cost_of_0


# %%
### BEGIN TESTS
def check_decide(student, rng):
    C, true = np.array([[0, 1.0], [5, 0]]), rng.uniform(size=200)  # the true probabilities of class 1
    compare(student.decide(true, C, False), decide(true, C, False), "the decision after training without weights")
    reported = 5 * true / (5 * true + 1 - true)  # by a network in whose training each 1 stood five times
    decisions, hint = student.decide(reported, C, True), "In how many places do the costs act now?"
    if np.array_equal(decisions, decide(reported, C, False)):
        raise Wrong("With weights in the training, the costs count twice", hint, "counted_twice")
    compare(decisions, decide(true, C, False), "the decision after training with weights", hint=hint)


### END TESTS
