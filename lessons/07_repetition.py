"""If a sample shall count ten times, may I simply copy it ten times?

A sum does not mind how it is written. With l_i the loss of sample i, and k_i a whole number,

    sum_i k_i grad l_i  =  sum over a data set in which sample i occurs k_i times of grad l

On the left k_i is a weight, on the right a number of copies; draw samples at random so that sample i is expected k_i
times, and the right side holds on average. So weighting, repeating and sampling are one idea, as long as nothing in the
training can tell a copy from a weight. We try out what can tell them apart, what it costs to draw instead of to weigh,
and when a copy should not be a copy.

The picture: on the left each mark is a split of the data in which weights and copies were both trained; the
coefficients differ by a rounding error, 1e-15, or by a few hundredths and more, and only Adam's small eps lies between.
In the middle, four ways of resampling and how far they end from weighting; a diamond is the mean of ten draws. On the
right, five sixes made into a hundred: slightly moved copies keep the label, copies that stand on their heads do not.
"""

# %%
from functools import partial

import numpy as np
import plotting
import realdata
from sklearn.metrics import recall_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

import minigrad as mg
from minigrad.data.augmentation import flip, rotate, shift

K = 10  # the weight, or the number of copies, of a malignant tumour
SPLITS, DRAWS = range(3), range(10)

# %% [markdown]
# ## The data
# Breast cancer: 30 measurements of a tumour, malignant (1) or benign (0). The test set is put aside as it is; then
# malignant ones are made rare in the training part, one for each ten benign. All is float64: what is equal on paper
# then agrees to fifteen digits, and what is not stands out.

# %%
X, y = mg.data.load_breast_cancer()
X, y = X.astype(float), 1 - y


def rare(seed):
    """Training measurements and labels, test measurements and labels; standardised by the training part."""
    X_rest, X_test, y_rest, y_test = train_test_split(X, y, test_size=0.4, stratify=y, random_state=seed)
    X_train, y_train = mg.data.imbalance(X_rest, y_rest, ratio=K, rng=seed)
    scaler = StandardScaler().fit(X_train)
    return scaler.transform(X_train), y_train, scaler.transform(X_test), y_test


def coefficients(X, y, w, optimizer, reduction="weighted_mean", first=(), batch_size=None, epochs=100):
    """Logistic regression: the change of its log-odds for each measurement, and the constant; shape (31,)."""
    mg.manual_seed(0)
    linear = mg.nn.Linear(30, 2)
    model = mg.nn.Sequential(*(layer() for layer in first), linear).astype(float)
    mg.training.fit(
        model,
        mg.losses.cross_entropy,
        (X, y, w),
        epochs=epochs,
        batch_size=batch_size or len(y),  # all samples at once, unless said otherwise
        optimizer=optimizer(model.parameters()),
        reduction=reduction,
        rng=0,
        progress=False,
    )
    W, b = (parameter.numpy() for parameter in linear.parameters())
    return np.append(W[1] - W[0], b[1] - b[0])


# %% [markdown]
# ## A weight against copies
# Train once with the weight K on each malignant tumour and once with K copies of it, from the same start. "sum" divides
# by nothing, "weighted_mean" by the sum of the weights, which K copies have too. "mean" divides by the number of rows,
# and that does change: 235 become 424. Then the loss is another one by a factor, hence its gradient, against which the
# learning rate and L2 stay as they were.

# %%
SGD, ADAM = partial(mg.optim.SGD, lr=0.1, momentum=0.9), partial(mg.optim.Adam, lr=0.01)
SETTINGS: dict = {  # name: (should it keep the law?, settings)
    "sum": (True, {"reduction": "sum", "optimizer": partial(SGD, lr=2e-4)}),
    "sum, L2": (True, {"reduction": "sum", "optimizer": partial(SGD, lr=2e-4, weight_decay=1.0)}),
    "weighted mean": (True, {"optimizer": SGD}),
    "weighted mean, L2": (True, {"optimizer": partial(SGD, weight_decay=0.01)}),
    "weighted mean, Adam": (True, {"optimizer": ADAM}),
    "mean, Adam": (True, {"reduction": "mean", "optimizer": ADAM}),  # divides a factor of the gradient out again
    "mean, Adam, L2": (False, {"reduction": "mean", "optimizer": partial(ADAM, weight_decay=0.01)}),
    "mean": (False, {"reduction": "mean", "optimizer": SGD}),
    "batches of 32": (False, {"optimizer": SGD, "batch_size": 32, "epochs": 10}),
    "dropout": (False, {"optimizer": SGD, "first": [partial(mg.nn.Dropout, 0.3)]}),
    "BatchNorm": (False, {"optimizer": SGD, "first": [partial(mg.nn.BatchNorm1d, 30)]}),
}


def distance(a, b):
    return np.linalg.norm(a - b, axis=-1) / np.linalg.norm(b)


apart = np.zeros((len(SPLITS), len(SETTINGS)))  # between the coefficients of weights and of copies
for i, seed in enumerate(tqdm(SPLITS, desc="weights against copies", unit=" splits")):
    X_train, y_train, _, _ = rare(seed)
    k = np.where(y_train == 1, K, 1)
    X_copies, y_copies = np.repeat(X_train, k, axis=0), np.repeat(y_train, k)
    for s, (_, settings) in enumerate(SETTINGS.values()):
        weighted = coefficients(X_train, y_train, k, **settings)  # sum_i k_i grad l_i
        copied = coefficients(X_copies, y_copies, np.ones(len(y_copies)), **settings)  # sum over the copies of grad l
        apart[i, s] = distance(weighted, copied)

print(f"{'weight 10 or 10 copies':22} coefficients differ by (largest of {len(SPLITS)} splits)")
for (name, (keeps, _)), worst in zip(SETTINGS.items(), apart.max(axis=0), strict=True):
    print(f"{name:22} {worst:8.0e}   {'the same' if keeps else 'not the same'}")

# %% [markdown]
# What breaks it? BatchNorm takes its mean and variance over the rows and never sees a weight. Dropout draws a mask for
# each copy, but one for a weighted sample. Mini-batches put the ten copies into ten places, so that the order differs.
# The last two are chance, and the law holds on average; BatchNorm's is another model.
#
# ## Drawing instead of weighing
# Four ways to bring both classes to the same share, each trained like the weights, with some L2 so that there is one
# solution and all of them reach it. `oversample` repeats all rows as evenly as it can, `class_balanced` draws at random
# with repetition, `undersample` leaves benign rows out, and SMOTE invents malignant ones between two neighbours.


# %%
def by_rows(sampler, X, y, rng):
    rows = sampler(y, rng=rng)
    return X[rows], y[rows]


RESAMPLING: dict = {
    "repeat evenly": partial(by_rows, mg.data.oversample),
    "SMOTE": lambda X, y, rng: mg.data.smote(X, y, rng=rng),
    "draw at random": partial(by_rows, mg.data.class_balanced),
    "undersample": partial(by_rows, mg.data.undersample),
}
solve = partial(coefficients, optimizer=partial(mg.optim.SGD, lr=0.2, momentum=0.9, weight_decay=0.01), epochs=250)
away = np.zeros((len(SPLITS), len(RESAMPLING), len(DRAWS)))  # distance of each draw from the weighted coefficients
bias, noise = np.zeros((2, len(SPLITS), len(RESAMPLING)))  # of the mean of the draws; of the draws about their mean
recall = np.zeros((len(SPLITS), len(RESAMPLING), len(DRAWS)))  # share of the malignant tumours that is found
for i, seed in enumerate(tqdm(SPLITS, desc="resampling", unit=" splits")):
    X_train, y_train, X_test, y_test = rare(seed)
    weighted = solve(X_train, y_train, mg.weighting.balanced(y_train)[y_train])
    for r, resample in enumerate(RESAMPLING.values()):
        made = [resample(X_train, y_train, rng=draw) for draw in DRAWS]
        drawn = np.array([solve(X_new, y_new, np.ones(len(y_new))) for X_new, y_new in made])
        away[i, r] = distance(drawn, weighted)
        bias[i, r] = distance(drawn.mean(axis=0), weighted)
        noise[i, r] = np.sqrt(drawn.var(axis=0, ddof=1).sum()) / np.linalg.norm(weighted)
        recall[i, r] = [recall_score(y_test, X_test @ c[:-1] + c[-1] > 0) for c in drawn]
swing = recall.std(axis=2, ddof=1).mean(axis=0)  # of the recall, from draw to draw, same training set

print(f"\n{'relative to weighting':22} bias of the mean   noise of one draw   recall swings by")
for r, name in enumerate(RESAMPLING):
    print(f"{name:22} {bias[:, r].mean():16.3f}   {noise[:, r].mean():17.3f}   {swing[r]:16.3f}")

# %% [markdown]
# A mean of ten draws has about a third of the noise of one. `class_balanced` fits that: it is unbiased to within its
# noise. SMOTE does not: its draws agree with each other and not with the weights, for it has new samples, and is
# another method. Undersampling trains on 42 rows. Its *gradient* is unbiased; what a small sample leads to is not.
#
# ## When a copy should not be a copy
# An image can be changed and keep its label. Of the sixes we keep five, of every other digit a hundred, and fill the
# sixes up to a hundred three ways: with exact copies, with copies moved by up to 2 pixels and turned by up to 15
# degrees, and with copies upside down. An upside-down 6 is a 9, and we call it 6.

# %%
images, labels, test_images, test_labels, name = realdata.handwritten()
SIXES, OTHERS, SEEDS = 5, 100, range(5)
STEPS = {
    "copies": [],
    "moved copies": [partial(shift, pixels=2), partial(rotate, degrees=15)],
    "upside down": [partial(flip, probability=1.0), partial(flip, probability=1.0, vertical=True)],
}
FILLS = ["as they are", "weight 20", *STEPS]


def few_sixes(seed):
    rng = np.random.default_rng(seed)
    kept = [rng.permutation(np.flatnonzero(labels == c))[: SIXES if c == 6 else OTHERS] for c in range(10)]
    return images[np.concatenate(kept)], labels[np.concatenate(kept)]


def recall_of_sixes(seed, X, y, w):
    model = mg.nn.Sequential(mg.nn.Flatten(), mg.models.MLP((784, 64, 10), rng=seed))
    mg.training.fit(model, mg.losses.cross_entropy, (X, y, w), epochs=15, rng=seed, progress=False)
    sixes = test_images[test_labels == 6]
    return np.mean(np.argmax(model(sixes), axis=1) == 6)


found = np.zeros((len(SEEDS), len(FILLS)))
for i, seed in enumerate(tqdm(SEEDS, desc="sixes", unit=" seeds")):
    X_few, y_few = few_sixes(seed)
    times = OTHERS // SIXES
    found[i, 0] = recall_of_sixes(seed, X_few, y_few, np.ones(len(y_few)))
    found[i, 1] = recall_of_sixes(seed, X_few, y_few, np.where(y_few == 6, times, 1))
    for f, steps in enumerate(STEPS.values(), start=2):
        more = mg.data.augment(np.repeat(X_few[y_few == 6], times - 1, axis=0), *steps, rng=seed)
        X_more, y_more = np.concatenate([X_few, more]), np.append(y_few, np.full(len(more), 6))
        found[i, f] = recall_of_sixes(seed, X_more, y_more, np.ones(len(y_more)))

print(f"\n{name}: five sixes and    share of the sixes in the test set that is found")
for f, fill in enumerate(FILLS):
    print(f"{fill:22} {found[:, f].mean():.3f} ± {found[:, f].std(ddof=1):.3f}")

# %% [markdown]
# ## The picture

# %%
figure, (left, middle, right) = plotting.panels(columns=3, width=4.3)
for s, (keeps, _) in enumerate(SETTINGS.values()):
    look = {"color": plotting.BLUE, "marker": "s"} if keeps else {"color": plotting.ORANGE, "marker": "o"}
    left.plot(apart[:, s], np.full(len(SPLITS), s), ls="", ms=7, **look)
left.text(1e-14, len(SETTINGS) - 3, "■ yes", color=plotting.BLUE)
left.text(1e-14, len(SETTINGS) - 2, "● no", color=plotting.ORANGE)
left.set(xscale="log", xlim=(1e-17, 10), xlabel="relative difference of the coefficients")
left.set_xticks([1e-15, 1e-10, 1e-5, 1])
left.set_yticks(range(len(SETTINGS)), list(SETTINGS))
left.invert_yaxis()
left.set_title("Is a weight of 10 ten copies?")
for r in range(len(RESAMPLING)):
    jitter = np.random.default_rng(r).uniform(-0.16, 0.16, away[:, r].size)
    middle.plot(away[:, r].ravel(), r + jitter, ".", color=plotting.SKY, label="one draw" if r == 0 else None)
    middle.plot(bias[:, r], np.full(len(SPLITS), r), "D", mfc="none", color=plotting.BLACK, label=None if r else "mean")
middle.set(xscale="log", xlim=(5e-4, 1.5), ylim=(3.6, -0.6), xlabel="relative distance from weighting")
middle.set_yticks(range(len(RESAMPLING)), list(RESAMPLING))
middle.set_title("Drawn instead of weighted")
middle.legend(loc="lower left", fontsize=10)
for f in range(len(FILLS)):
    right.plot(found[:, f], np.full(len(SEEDS), f), ".", color=plotting.SKY, ms=9)
    right.plot(found[:, f].mean(), f, "D", mfc="none", color=plotting.BLACK)
original = images[labels == 6][:1]
for f, steps in enumerate(STEPS.values(), start=2):
    picture = right.inset_axes([0.84, 1 - (f + 1) / len(FILLS), 0.16, 1 / len(FILLS)])
    picture.imshow(mg.data.augment(original, *steps, rng=0)[0, 0], cmap="gray_r")
    picture.set_axis_off()
right.set(xlim=(0, 1.25), ylim=(len(FILLS) - 0.4, -0.6), xlabel=f"sixes found, as a share ({name})")
right.set_xticks([0, 0.5, 1])
right.set_yticks(range(len(FILLS)), FILLS)
right.set_title("Five sixes, made into a hundred")
plotting.save(figure, "07_repetition")

# %% [markdown]
# ## What we saw
# One idea, three distances from it. Copies are weights wherever the loss is a sum over samples and is divided by what
# copies change as weights do. Random rows are weights plus noise, and SMOTE's rows are new data. A changed copy tells
# the network something that no weight can tell: on MNIST, where sixes lean and wander, that was worth more than all
# weights; on scikit-learn's digits, which are centred and upright, it was worth nothing. A false copy is label noise.
#
# What we claim holds for others too: splits 3 to 5, 6 to 8 and 10 to 12 with five new seeds each told the same.

# %%
kept = np.array([keeps for keeps, _ in SETTINGS.values()])
exact = kept & (np.array(list(SETTINGS)) != "mean, Adam")
even, smote, random, under = range(len(RESAMPLING))
by_chance = noise / np.sqrt(len(DRAWS))  # how far the mean of the draws is off by chance alone
weight, copies, moved, upside_down = found[:, 1:].T

assert apart[:, exact].max() < 1e-10, "a weight is that many copies, to rounding"
assert apart[:, kept].max() < 1e-4, "and nearly so with Adam under 'mean': its eps sees the factor"
assert apart[:, ~kept].min() > 0.01, "all else tells them apart"
assert away[:, even].max() < 0.05, "repeating evenly is weighting, but for the remainder"
assert np.all(noise[:, random] > 5 * noise[:, even]), "drawing at random adds noise"
assert bias[:, random].mean() < 2 * by_chance[:, random].mean(), "and no bias that ten draws could show"
assert bias[:, smote].mean() > 2.5 * by_chance[:, smote].mean(), "SMOTE is biased: another training set"
assert np.all(noise[:, under] > noise[:, random]), "undersampling is the noisiest"
assert abs(weight - copies).mean() < 0.15, "with images too, a weight does about what copies do"
assert (moved - copies).mean() > -0.05, "moved copies are no worse"
assert np.mean(copies - upside_down) > 0.1, "copies with a wrong label are worse than copies"
assert np.mean(found[:, 0] - upside_down) > -0.1, "and do not beat having none"
print(f"\nClaims hold over {len(SPLITS)} splits and {len(SEEDS)} seeds:")
print(f"- weight 10 = 10 copies to {apart[:, exact].max():.0e} under sum and weighted mean, with L2 and Adam too")
print(f"- 'mean', mini-batches, dropout and BatchNorm tell them apart: {apart[:, ~kept].min():.2f} or more")
for r, remark in ((random, "which is chance"), (smote, "which is not")):
    print(
        f"- {list(RESAMPLING)[r]}: noise {noise[:, r].mean():.2f}, the mean is off by {bias[:, r].mean():.2f}, {remark}"
    )
print(f"- sixes found: {copies.mean():.2f} with copies, {moved.mean():.2f} moved, {upside_down.mean():.2f} upside down")

# %% [markdown]
# ## Try it yourself
# 1. `model.eval()` fixes BatchNorm's statistics. Put `mg.nn.LayerNorm` in its place: does the law hold? Say why first.
# 2. Weights *and* `oversample` together: what ratio of the classes does the training see now?
# 3. One step with weight 10 is not ten steps with weight 1. Compare them for a learning rate of 0.01 and of 1.
# 4. Turn the zeros upside down instead of the sixes. Which digits bear it?
#
# **Exercise of this lesson:** `minigrad exercises check 07_repetition.py`. Write the copies and a gradient that
# agrees with them, go backwards through BatchNorm, which can tell the two apart, and deal with samplers.
