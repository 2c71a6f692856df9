# %% [markdown]
"""A missed case costs five times a false alarm: where do I put the five?

Either into the decision or into the training, once. C[truth, prediction] is the cost matrix, p the probability of
class 1, the one that is dear to miss. To predict 1 costs (1 - p) C[0, 1] on average, to predict 0 costs p C[1, 0] (the
diagonal is 0 here); 1 is cheaper from

    p* = C[0, 1] / (C[0, 1] + C[1, 0])          5 : 1 gives p* = 1/6

on. That rule takes p at its word, so it needs a network that was trained without costs. Or give class y the weight
w_y = sum_j C[y, j] in the loss: that shifts p, until the decision at 0.5 is the cheap one. Each does it, both together
do it twice.

The picture: on the left the cost of the same test samples against the threshold; costs in the training move the valley
to the right. In the other two panels each model is decided at 0.5 (circles) and at p* (squares): trees and
networks trained without costs gain by p*, what was weighted loses by it.
"""

# %%
from functools import partial

import numpy as np
import plotting
import realdata
from scipy.stats import loguniform
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

import minigrad as mg

SPLITS, SEARCHES = range(6), range(3)  # SEARCHES: the splits in which lambda is chosen, see below

# %% [markdown]
# ## Two tables
# German credit: 1,000 loans, 300 of them bad; a bad customer taken for good costs 5, a good one refused costs 1. The
# costs came with the data. Breast cancer: 569 tumours, 212 malignant; we say that a miss costs 10. Half of each is for
# training, half for the test.
#
# The network has 16 hidden units. Its weight decay keeps it from being too sure of itself, and p* takes p at its word:
# so the decay is chosen by log loss, a measure of probabilities, in three folds of the *training* half. A random search
# draws values from a range; a grid goes through given ones (below); a Bayesian search (Optuna, scikit-optimize)
# proposes the next value from the results so far. None of them may see the test half.

# %%
loans, bad, C_loans, loans_name = realdata.credit()
tumours, benign = mg.data.load_breast_cancer()
TABLES = {
    loans_name: (loans, bad, C_loans),
    "breast cancer, 10:1": (tumours, 1 - benign, np.array([[0.0, 1.0], [10.0, 0.0]])),
}
for name, (_, _, C) in TABLES.items():
    print(f"{name}: p* = {mg.decisions.threshold(C):.3f}")
    print(mg.decisions.show_costs(C, ["fine", "bad"]), "\n")


def network(seed, weight_decay=0.0, **settings):
    classifier = mg.estimator.NeuralClassifier((16,), weight_decay=weight_decay, random_state=seed, **settings)
    return make_pipeline(StandardScaler(), classifier)


def choose_decay(X_train, y_train, seed):
    ranges = {"neuralclassifier__weight_decay": loguniform(0.003, 0.3)}  # as many draws below 0.03 as above
    common = {"scoring": "neg_log_loss", "cv": 3, "refit": False, "random_state": seed}
    search = RandomizedSearchCV(network(seed), ranges, n_iter=4, **common).fit(X_train, y_train)
    return search.best_params_["neuralclassifier__weight_decay"]


COSTS_IN: dict = {  # for each model the place where the costs belong
    "cross-entropy": "decision",
    "cost-weighted cross-entropy": "training",
    "expected cost": "training",
    "softmax margin": "training",
    "boosted trees": "decision",
}


def models(seed, decay, C):
    """In the order of COSTS_IN."""
    yield network(seed, decay)
    yield network(seed, decay, cost_matrix=C)
    yield network(seed, decay, loss="expected_cost", cost_matrix=C)
    yield network(seed, decay, loss="softmax_margin", cost_matrix=C)
    yield GradientBoostingClassifier(n_estimators=50, max_depth=2, random_state=seed)


def cost_per_100(y, prediction, C):
    return 100 * mg.decisions.total_cost(y, prediction, C) / len(y)


def halves(name, seed):
    X, y, _ = TABLES[name]
    return train_test_split(X, y, test_size=0.5, stratify=y, random_state=seed)


# %% [markdown]
# ## Each model, decided both ways
# `bayes(p, C)` is the decision at p*: argmin_j sum_i p_i C[i, j]. Note what stays the same in the middle of this loop:
# one fit, one p, two decisions. The expected cost is sum_j p_j C[y, j], as a loss; softmax margin adds the costs to the
# logits of the wrong classes, so that a dear mistake is kept at a distance. Boosted trees are no network at all.

# %%
t = np.linspace(0.01, 0.9, 90)
cost = np.zeros((len(TABLES), len(COSTS_IN), 2, len(SPLITS)))  # [table, model, at 0.5 or at p*, split]
curve = np.zeros((2, len(SPLITS), len(t)))  # cost in the first table, of the first two models, against t
decay, between = np.zeros((2, len(TABLES), len(SPLITS)))  # between: share of the samples with p* <= p < 0.5
nobody, everybody = np.zeros((2, len(TABLES)))  # to say 0 to all, and to say 1 to all
with tqdm(total=len(TABLES) * len(SPLITS), desc="fitting", unit=" splits") as bar:
    for a, (name, (_, y, C)) in enumerate(TABLES.items()):
        nobody[a], everybody[a] = (cost_per_100(y, np.full(len(y), answer), C) for answer in (0, 1))
        for i, seed in enumerate(SPLITS):
            X_train, X_test, y_train, y_test = halves(name, seed)
            decay[a, i] = choose_decay(X_train, y_train, seed)
            for m, model in enumerate(models(seed, decay[a, i], C)):
                p = model.fit(X_train, y_train).predict_proba(X_test)
                cost[a, m, 0, i] = cost_per_100(y_test, p.argmax(axis=1), C)  # at 0.5
                cost[a, m, 1, i] = cost_per_100(y_test, mg.decisions.bayes(p, C), C)  # argmin_j sum_i p_i C[i, j]
                if m == 0:
                    between[a, i] = np.mean(p.argmax(axis=1) != mg.decisions.bayes(p, C))
                if a == 0 and m < 2:
                    curve[m, i] = [cost_per_100(y_test, p[:, 1] >= threshold, C) for threshold in t]
            bar.update()


def spread(values):
    return f"{np.mean(values):6.1f} ± {np.std(values, ddof=1):4.1f}"


for a, name in enumerate(TABLES):
    print(f"{name + ': cost per 100':32}     at 0.5          at p*       costs belong in the")
    for m, (kind, where) in enumerate(COSTS_IN.items()):
        print(f"{kind:32}{spread(cost[a, m, 0])}  {spread(cost[a, m, 1])}    {where}")
    print(f"no model at all: {nobody[a]:.0f} for 'always fine', {everybody[a]:.0f} for 'always bad'")
    print(f"cross-entropy's p lies between p* and 0.5, where the decisions differ: {between[a].mean():.0%} of the test")
    print(f"weight decay chosen: {', '.join(f'{value:.3f}' for value in decay[a])}\n")

# %% [markdown]
# ## How much of the cost in the loss? Choosing lambda
# `cost_penalty` is cross-entropy plus lambda times the expected cost. The right lambda is not in the cost matrix. A
# grid search chooses it by what the decisions at 0.5 cost in folds of the training half, again. (We widened the grid
# after a first run. At 100, cross-entropy hardly plays a part any more.)

# %%
GRID = {"neuralclassifier__loss_options": [{"lam": lam} for lam in (0.0, 1.0, 10.0, 100.0)]}
C = C_loans
score = make_scorer(partial(cost_per_100, C=C), greater_is_better=False)
in_folds, lam_cost = np.zeros((2, len(SEARCHES)))  # cost of the best lambda in the folds, and on the test half
print(f"{loans_name}: cost per 100, lambda chosen   in the folds   on the test half   cross-entropy at p*")
for i, seed in enumerate(SEARCHES):
    X_train, X_test, y_train, y_test = halves(loans_name, seed)
    penalty = network(seed, decay[0, i], loss="cost_penalty", cost_matrix=C)
    search = GridSearchCV(penalty, GRID, scoring=score, cv=3).fit(X_train, y_train)
    in_folds[i], lam_cost[i] = -search.best_score_, cost_per_100(y_test, search.predict(X_test), C)
    (best,) = search.best_params_.values()
    print(f"lambda = {best['lam']:3.0f} {in_folds[i]:37.1f} {lam_cost[i]:17.1f} {cost[0, 0, 1, i]:20.1f}")

# %% [markdown]
# ## The picture

# %%
figure, (left, *others) = plotting.panels(columns=3, width=4.3)
for m, (look, label) in enumerate((("-", "cross-entropy"), ("--", "cost-weighted"))):
    left.plot(t, curve[m].mean(axis=0), look, color=(plotting.BLUE, plotting.ORANGE)[m], lw=2, label=label)
low = curve.mean(axis=1).min()
for x, label in ((mg.decisions.threshold(C), "p*"), (0.5, "0.5")):
    left.axvline(x, color=plotting.BLACK, lw=0.8)
    left.text(x - 0.01, 0.78 * low, label, ha="right")
left.set(xlabel=f"threshold on p ({loans_name})", ylabel="cost per 100", xlim=(0, 0.9), ylim=(0.75 * low, 2.2 * low))
left.set_title("Costs in training move the valley")
left.legend(loc="lower right", fontsize=10, handlelength=1.5)
for a, axes in enumerate(others):
    for m in range(len(COSTS_IN)):
        axes.plot(cost[a, m].mean(axis=1), [m, m], "-", color=plotting.GREY, lw=1, zorder=1)
    for d, (label, color, marker) in enumerate((("at 0.5", plotting.ORANGE, "o"), ("at p*", plotting.BLUE, "s"))):
        mean, sd = cost[a, :, d].mean(axis=1), cost[a, :, d].std(axis=1, ddof=1)
        axes.errorbar(mean, range(len(COSTS_IN)), xerr=sd, color=color, marker=marker, ls="", ms=8, label=label)
    axes.set(xlim=(0, None), ylim=(len(COSTS_IN) - 0.5, -0.7), xlabel="cost per 100 (mean ± sd over splits)")
    axes.set_yticks(range(len(COSTS_IN)), [kind.replace(" cross", "\ncross") for kind in COSTS_IN] if a == 0 else [])
    axes.set_title(list(TABLES)[a])
others[0].legend(loc="lower left", fontsize=10)
plotting.save(figure, "09_costs")

# %% [markdown]
# ## What we saw
# The decision did as much as the training. At 0.5 the trees and the plain network waste what they know: on German
# credit, to call every loan bad is cheaper than either. At p* both are about as cheap as what was trained with costs,
# without a new fit, and when the costs change tomorrow p* changes with them. On tumours the network is nearly always
# sure, so that the two thresholds seldom disagree: the gain there is small, and on other splits we found none. Boosted
# trees came out about as cheap as the network on loans, and they need no scaling: on tables of this size a network has
# to earn its place.
#
# Expected cost and softmax margin were about as cheap as the others, but do not fit into the two columns. Neither is a
# log loss, so their p is no probability, and no rule says which threshold is theirs: tune it on validation data
# (lesson 8). Choosing lambda took 13 fits for each split, and did not do clearly better than one comparison with p*.
# The cost in the folds is that of the best of four values, and so too good to report.
#
# ## What we claim

# %%
ce, weighted, _, _, trees = cost.mean(axis=3).transpose(1, 2, 0)  # each [at 0.5 or at p*, table]
valley = t[curve.mean(axis=1).argmin(axis=1)]
p_star = cost[0, 0, 1, : len(SEARCHES)].mean()  # cross-entropy at p* in the splits of the search

assert np.all(trees[1] < 0.85 * trees[0]), "without costs in the training, p* is cheaper: trees, in both tables"
assert np.all((ce[1] < 0.8 * ce[0])[between.mean(axis=1) > 0.1]), "and networks, where they are often unsure"
assert np.all(ce[1] < 1.3 * ce[0]), "where they are sure, p* changes little"
assert np.all(weighted[0] < weighted[1]), "with costs in the training, 0.5 is cheaper: both is too much"
assert np.all(abs(weighted[0] - ce[1]) < 0.25 * ce[1]), "once is once: in training or in the decision, about the same"
assert valley[0] < valley[1], "costs in the training move the cheapest threshold up"
assert np.all(trees[1] < 2 * ce[1]), "boosted trees are not far from the network"
assert lam_cost.mean() > 0.7 * p_star, "lambda, chosen in folds, is not clearly better than p*"
print(f"\nClaims hold over {len(SPLITS)} splits:")
for a, name in enumerate(TABLES):
    print(f"- {name}: cost per 100 is {ce[0, a]:.0f} at 0.5, {ce[1, a]:.0f} at p*;", end=" ")
    print(f"with costs in the training {weighted[0, a]:.0f} at 0.5, {weighted[1, a]:.0f} at p*")
    print(f"  boosted trees {trees[0, a]:.0f} at 0.5, {trees[1, a]:.0f} at p*")
print(f"- {loans_name}: the cheapest threshold is {valley[0]:.2f} without costs in the training, {valley[1]:.2f} with")
print(f"- lambda chosen in folds: {lam_cost.mean():.0f} at 0.5; cross-entropy on the same splits {p_star:.0f} at p*")

# %% [markdown]
# ## Try it yourself
# 1. Let a miss cost 50. What is p*? Which models follow, and which must be trained again?
# 2. Give `NeuralClassifier` `use_costs="both"` and look for your result in the table above.
# 3. Transpose C by mistake (Elkan's paper writes it so). Which column of the table tells you?
# 4. No weight decay (`decay[a, i] = 0`): the network grows too sure of itself. What becomes of the squares, and why?
#
# **Exercise of this lesson:** `minigrad exercises check 09_costs.py`. Write the gradient of the expected cost and the
# threshold p* (the check knows the p* of a transposed C by name), and repair a penalty whose gradient is wrong and a
# decision that counts the costs twice.
