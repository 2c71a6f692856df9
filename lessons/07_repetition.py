# %% [markdown]
"""If a sample shall count ten times, may I simply copy it ten times?

A sum does not mind how it is written. With l_i the loss of sample i, and k_i a whole number,

    sum_i k_i grad l_i  =  sum over a data set in which sample i stands k_i times of grad l

On the left k_i is a weight, on the right a number of copies. Draw samples at random, so that sample i is expected k_i
times, and the two sides agree on average. So weighting, repeating and sampling are one idea, as long as nothing in the
training can tell a copy from a weight. We look for what can tell them apart, measure what it costs to draw instead of
to weigh, and see when a copy should not be a copy.

The picture: on the left each mark is one data set on which weights and copies were both tried. The coefficients differ
by a rounding error, about 1e-15, or by a few hundredths and more, and by nothing between. On the right, four ways of
resampling and how far from weighting they end: a dot is one draw, a diamond the mean of ten draws.
"""

# %%
from functools import partial

import numpy as np
import plotting
import realdata
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

import minigrad as mg
from minigrad.data.augmentation import rotate, shift

K = 10  # how often a sample of the rare class counts, in all of this lesson
SEEDS, DRAWS = range(3), range(10)

# %% [markdown]
# ## A weight against copies
# Breast cancer: 30 measurements of a tumour, malignant (1) or benign (0). For each seed we keep one malignant tumour
# for each ten benign ones. Logistic regression is trained once with the weight 10 on each malignant tumour, and once
# with 10 copies of it, from the same start. All is float64: what is equal on paper then agrees to fifteen digits.
#
# `reduction` says by what the sum over the batch is divided: "sum" by nothing, "weighted_mean" by the sum of the
# weights, "mean" by the number of rows. Copies add rows, weights do not: under "mean" the losses differ by a factor.


# %%
def rare(seed):
    X, y = mg.data.load_breast_cancer()
    X, y = mg.data.imbalance(X.astype(float), 1 - y, ratio=K, rng=seed)
    return StandardScaler().fit_transform(X), y


SGD = partial(mg.optim.SGD, lr=0.1, momentum=0.9)
L2 = partial(SGD, weight_decay=0.01)


def coefficients(X, y, w, optimizer=SGD, reduction="weighted_mean", first=(), batch_size=1000):
    """The 30 slopes of the log-odds and their constant. A batch of 1000 is more than all samples."""
    mg.manual_seed(0)
    linear = mg.nn.Linear(30, 2)
    model = mg.nn.Sequential(*(layer() for layer in first), linear).astype(float)
    how: dict = {"batch_size": batch_size, "optimizer": optimizer(model.parameters()), "reduction": reduction}
    mg.training.fit(model, mg.losses.cross_entropy, (X, y, w), epochs=100, rng=0, progress=False, **how)
    W, b = (parameter.numpy() for parameter in linear.parameters())
    return np.append(W[1] - W[0], b[1] - b[0])


def distance(a, b):
    return np.linalg.norm(a - b, axis=-1) / np.linalg.norm(b)


SETTINGS: dict = {
    "sum": {"reduction": "sum", "optimizer": partial(SGD, lr=2e-4)},  # smaller, for a sum is some hundred means
    "weighted mean": {},
    "weighted mean, L2": {"optimizer": L2},
    "weighted mean, Adam": {"optimizer": partial(mg.optim.Adam, lr=0.01)},
    "mean": {"reduction": "mean"},
    "batches of 64": {"batch_size": 64},
    "dropout": {"first": [partial(mg.nn.Dropout, 0.3)]},
    "BatchNorm": {"first": [partial(mg.nn.BatchNorm1d, 30)]},
}
apart = np.zeros((len(SEEDS), len(SETTINGS)))
for i, seed in enumerate(tqdm(SEEDS, desc="weights against copies", unit=" seeds")):
    X, y = rare(seed)
    k = np.where(y == 1, K, 1)
    X_copies, y_copies = np.repeat(X, k, axis=0), np.repeat(y, k)
    for s, settings in enumerate(SETTINGS.values()):
        weighted = coefficients(X, y, k, **settings)  # sum_i k_i grad l_i
        copied = coefficients(X_copies, y_copies, np.ones(len(y_copies)), **settings)  # sum over the copies of grad l
        apart[i, s] = distance(weighted, copied)

print("weight 10 or 10 copies   coefficients differ by (smallest and largest of the seeds)")
for name, values in zip(SETTINGS, apart.T, strict=True):
    print(f"{name:22} {values.min():10.0e} {values.max():10.0e}")

# %% [markdown]
# What breaks the law? Under "mean", weights and copies are two different losses. BatchNorm takes its mean and variance
# over the rows and never sees a weight: another model. The other two are chance. Dropout draws a mask for each copy,
# but one mask for a weighted sample; mini-batches put the ten copies into different batches.
#
# ## Drawing instead of weighing
# Four ways to bring both classes to the same share, all with the L2 of above. `oversample` repeats rows as evenly as it
# can, `class_balanced` draws rows at random with repetition, `undersample` leaves benign rows out, and SMOTE invents
# malignant rows between two neighbours. What is chance averages out: if there is nothing else, the mean of ten draws is
# about 1 / sqrt(10) = 0.32 times as far from the weighted coefficients as one draw. What is not chance stays.


# %%
def by_rows(sampler, X, y, rng):
    rows = sampler(y, rng=rng)
    return X[rows], y[rows]


RESAMPLING: dict = {
    "repeat evenly": partial(by_rows, mg.data.oversample),
    "draw at random": partial(by_rows, mg.data.class_balanced),
    "undersample": partial(by_rows, mg.data.undersample),
    "SMOTE": mg.data.smote,
}
away = np.zeros((len(SEEDS), len(RESAMPLING), len(DRAWS)))  # distance from weighting, of each draw
away_mean = np.zeros((len(SEEDS), len(RESAMPLING)))  # and of the mean of the draws
for i, seed in enumerate(tqdm(SEEDS, desc="resampling", unit=" seeds")):
    X, y = rare(seed)
    weighted = coefficients(X, y, mg.weighting.balanced(y)[y], optimizer=L2)
    for r, resample in enumerate(RESAMPLING.values()):
        made = [resample(X, y, rng=draw) for draw in DRAWS]
        drawn = np.array([coefficients(X_new, y_new, np.ones(len(y_new)), optimizer=L2) for X_new, y_new in made])
        away[i, r], away_mean[i, r] = distance(drawn, weighted), distance(drawn.mean(axis=0), weighted)
one, ten = away.mean(axis=(0, 2)), away_mean.mean(axis=0)

print("\ndistance from weighting   one draw   mean of ten   ratio")
for r, name in enumerate(RESAMPLING):
    print(f"{name:22} {one[r]:11.3f} {ten[r]:13.3f} {ten[r] / one[r]:7.2f}")

# %% [markdown]
# ## When a copy should not be a copy
# An image can be changed and keep its label. We keep ten sixes and a hundred of every other digit, and let each six
# count ten times: by a weight; by copies; by copies moved up to 2 pixels and turned up to 15 degrees, still sixes; and
# by copies turned upside down, which are nines that we call six. The test set stays as it is.

# %%
images, labels, test_images, test_labels, data_name = realdata.handwritten()
test_sixes = test_images[test_labels == 6]
CHANGES = {
    "copies": lambda X, seed: X,
    "moved copies": lambda X, seed: mg.data.augment(X, partial(shift, pixels=2), partial(rotate, degrees=15), rng=seed),
    "upside-down copies": lambda X, seed: X[:, :, ::-1, ::-1],
}
FILLS = ["ten sixes", "weight 10", *CHANGES]


def found_sixes(seed, X, y, w):
    """The share of the sixes in the test set that a small network finds."""
    model = mg.nn.Sequential(mg.nn.Flatten(), mg.models.MLP((784, 64, 10), rng=seed))
    mg.training.fit(model, mg.losses.cross_entropy, (X, y, w), epochs=15, rng=seed, progress=False)
    return np.mean(np.argmax(model(test_sixes), axis=1) == 6)


found = np.zeros((len(SEEDS), len(FILLS)))
for i, seed in enumerate(tqdm(SEEDS, desc="sixes", unit=" seeds")):
    order = np.random.default_rng(seed).permutation(len(labels))
    few = np.concatenate([order[labels[order] == c][: 10 if c == 6 else 100] for c in range(10)])
    X, y = images[few], labels[few]
    found[i, 0] = found_sixes(seed, X, y, np.ones(len(y)))
    found[i, 1] = found_sixes(seed, X, y, np.where(y == 6, K, 1))
    for f, change in enumerate(CHANGES.values(), start=2):
        more = change(np.repeat(X[y == 6], K - 1, axis=0), seed)
        X_more, y_more = np.concatenate([X, more]), np.append(y, np.full(len(more), 6))
        found[i, f] = found_sixes(seed, X_more, y_more, np.ones(len(y_more)))

print(f"\n{data_name:24} sixes found (mean ± sd)")
for f, fill in enumerate(FILLS):
    print(f"{fill:24} {found[:, f].mean():.3f} ± {found[:, f].std(ddof=1):.3f}")

# %% [markdown]
# ## The picture

# %%
figure, (left, right) = plotting.panels(columns=2)
for s in range(len(SETTINGS)):
    look = {"color": plotting.BLUE, "marker": "s"} if s < 4 else {"color": plotting.ORANGE, "marker": "o"}
    left.plot(apart[:, s], np.full(len(SEEDS), s), ls="", ms=7, **look)
left.text(1e-13, 1.6, "a weight is copies", color=plotting.BLUE)
left.text(1e-3, 5.6, "it is not", color=plotting.ORANGE, ha="right")
left.set(xscale="log", xlim=(1e-17, 10), xlabel="relative difference of the coefficients")
left.set_xticks([1e-15, 1e-10, 1e-5, 1])
left.set_yticks(range(len(SETTINGS)), list(SETTINGS))
left.invert_yaxis()
left.set_title("Weight 10 against 10 copies")
for r in range(len(RESAMPLING)):
    height = np.random.default_rng(r).uniform(r - 0.16, r + 0.16, away[:, r].size)
    right.plot(away[:, r].ravel(), height, ".", color=plotting.SKY, label=None if r else "one draw")
    right.plot(away_mean[:, r], [r] * len(SEEDS), "D", mfc="none", mec=plotting.BLACK, label=None if r else "mean")
right.set(xscale="log", xlim=(5e-4, 1.5), ylim=(3.6, -0.6), xlabel="relative distance from weighting")
right.set_yticks(range(len(RESAMPLING)), list(RESAMPLING))
right.set_title("Drawn instead of weighted")
right.legend(loc="center left", fontsize=10)
plotting.save(figure, "07_repetition")

# %% [markdown]
# ## What we saw
# Copies are weights wherever the loss is a sum over samples, divided by nothing or by the sum of the weights. Random
# rows are weights plus noise. Undersampling keeps one benign row in ten: it is the noisiest, and its mean stays off,
# for the average of ten solutions is not the solution for all the data. SMOTE's draws agree with each other more than
# with the weights: its rows are new data. A changed copy can tell the network what no weight can. Moved copies were a
# large gain on MNIST, where sixes lean and wander, and none on scikit-learn's digits, which are centred and upright.
# A false copy is label noise.
#
# ## What we claim

# %%
law, broken = apart[:, :4], apart[:, 4:]
even, random, under, smote = range(len(RESAMPLING))
ratio = ten / one
plain, weight, copies, moved, upside_down = found.mean(axis=0)

assert law.max() < 1e-10, "a weight is that many copies, to rounding"
assert broken.min() > 0.01, "'mean', mini-batches, dropout and BatchNorm tell them apart"
assert away[:, even].max() < 0.05, "repeating evenly is weighting, but for the remainder"
assert one[random] > 5 * one[even], "drawing at random adds noise"
assert ratio[random] < 0.45, "which averages out"
assert ratio[smote] > 0.6, "SMOTE's difference is no noise: it does not"
assert one[under] > one[random], "undersampling is the noisiest"
assert abs(weight - copies) < 0.1, "with images too, a weight does about what copies do"
assert weight > plain + 0.02, "and helps"
assert moved > copies - 0.05, "moved copies are no worse"
assert upside_down < copies - 0.1, "copies with a wrong label are worse than true ones"
print(f"\nClaims hold over {len(SEEDS)} seeds:")
print(f"- weight 10 = 10 copies to {law.max():.0e} under sum and weighted mean, with L2 and with Adam")
print(f"- 'mean', mini-batches, dropout and BatchNorm tell them apart: {broken.min():.2f} or more")
print(f"- one random draw is {one[random]:.2f} away from weighting, the mean of ten {ten[random]:.2f}: noise")
print(f"- one draw of SMOTE is {one[smote]:.2f} away, the mean of ten {ten[smote]:.2f}: other data")
print(f"- sixes found: {copies:.2f} with copies, {moved:.2f} moved, {upside_down:.2f} upside down")

# %% [markdown]
# ## Try it yourself
# 1. Put `mg.nn.LayerNorm` in BatchNorm's place: does the law hold? Say why first.
# 2. Weights *and* `oversample` together: what ratio of the classes does the training see now?
# 3. One step with weight 10 is not ten steps with weight 1. Compare them for a learning rate of 0.01 and of 1.
# 4. Turn the zeros upside down instead of the sixes. Which digits bear it?
#
# **Exercise of this lesson:** `minigrad exercises check 07_repetition.py`. Write the copies and a gradient that agrees
# with them, go backwards through BatchNorm, which can tell the two apart, find the weights that a sampler asks for, and
# repair a program in which a sample counts a hundred times instead of ten.
