"""A missed case costs five times a false alarm: where do I put the five?

Either into the decision or into the training, once. C[truth, prediction] is the cost matrix, p the probability of
class 1, the one that is dear to miss. To predict 1 costs (1 - p) C[0, 1] on average, to predict 0 costs p C[1, 0] (the
diagonal is 0 here); 1 is cheaper from

    p* = C[0, 1] / (C[0, 1] + C[1, 0])          5 : 1 gives p* = 1/6

on. That rule takes p at its word, so it needs a network that was trained without costs. Weights w_y = sum_j C[y, j] in
the loss shift p instead, until the decision at 0.5 is the cheap one. Each does it, both together do it twice.

The picture: on the left the cost of the same loans against the threshold; without costs in the training the valley is
around p*, with costs in the training it is wide and reaches 0.5. On the right each model is decided at 0.5 (circles)
and at p* (squares): what was trained without costs gains by p*, networks and trees alike; what was weighted loses.
"""

# %%
from functools import partial

import numpy as np
import plotting
import realdata
from scipy.stats import loguniform
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

import minigrad as mg

SPLITS, SEARCHES = range(6), range(3)

# %% [markdown]
# ## Two tables
# German credit: 1,000 loans, 300 of them bad; a bad customer taken for good costs 5, a good one refused costs 1. The
# costs came with the data. Breast cancer: 569 tumours, 212 malignant; we say that a miss costs 10. Half of each is for
# training, half for the test. The network has 16 hidden units and a weight decay against being too sure of itself.

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


def network(seed, **settings):
    classifier = mg.estimator.NeuralClassifier((16,), weight_decay=0.03, random_state=seed, **settings)
    return make_pipeline(StandardScaler(), classifier)


MODELS: dict = {  # name: (where the costs are, the model that spends them there)
    "cross-entropy": ("decision", lambda seed, C: network(seed)),
    "cost-weighted cross-entropy": ("training", lambda seed, C: network(seed, cost_matrix=C)),
    "expected cost": ("training", lambda seed, C: network(seed, loss="expected_cost", cost_matrix=C)),
    "softmax margin": ("training", lambda seed, C: network(seed, loss="softmax_margin", cost_matrix=C)),
    "boosted trees": (
        "decision",
        lambda seed, C: GradientBoostingClassifier(n_estimators=50, max_depth=2, random_state=seed),
    ),
}


def cost_per_100(y, prediction, C):
    return 100 * mg.decisions.total_cost(y, prediction, C) / len(y)


def halves(name, seed):
    X, y, _ = TABLES[name]
    return train_test_split(X, y, test_size=0.5, stratify=y, random_state=seed)


# %% [markdown]
# ## Each model, decided both ways
# `bayes(p, C)` is the decision at p*: argmin_j sum_i p_i C[i, j]. Note what stays the same in the middle of this loop:
# one fit, one p, two decisions.

# %%
t = np.linspace(0.01, 0.9, 90)
cost = np.zeros((len(TABLES), len(MODELS), 2, len(SPLITS)))  # [table, model, at 0.5 or at p*, split]
curve = np.zeros((2, len(SPLITS), len(t)))  # cost of the first table's loans, of the first two models, against t
nobody, everybody = np.zeros((2, len(TABLES)))  # to say 0 to all, and to say 1 to all
with tqdm(total=len(TABLES) * len(SPLITS), desc="fitting", unit=" splits") as bar:
    for a, (name, (_, y, C)) in enumerate(TABLES.items()):
        nobody[a], everybody[a] = (cost_per_100(y, np.full(len(y), answer), C) for answer in (0, 1))
        for i, seed in enumerate(SPLITS):
            X_train, X_test, y_train, y_test = halves(name, seed)
            for m, (_, model) in enumerate(MODELS.values()):
                p = model(seed, C).fit(X_train, y_train).predict_proba(X_test)
                cost[a, m, 0, i] = cost_per_100(y_test, p.argmax(axis=1), C)  # at 0.5
                cost[a, m, 1, i] = cost_per_100(y_test, mg.decisions.bayes(p, C), C)  # argmin_j sum_i p_i C[i, j]
                if a == 0 and m < 2:
                    curve[m, i] = [cost_per_100(y_test, p[:, 1] >= threshold, C) for threshold in t]
            bar.update()


def spread(values):
    return f"{np.mean(values):6.1f} ± {np.std(values, ddof=1):4.1f}"


for a, name in enumerate(TABLES):
    print(f"{name + ': cost per 100':32}     at 0.5          at p*       costs belong in the")
    for m, (kind, (where, _)) in enumerate(MODELS.items()):
        print(f"{kind:32}{spread(cost[a, m, 0])}  {spread(cost[a, m, 1])}    {where}")
    print(f"no model at all: {nobody[a]:.0f} for 'always fine', {everybody[a]:.0f} for 'always bad'\n")

# %% [markdown]
# ## How much of the cost in the loss? Choosing lambda
# `cost_penalty` is cross-entropy plus lambda times the expected cost: one unit of cost is worth lambda nats. The right
# lambda is not in the cost matrix, so it is chosen by what mistakes cost on samples that were not trained on: folds of
# the *training* half. A grid goes through given values. A random search draws several settings at once, each from its
# range, and for the same number of fits sees more values of each; a Bayesian search (Optuna, scikit-optimize) uses the
# results so far to propose the next setting. All three hand their choice to the same judge: the test half.


# %%
def searches(seed, C):
    score = make_scorer(partial(cost_per_100, C=C), greater_is_better=False)
    common = {"scoring": score, "cv": StratifiedKFold(3, shuffle=True, random_state=seed)}
    penalty = network(seed, loss="cost_penalty", loss_options={"lam": 1.0}, cost_matrix=C)
    decided = network(seed, cost_matrix=C, use_costs="decision")
    grid = {"neuralclassifier__loss_options__lam": [0.0, 1.0, 10.0, 100.0]}
    ranges = {
        "neuralclassifier__weight_decay": loguniform(0.003, 0.3),  # as many draws from 0.003 to 0.03 as from there on
        "neuralclassifier__hidden": [(), (8,), (16,), (64,)],
    }
    yield "lambda of cost_penalty, grid, at 0.5", GridSearchCV(penalty, grid, **common)
    yield "size and decay, random, at p*", RandomizedSearchCV(decided, ranges, n_iter=6, random_state=seed, **common)


C = TABLES[loans_name][2]
searched: dict = {}  # name: for each split the cost in the folds, and on the test half
for seed in tqdm(SEARCHES, desc="searching", unit=" splits"):
    X_train, X_test, y_train, y_test = halves(loans_name, seed)
    for name, search in searches(seed, C):
        search.fit(X_train, y_train)
        test = cost_per_100(y_test, search.predict(X_test), C)
        searched.setdefault(name, []).append((-search.best_score_, test))
        print(f"{name:38} chose", *(f"{key.split('__')[-1]} = {value}" for key, value in search.best_params_.items()))
print(f"\n{loans_name + ': cost per 100':38} in the folds   on the test half")
for name, pairs in searched.items():
    folds, tests = np.transpose(pairs)
    print(f"{name:38}{spread(folds)}  {spread(tests)}")

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
left.set(xlabel="threshold on the network's p", ylabel="cost per 100", xlim=(0, 0.9), ylim=(0.75 * low, 2.2 * low))
left.set_title(f"Costs in training move the valley ({loans_name})")
left.legend(loc="lower right", fontsize=10, handlelength=1.5)
for a, axes in enumerate(others):
    for m in range(len(MODELS)):
        axes.plot(cost[a, m].mean(axis=1), [m, m], "-", color=plotting.GREY, lw=1, zorder=1)
    for d, (label, color, marker) in enumerate((("at 0.5", plotting.ORANGE, "o"), ("at p*", plotting.BLUE, "s"))):
        mean, sd = cost[a, :, d].mean(axis=1), cost[a, :, d].std(axis=1, ddof=1)
        axes.errorbar(mean, range(len(MODELS)), xerr=sd, color=color, marker=marker, ls="", ms=8, label=label)
    axes.set(xlim=(0, None), ylim=(len(MODELS) - 0.5, -0.7), xlabel="cost per 100 (mean ± sd over splits)")
    axes.set_yticks(range(len(MODELS)), [name.replace(" cross", "\ncross") for name in MODELS] if a == 0 else [])
    axes.set_title(list(TABLES)[a])
others[0].legend(loc="lower left")
plotting.save(figure, "09_costs")

# %% [markdown]
# ## What we saw
# The decision did more than the model. At 0.5 the trees and the plain network waste what they know: for German credit,
# to call every loan bad is cheaper. At p* both are as cheap as anything here, without a new fit, and when the costs
# change tomorrow p* changes with them. Boosted trees came out about as cheap as the network on loans and somewhat
# dearer on tumours, and they need no scaling: on tables of this size a network has to earn its place.
#
# Expected cost and softmax margin were as cheap as the others, but do not fit into the two columns. Neither is a log
# loss, so their p is no probability, and no rule says which threshold is theirs: tune it on validation data (lesson 8).
#
# The searches cost many fits and gave little that p* had not given before. `lambda` does by training what p* does with
# one comparison, and here not as well. The cost in the folds is that of the best of several and so too good to report.
#
# ## What we claim

# %%
ce, weighted, _, _, trees = cost.mean(axis=3).transpose(1, 2, 0)  # each [at 0.5 or at p*, table]
valley = t[curve.mean(axis=1).argmin(axis=1)]
lam, random = (np.mean(pairs, axis=0)[1] for pairs in searched.values())

assert np.all(ce[1] < 0.85 * ce[0]), "without costs in the training, deciding at p* is cheaper, in both tables"
assert np.all(weighted[0] < 0.97 * weighted[1]), "with costs in the training, 0.5 is cheaper: both is too much"
assert np.all(abs(weighted[0] - ce[1]) < 0.25 * ce[1]), "once is once: in training or in the decision, about the same"
assert valley[0] + 0.05 < valley[1], "costs in the training move the cheapest threshold up"
assert np.all(trees[1] < 0.85 * trees[0]), "boosted trees gain by p* just as much"
assert np.all(trees[1] < 2 * ce[1]), "and are not far from the network"
assert lam < 1.15 * ce[0, 0], "lambda, chosen by cost, does no harm at 0.5"
assert 0.6 < random / ce[1, 0] < 1.4, "and a search ends near p* alone, on either side"
print(f"\nClaims hold over {len(SPLITS)} splits:")
for a, name in enumerate(TABLES):
    print(
        f"- {name}: cost per 100 is {ce[0, a]:.0f} at 0.5, {ce[1, a]:.0f} at p*, {weighted[0, a]:.0f} weighted",
        end=", ",
    )
    print(f"{weighted[1, a]:.0f} with both; boosted trees {trees[0, a]:.0f} at 0.5, {trees[1, a]:.0f} at p*")
print(
    f"- the cheapest threshold is {valley[0]:.2f} without costs in the training (p* {1 / 6:.2f}), {valley[1]:.2f} with"
)
print(f"- lambda chosen in folds: {lam:.0f} at 0.5; size and decay chosen in folds: {random:.0f} at p*")

# %% [markdown]
# ## Try it yourself
# 1. Let a miss cost 50. What is p*? Which models follow, and which must be trained again?
# 2. Give `NeuralClassifier` `use_costs="both"` and look for your result in the table above.
# 3. Transpose C by mistake (Elkan's paper writes it so). Which column of the table tells you?
# 4. `weight_decay=0`: the network grows too sure of itself. What becomes of the squares, and why?
#
# **Exercise of this lesson:** `minigrad exercises check 09_costs.py`. Write the gradient of the expected cost and the
# threshold p*, and repair a penalty that changes nothing and a decision that counts the costs twice.
