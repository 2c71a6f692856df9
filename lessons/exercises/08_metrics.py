"""What does a score say about a model that has learned nothing?

Count first, judge later. In the confusion matrix M the entry M[i, j] is the number of samples of class i that were
taken for class j; rows are the truth, columns the predictions. For one class c,

    TP  samples of c taken for c           recall_c    = TP / (TP + FN)    share of c that is found
    FN  samples of c taken for others      precision_c = TP / (TP + FP)    share of the alarms "c" that are true
    FP  samples of others taken for c      F1_c        = 2 TP / (2 TP + FP + FN)

A fraction 0 / 0 is taken for 0 here. Scores then average over classes, and how they do it decides what they can see:

    balanced accuracy  the mean of all recalls          weighted F1  the mean of the F1_c, each with the weight n_c / n
    G-mean             their geometric mean             n_c          the number of samples of class c, n that of all

You count, compute recall and F1, predict the scores of a model that does nothing, and repair an evaluation that peeks.
"""

# %%
import numpy as np

from minigrad.classroom import Wrong, compare


def f1(y, alarm):
    """F1 of class 1, from labels y, 0 or 1, and alarms, False or True."""
    right, wrong = np.sum(alarm & (y == 1)), np.sum(alarm != (y == 1))
    return 2 * right / max(2 * right + wrong, 1)


# %% [markdown]
# ## Task 1: Counting (2 points)
# Write `confusion(y, predicted, K)`: M, shape (K, K), for labels and predictions of shape (N,), whole numbers 0 .. K-1.


# %%
def confusion(y, predicted, K):
    ### BEGIN SOLUTION
    M = np.zeros((K, K), dtype=int)
    np.add.at(M, (y, predicted), 1)
    return M
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_confusion(student, rng):
    y, predicted = rng.integers(4, size=60), rng.integers(3, size=60)  # nobody is taken for class 3
    M, right = student.confusion(y, predicted, 4), confusion(y, predicted, 4)
    if np.array_equal(M, right.T):
        raise Wrong("Your matrix has the predictions in its rows", "Which index comes first?", "transpose")
    compare(M, right, "M", hint="What should be the sum of all entries? And the sum of row 0?")


### END TESTS


# %% [markdown]
# ## Task 2: Recall and F1 (3 points)
# Write `recalls(M)` and `f1_scores(M)`: arrays of shape (K,), with one entry for each class. M is a confusion matrix as
# above, not necessarily yours.


# %%
def recalls(M):
    ### BEGIN SOLUTION
    return np.diag(M) / np.maximum(M.sum(axis=1), 1)
    ### END SOLUTION


def f1_scores(M):
    ### BEGIN SOLUTION
    return 2 * np.diag(M) / np.maximum(M.sum(axis=0) + M.sum(axis=1), 1)
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_scores(student, rng):
    M, hint = np.triu(rng.integers(1, 9, size=(4, 4))), "Which sum of M is TP + FN, and which is TP + FP?"
    if np.array_equal(student.recalls(M), np.diag(M) / M.sum(axis=0)):
        raise Wrong("What `recalls` returns is the precision of each class", hint, "precision")
    compare(student.recalls(M), recalls(M), "the recall", hint=hint)
    compare(student.f1_scores(M), f1_scores(M), "F1", hint=hint + " How often is TP in the two?")


### END TESTS


# %%
### BEGIN HIDDEN TESTS
def check_classes_without_samples(student):
    M, hint = np.array([[5, 2, 0], [1, 3, 0], [0, 0, 0]]), "Class 2 is neither a truth nor a prediction here."
    compare(student.recalls(M), recalls(M), "the recall where a class is absent", hint=hint)
    compare(student.f1_scores(M), f1_scores(M), "F1 where a class is absent", hint=hint)


### END HIDDEN TESTS


# %% [markdown]
# ## Task 3: Nothing learned (2 points)
# 1,000 patients, 5 % of them ill (class 1). A model says "healthy" to all of them. Which scores does it get? Write
# three numbers, to two decimals, on paper.

# %%
### BEGIN SOLUTION
weighted_f1 = 0.93
balanced_accuracy = 0.50
g_mean = 0.00
### END SOLUTION


# %%
### BEGIN TESTS
def check_nothing_learned(student):
    M = np.array([[950, 0], [50, 0]])
    recall, weighted = recalls(M), np.sum(M.sum(axis=1) * f1_scores(M)) / M.sum()
    right = {"weighted_f1": weighted, "balanced_accuracy": recall.mean(), "g_mean": np.prod(recall) ** 0.5}
    for name, value in right.items():
        answer = getattr(student, name)
        if not isinstance(answer, (int, float)) or not abs(answer - value) <= 0.006:
            raise Wrong(f"{name} is not {answer}", "Write down M, then recall and F1 of the two classes.")


### END TESTS


# %% [markdown]
# ## Task 4: A threshold that has seen the test (3 points)
# `evaluate` looks for the threshold with the best F1, and reports it, with the F1 that it reaches on the test set. The
# reports are better than what the model then does on new patients. p are probabilities of class 1.


# %%
def evaluate(p_valid, y_valid, p_test, y_test):
    thresholds = np.linspace(0.05, 0.95, 19)
    ### BEGIN SOLUTION
    scores = [f1(y_valid, p_valid >= t) for t in thresholds]
    ### BEGIN GIVEN
    # scores = [f1(y_test, p_test >= t) for t in thresholds]
    ### END SOLUTION
    best = thresholds[np.argmax(scores)]
    return best, f1(y_test, p_test >= best)


# %%
### BEGIN TESTS
def check_evaluate(student, rng):
    hint = "Which patients choose the threshold, and which judge it? What is known when?"
    for n in (80, 120, 160):
        y_valid, y_test = rng.permutation(np.arange(n) % 8 // 7), rng.permutation(np.arange(n + 16) % 8 // 7)
        p_valid, p_test = rng.beta(1 + y_valid, 6 - y_valid), rng.beta(1 + y_test, 6 - y_test)
        threshold, score = student.evaluate(p_valid, y_valid, p_test, y_test)
        if student.evaluate(p_valid, y_valid, p_test, 1 - y_test)[0] != threshold:
            raise Wrong("The threshold changes when the labels of the test set do", hint, "tuned_on_test")
        right = evaluate(p_valid, y_valid, p_test, y_test)
        compare((threshold, score), right, "(threshold, F1)", hint=hint)


### END TESTS
