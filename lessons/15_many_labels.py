# %% [markdown]
"""F1 is what we report: why not train on F1 itself?

An image may show several things at once. Then each label c is a yes or no of its own: a logit z_c, a probability
p_c = sigmoid(z_c), a target t_c of 0 or 1. Take one label, and number the images of a batch by i. Its F1 is

    F1 = 2 TP / (2 TP + FP + FN) = 2 sum_i h_i t_i / (sum_i h_i + sum_i t_i)

    h_i         1 where z_i > 0 (p_i > 0.5: the label is called), else 0
    TP, FP, FN  true positives, false positives, false negatives

h is a step: flat nearly everywhere, so its gradient is 0 and nothing is learned. Put p_i for h_i and there is a
gradient: soft F1 (also called Dice). But a ratio of sums is not a mean of losses. Which gradient an image gets depends
on who else is in its batch, and the mean over batches is not the value of the whole.

Two other losses stay sums and weigh their terms: asymmetric loss (ASL, Ridnik et al. 2021) turns down negatives that
are easy, distribution-balanced loss (DB, Wu et al. 2020) weighs by how rare a label is among the labels of its image.

The picture: left, the loss of a rare label as the mean over batches, against the batch size: soft F1 is far off in
small batches, cross-entropy is the same in all. Right, the F1 of each label: plain cross-entropy misses the rare ones;
ASL finds more of them, and so does cross-entropy itself, once its threshold is tuned.
"""

# %%
from functools import partial

import numpy as np
import plotting
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import minigrad as mg

F = mg.nn.functional
K = 10
SEEDS = range(5)
EPOCHS, BATCH = 40, 128

# %% [markdown]
# ## The data
# Two digits side by side; the labels are the digits that are seen. Training pairs are drawn from long-tailed digits
# (ten zeros for each nine), validation and test pairs from digits as they come. There are two imbalances: *between*
# labels, and *within* a label, negatives against positives. The second is there for every label.

# %%
X, y = mg.data.load_digits()
X = X.reshape(-1, 1, 8, 8)


def pairs(seed):
    """Training, validation and test pairs, each (images flattened to 128 pixels, labels (N, 10))."""
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.4, stratify=y, random_state=seed)
    X_train, X_val, y_train, y_val = train_test_split(X_train, y_train, test_size=0.3, random_state=seed)
    rng = np.random.default_rng(seed)
    train = mg.data.imbalance(X_train, y_train, kind="longtail", ratio=10, rng=rng)
    parts = [(*train, 3000), (X_val, y_val, 2000), (X_test, y_test, 3000)]
    drawn = [mg.data.two_digits(*part, rng=rng) for part in parts]
    return [(images.reshape(len(images), -1), Y) for images, Y in drawn]


(X_train, Y_train), _, (X_test, Y_test) = pairs(SEEDS[0])
share = Y_train.mean(axis=0)
print("digit                        ", *(f"{c:5}" for c in range(K)))
print("share of the training images ", *(f"{s:5.2f}" for s in share))
print("negatives for each positive  ", *(f"{(1 - s) / s:5.1f}" for s in share))

# %% [markdown]
# ## Hard F1 has no gradient, soft F1 has one
# h = (sign z + 1) / 2. `np.sign` is a function like any other to the engine: its derivative is 0, and so is every
# product with it.


# %%
def soft_f1(p, t):
    """F1 with p for h, one number per label. p and t have shape (N, K)."""
    return 2 * np.sum(p * t, axis=0) / (np.sum(p, axis=0) + np.sum(t, axis=0))  # 2 sum_i p_i t_i / (sum p_i + sum t_i)


z = mg.tensor(np.random.default_rng(0).normal(size=(64, K)), requires_grad=True)
t = Y_train[:64].astype(float)
hard_gradient = mg.grad(np.mean(soft_f1((np.sign(z) + 1) / 2, t)), z)
soft_gradient = mg.grad(np.mean(soft_f1(F.sigmoid(z), t)), z)
print(f"\nLargest entry of the gradient: hard F1 {np.abs(hard_gradient.data).max():.1f}, ", end="")
print(f"soft F1 {np.abs(soft_gradient.data).max():.4f}")


# %% [markdown]
# ## Four losses
# `mg.losses.soft_f1` puts all labels into the same sums ("micro"). We want every label to count alike: the mean over
# the labels of 1 - soft F1 ("macro"). The 1 above and below keeps a batch without positives from being 0/0. The other
# losses have minigrad's default settings. In DB, softplus(x) = log(1 + exp x); r weighs the label against the other
# labels of its image, and v is a shift, negative for a rare label.


# %%
def macro_soft_f1(z, t, reduction="mean"):
    if reduction != "mean":
        raise ValueError("soft F1 is one number per batch: it can only be a mean")
    p = F.sigmoid(z)
    return np.mean(1 - (2 * np.sum(p * t, axis=0) + 1) / (np.sum(p, axis=0) + np.sum(t, axis=0) + 1))


def losses(Y):
    return {
        "cross-entropy": mg.losses.binary_cross_entropy,  # l = -t log p - (1 - t) log(1 - p)
        "ASL": mg.losses.asymmetric,  # l = -t (1 - p) log p - (1 - t) q^4 log(1 - q), q = max(p - 0.05, 0)
        # l = r (t softplus(-(z - v)) + (1 - t) softplus(2 (z - v)) / 2)
        "DB": partial(mg.losses.distribution_balanced, counts=Y.sum(axis=0), total=len(Y)),
        "soft F1": macro_soft_f1,
    }


# %% [markdown]
# ## Training
# All with the same network, rate and number of epochs. A label is called where p > 0.5. For cross-entropy we also tune
# the threshold of each label, on the validation pairs: so that the test set is asked only once.

# %%
THRESHOLDS = np.arange(0.02, 0.99, 0.02)


def f1(p, Y, threshold=0.5):
    """F1 of each label, shape (K,)."""
    return f1_score(Y, p > threshold, average=None, zero_division=0)


NAMES = (*losses(Y_train), "cross-entropy, tuned")
score = np.zeros((len(SEEDS), len(NAMES), K))
with tqdm(total=len(SEEDS) * (len(NAMES) - 1), desc="training", unit=" networks") as bar:
    for i, seed in enumerate(SEEDS):
        (X_train, Y_train), (X_val, Y_val), (X_test, Y_test) = pairs(seed)
        for m, (name, loss) in enumerate(losses(Y_train).items()):
            mg.manual_seed(seed)
            model = mg.models.MLP((128, 64, K))
            mg.training.fit(
                model, loss, (X_train, Y_train), epochs=EPOCHS, batch_size=BATCH,
                optimizer=mg.optim.Adam(model.parameters(), lr=0.003), rng=seed, progress=False,
            )  # fmt: skip
            p_val, p_test = (F.sigmoid(model(mg.tensor(part))).numpy() for part in (X_val, X_test))
            score[i, m] = f1(p_test, Y_test)
            if name == "cross-entropy":
                best = np.argmax([f1(p_val, Y_val, t) for t in THRESHOLDS], axis=0)
                score[i, -1] = f1(p_test, Y_test, THRESHOLDS[best])
                if i == 0:
                    rare, truth = model(mg.tensor(X_test)).numpy()[:, 9], Y_test[:, 9]  # for the next cell
            bar.update()

# %% [markdown]
# ## The mean over batches is not the whole
# One network (cross-entropy, first seed), the test pairs, label nine alone: its cross-entropy and its soft-F1 loss,
# 1 - soft F1, averaged over batches. A batch without a nine has nothing to hit: its soft-F1 loss is 1, whatever the
# network says. And small batches often have none.

# %%
SIZES = (4, 10, 30, 100, 300, 1000, 3000)  # divisors of 3,000


def mean_over_batches(loss, z, t, size):
    return np.mean([loss(z[a : a + size], t[a : a + size]) for a in range(0, len(t), size)])


by_size = np.array(
    [[mean_over_batches(loss, rare, truth, size) for size in SIZES]
     for loss in (mg.losses.binary_cross_entropy, mg.losses.soft_f1)]
)  # fmt: skip

# %% [markdown]
# ## The table
# Mean ± standard deviation over the seeds.


# %%
def spread(values, sign=""):
    return f"{np.mean(values):{sign}.3f} ± {np.std(values, ddof=1):.3f}"


print("\n                        F1, mean over the labels")
print("                        all ten          digits 0 to 2    digits 7 to 9")
for m, name in enumerate(NAMES):
    parts = (score[:, m, labels].mean(axis=1) for labels in (slice(None), slice(0, 3), slice(7, 10)))
    print(f"{name:22}", *(f" {spread(part)} " for part in parts))
print("\nlabel nine, batch size  ", *(f"{size:6}" for size in SIZES))
for name, values in zip(("cross-entropy", "soft-F1 loss"), by_size, strict=True):
    print(f"{name:24}", *(f"{value:6.3f}" for value in values))

# %% [markdown]
# Every gradient of soft F1 passes through dp/dz = p (1 - p), which is near 0 where p is near 0 or 1, right or wrong.
# (In cross-entropy this factor cancels: its gradient is p - t.) A label that the network has learned to deny may never
# come back: look at the spread of soft F1 for the rare labels.
#
# ## The picture

# %%
figure, (left, right) = plotting.panels(columns=2)
left.plot(SIZES, by_size[1], "-o", color=plotting.VERMILION, label="soft-F1 loss")
left.plot(SIZES, by_size[0], "--s", color=plotting.BLACK, label="cross-entropy")
left.axhline(by_size[1, -1], color=plotting.GREY, ls=":", lw=1.2)
left.text(4, by_size[1, -1] - 0.015, "soft-F1 loss of the whole", color=plotting.GREY, va="top", fontsize=9.5)
left.set_title("Soft F1: the mean of batches is not the whole")
left.set(xscale="log", xlabel="images in a batch (log scale)", ylabel="loss of label nine, mean over the batches")
left.set_ylim(0, max(0.8, 1.05 * by_size.max()))
left.legend(fontsize=10, loc="lower right")
LOOKS = (
    ("o", "-", plotting.BLACK), ("s", "--", plotting.ORANGE), ("^", ":", plotting.GREEN),
    ("v", ":", plotting.VERMILION), ("D", "-.", plotting.BLUE),
)  # fmt: skip
for m, (marker, line, colour) in enumerate(LOOKS):
    right.plot(range(K), score[:, m].mean(axis=0), line, marker=marker, ms=5, color=colour, label=NAMES[m])
right.set_title("Rare labels: tuning does as much as ASL")
right.set(xlabel="digit, and below it its share in % (training)", ylabel="F1 on the test set", ylim=(0.4, 1))
right.set_xticks(range(K), [f"{c}\n{100 * s:.0f}" for c, s in enumerate(share)])
right.legend(fontsize=9.5, loc="lower left")
plotting.save(figure, "15_many_labels")

# %% [markdown]
# ## What we claim

# %%
plain, asl, db, soft, tuned = (score[:, m] for m in range(len(NAMES)))  # each [seed, label]
within = (1 - share) / share
by_asl, by_threshold = ((better - plain)[:, 7:].mean(axis=1) for better in (asl, tuned))  # digits 7 to 9, paired
ahead = {name: (tuned - other).mean() for name, other in (("ASL", asl), ("DB", db), ("soft F1", soft))}
far_off = by_size[1, 0] - by_size[1, -1]

assert within.min() > 1, "every label, the most frequent included, has more negatives than positives"
assert np.all(hard_gradient.data == 0), "hard F1 teaches nothing"
assert np.any(soft_gradient.data != 0), "soft F1 does"
assert far_off > 0.1, "but its mean over small batches is far from its value on the whole"
assert np.ptp(by_size[0]) < 1e-4, "cross-entropy is a mean of losses: the same in batches of any size"
assert by_asl.mean() > 0.02, "ASL raises the F1 of the rare labels"
assert by_threshold.mean() > 0.02, "and so does a tuned threshold"
assert min(ahead.values()) > -0.01, "with which plain cross-entropy is not behind any of the special losses"
print(f"\nClaims hold over {len(SEEDS)} paired seeds:")
print(f"- from {within.min():.1f} to {within.max():.1f} negatives for each positive within a label")
print(f"- hard F1 has gradient 0; the mean of soft F1 over batches of 4 is off by {far_off:.2f}")
print(f"- F1 of digits 7 to 9: ASL {spread(by_asl, '+')}, tuned thresholds {spread(by_threshold, '+')}")
print("- tuned cross-entropy is ahead, over all labels, of", ", ".join(f"{n} by {v:.3f}" for n, v in ahead.items()))

# %% [markdown]
# ## Try it yourself
# 1. Tune the thresholds of ASL as well (`name == "ASL"`). Is it still behind? What was its gain made of?
# 2. `BATCH = 16`: which of the four losses suffers?
# 3. A sum of two objectives: `macro_soft_f1(z, t, reduction) + mg.losses.binary_cross_entropy(z, t)`, as a function of
#    z, t and reduction. What does it do to the spread of soft F1?
#
# **Exercise of this lesson.** The gradients of weighted binary cross-entropy and of soft F1, whose sums run over the
# batch, and a program with hard F1 that learns nothing: `minigrad exercises check 15_many_labels.py`.
