# %% [markdown]
"""You gave a rare class 99 times the weight of the others: does it get it?

That depends on what the sum of weighted losses is divided by. Training works through batches, and each batch is
reduced to one number. There are four habits, all in use, two of them called "mean":

    "sum"            sum_i w_i l_i                        l_i  loss of sample i of the batch
    "mean"           sum_i w_i l_i / N                    w_i  its weight
    "weighted_mean"  sum_i w_i l_i / sum_i w_i            N    number of samples of the batch
    a number D       sum_i w_i l_i / D                    D    a divisor of your own, the same for every batch

The third one is the trap. A batch that holds a heavy sample has a large sum of weights, and is divided by it: the
weight is taken back where it was given. In a batch of one, w l / w = l: nothing is left. We measure what is left at
each batch size, what it does to a classifier, and then cut one batch into pieces without changing its gradient.

The picture: on the left the ratio of weights that arrives at two classes, against the batch size: 99 at every size with
"mean", and with "weighted_mean" a curve that climbs from 1. On the right what comes of it: with "weighted_mean" and
small batches, the classifier finds next to nothing of the rare class.
"""

# %%
import numpy as np
import plotting
import realdata
from tqdm import tqdm

import minigrad as mg

SEEDS = range(5)
SIZES = (1, 4, 16, 64, 900)  # samples in a batch; 900 is the whole training set
REDUCTIONS = ("mean", "weighted_mean")

# %% [markdown]
# ## The data
# "Is it a zero?", with 9 zeros and 891 other digits for training: 1 : 99. The test set keeps its own mixture. Images
# are scaled to length 1. `balanced` weights give both classes the same total: 50 for a zero, 50/99 for another digit.

# %%
X_all, y_all, X_test, y_test, data_name = realdata.handwritten()
X_test, y_test = X_test[:2000], y_test[:2000] == 0


def flat(images):
    pixels = images.reshape(len(images), -1)
    return pixels / np.linalg.norm(pixels, axis=1, keepdims=True)


def one_to_99(seed):
    """900 training images as rows, and 1 where it is a zero."""
    rng = np.random.default_rng(seed)
    zeros, others = np.flatnonzero(y_all == 0), np.flatnonzero(y_all != 0)
    rows = np.concatenate([rng.choice(zeros, 9, replace=False), rng.choice(others, 891, replace=False)])
    return flat(X_all[rows]), (y_all[rows] == 0).astype(int)


# %% [markdown]
# ## What is left of a weight
# Lesson 5 showed where a weight goes. Here row i of dL/dz is (w_i / D) (p_i - y_i), with the divisor D of the batch,
# the probability p_i and the label y_i. So the gradient itself tells the weight that a sample really got: divide its
# row by p_i - y_i, and multiply by N. We do that for every sample in up to 20 epochs of shuffled batches, and compare
# the classes. `mg.weighting.report` computes the same ratio for batches drawn with replacement. (Ours are shuffled, so
# an epoch has all nine zeros, and the whole set is one batch; that is why large batches keep a little more.)


# %%
def effective_ratio(y, class_weight, batch_size, reduction, rng):
    """Mean weight that the zeros really got, by that of the others."""
    got = np.zeros(2)
    for _ in range(min(batch_size, 20)):
        for (labels,) in mg.data.batches(y, batch_size=batch_size, rng=rng):
            z = mg.tensor(rng.normal(size=len(labels)), requires_grad=True)  # any logits will do
            L = mg.losses.binary_cross_entropy(z, labels, class_weight=class_weight, reduction=reduction)
            row = mg.grad(L, z).numpy()
            w = len(labels) * row / (1 / (1 + np.exp(-z.numpy())) - labels)  # N (w_i / D) (p_i - y_i) / (p_i - y_i)
            got += np.bincount(labels, w, minlength=2)
    return (got[1] / np.sum(y == 1)) / (got[0] / np.sum(y == 0))


measured = np.zeros((len(SEEDS), len(REDUCTIONS), len(SIZES)))
for i, seed in enumerate(tqdm(SEEDS, desc="measuring", unit=" seeds")):
    _, y_train = one_to_99(seed)
    balanced = mg.weighting.balanced(y_train)
    for r, reduction in enumerate(REDUCTIONS):
        for b, size in enumerate(SIZES):
            measured[i, r, b] = effective_ratio(y_train, balanced, size, reduction, np.random.default_rng(seed))
computed = np.array([mg.weighting.report(balanced, size, y=y_train).effective_ratio for size in SIZES])

# %% [markdown]
# ## Does it matter?
# Logistic regression with these weights, paired: the same images, start and order of batches for both reductions. A
# larger batch takes fewer steps, so its learning rate is larger in proportion; the whole set at once takes as many
# steps as batches of 64, at their rate.


# %%
def recall_of_zeros(X, y, batch_size, reduction, seed):
    mg.manual_seed(seed)
    model = mg.nn.Linear(X.shape[1], 1)
    optimizer = mg.optim.SGD(model.parameters(), lr=0.02 * min(batch_size, 64))
    weights = mg.weighting.balanced(y)
    batches = mg.data.batches(X, y, batch_size=batch_size, drop_last=True, rng=np.random.default_rng(seed))
    for _ in range(70 if batch_size == 900 else 5):
        for X_batch, y_batch in batches:
            optimizer.zero_grad()
            z = model(X_batch)[:, 0]
            mg.losses.binary_cross_entropy(z, y_batch, class_weight=weights, reduction=reduction).backward()
            optimizer.step()
    found = model(flat(X_test)).numpy()[:, 0] > 0
    return found[y_test].mean(), found[~y_test].mean()


recall = np.zeros((len(SEEDS), len(REDUCTIONS), len(SIZES)))
alarms = np.zeros_like(recall)  # share of the other digits that are taken for a zero
for i, seed in enumerate(tqdm(SEEDS, desc="training", unit=" seeds")):
    X_train, y_train = one_to_99(seed)
    for r, reduction in enumerate(REDUCTIONS):
        for b, size in enumerate(SIZES):
            recall[i, r, b], alarms[i, r, b] = recall_of_zeros(X_train, y_train, size, reduction, seed)
print(f"{data_name}, 9 zeros among 900; mean over {len(SEEDS)} seeds (recall: ± standard deviation)")
print("batch    ratio that was got: mean   weighted_mean   (computed)   recall: mean    weighted_mean")
for b, size in enumerate(SIZES):
    ratios = f"{measured[:, 0, b].mean():20.1f} {measured[:, 1, b].mean():15.1f} {computed[b]:12.1f}"
    recalls = [f"{recall[:, r, b].mean():.2f} ± {recall[:, r, b].std(ddof=1):.2f}" for r in (0, 1)]
    print(f"{size:5} {ratios}        {recalls[0]}     {recalls[1]}")
most = [f"{name} {share:.1%}" for name, share in zip(REDUCTIONS, alarms.max(axis=(0, 2)), strict=True)]
print(f"other digits taken for a zero, at most: {', '.join(most)}\n")

# %% [markdown]
# The last line of the table agrees for both: balanced weights sum to N, so on the whole set "mean" and "weighted_mean"
# divide by the same number, and a check there cannot tell them apart. Small batches can.
#
# ## One batch in pieces
# If a batch of 64 does not fit into memory, compute it in pieces ("micro-batches") and add up the gradients before the
# step: *gradient accumulation*. Each piece must be divided by what the whole batch is divided by. Averaging the
# "weighted_mean" of the pieces is wrong if they have different sums of weights; averaging their "mean" is wrong if they
# have different sizes. A number D, the divisor of the whole batch, is right for any pieces.

# %%
model = mg.nn.Linear(X_train.shape[1], 1)
batch = np.random.default_rng(0).permutation(np.r_[:3, 9:70])  # 3 zeros and 61 others
total = balanced[y_train[batch]].sum().item()  # sum_i w_i of the whole batch


def accumulated(pieces, reduction):
    """The gradients of all pieces added up."""
    gradient = 0.0
    for rows in pieces:
        z = model(X_train[rows])[:, 0]
        L = mg.losses.binary_cross_entropy(z, y_train[rows], class_weight=balanced, reduction=reduction)
        gradient = gradient + mg.grad(L, model.weight).numpy()
    return gradient


def wrong_by(gradient, right):
    return np.linalg.norm(gradient - right) / np.linalg.norm(right)


weighted_mean, mean = accumulated([batch], "weighted_mean"), accumulated([batch], "mean")
errors = {}
print("a batch of 64 in pieces: relative error of the gradient")
print("pieces        mean of weighted means   mean of means   D = sum w     D = N")
for name, cuts in {"4 x 16": [16, 32, 48], "30, 30, 4": [30, 60]}.items():
    pieces = np.split(batch, cuts)
    errors[name] = [
        wrong_by(accumulated(pieces, "weighted_mean") / len(pieces), weighted_mean),
        wrong_by(accumulated(pieces, "mean") / len(pieces), mean),
        wrong_by(accumulated(pieces, total), weighted_mean),
        wrong_by(accumulated(pieces, 64), mean),
    ]
    print("{:12} {:23.2f} {:15.1g} {:11.0e} {:9.0e}".format(name, *errors[name]))

# %% [markdown]
# `mg.training.fit(..., micro_batch_size=16)` does this for you, whatever the reduction.
#
# ## Weights of zero
# A weight of 0 should be the same as the sample left out. With "sum", "weighted_mean" and D it is; "mean" still counts
# it in N. And if *all* weights of a batch are 0, 0/0 is not a number: minigrad's "weighted_mean" is then 0 with a
# gradient of 0, for a batch that was wholly weighted away has nothing to teach.

# %%
losses = np.array([0.5, 1.0, 3.0])
print("\nloss with a weight of 0, and with that sample left out:")
zero, left_out = {}, {}
for how in ("sum", *REDUCTIONS):
    zero[how] = mg.losses.reduce(losses, [2.0, 1.0, 0.0], how).item()
    left_out[how] = mg.losses.reduce(losses[:2], [2.0, 1.0], how).item()
    print(f"  {how:15} {zero[how]:.2f}   {left_out[how]:.2f}")
all_zero = mg.losses.reduce(losses, np.zeros(3), "weighted_mean").item()
print(f"  all weights 0, weighted_mean: {all_zero:.2f}")

# %% [markdown]
# ## PyTorch's "mean"
# Its documentation has three losses that are one and the same for two classes, and one word, "mean", for two divisors:
#
# | PyTorch, `reduction="mean"` | as documented | here |
# |---|---|---|
# | `cross_entropy(z, labels, weight=v)` | sum w l / sum w, w = v[label] | `"weighted_mean"` |
# | `cross_entropy(z, probabilities, weight=v)`, e.g. the labels one-hot | sum w l / N | `"mean"` |
# | `binary_cross_entropy_with_logits(z, t, weight=w)` | sum w l / N | `"mean"` |
#
# Rewrite a model from one form into another, and the ratio of its classes changes without a word. docs/parity.md has
# the same for Keras (divides by N) and scikit-learn (sums). Say which one you mean.
#
# ## The picture

# %%
figure, (left, right) = plotting.panels(columns=2)
LOOKS = ({"color": plotting.BLUE, "marker": "s", "ls": "-"}, {"color": plotting.ORANGE, "marker": "o", "ls": "--"})
for r, reduction in enumerate(REDUCTIONS):
    left.plot(SIZES, measured[:, r].mean(axis=0), label=f'"{reduction}"', **LOOKS[r])
    sizes = np.array(SIZES) * (1.06 if r else 1 / 1.06)  # beside each other
    mean, sd = recall[:, r].mean(axis=0), recall[:, r].std(axis=0, ddof=1)
    right.errorbar(sizes, mean, sd, capsize=3, label=f'"{reduction}"', **LOOKS[r])
left.set(ylim=(0, 119), ylabel="ratio of weights that arrives (asked for: 99)")
left.set_title("Divided by its weights, a batch takes them back …")
right.set(ylim=(-0.05, 1.05), ylabel="zeros found in the test set (mean ± sd)")
right.set_title("… and the rare class is not learned")
for axes in (left, right):
    axes.set(xscale="log", xlabel="samples in a batch")
    axes.set_xticks(SIZES, [str(size) for size in SIZES])
    axes.minorticks_off()
    axes.legend(loc="center left", bbox_to_anchor=(0, 0.6))
plotting.save(figure, "06_reduction")

# %% [markdown]
# ## What we saw
# A weight is a promise, and the divisor may take it back. With "weighted_mean" and batches of 1 or 4 the classifier
# found next to no zero, although each had 99 times the weight of another digit; on the whole set the same word kept the
# promise. "mean" kept it at every size. It divides all samples alike; so do "sum" and D.

# %%
gap = recall[:, 0] - recall[:, 1]  # paired
assert np.allclose(measured[:, 0], 99, rtol=1e-3), "with 'mean' the ratio arrives whole, whatever the batch size"
assert np.allclose(measured[:, 1, 0], 1, rtol=1e-3), "with 'weighted_mean' nothing is left of it in batches of one"
assert np.allclose(measured[:, 1, -1], 99, rtol=1e-3), "and all of it in the whole set"
between = measured[:, 1, 1:4].mean(axis=0)
assert np.allclose(between, computed[1:4], rtol=0.1), "between these as mg.weighting.report says"
assert recall[:, 1, :2].max() < 0.05, "'weighted_mean' in batches of 1 and 4: the rare class is not found, in any seed"
assert gap[:, :2].min() > 0.3, "with 'mean' it is"
assert gap[:, 2].mean() > 0.3, "batches of 16: much more of it"
assert np.abs(gap[:, -1]).max() < 0.02, "the whole set: no difference"
assert alarms.mean(axis=0).max() < 0.25, "and most other digits are still told from it"
assert min(error[0] for error in errors.values()) > 0.05, "averaged weighted means are wrong"
assert max(max(error[2:]) for error in errors.values()) < 1e-4, "a common divisor is right for any pieces"
assert errors["4 x 16"][1] < 1e-4 < 0.05 < errors["30, 30, 4"][1], "averaged means are right for pieces of one size"
assert zero["weighted_mean"] == left_out["weighted_mean"], "weight 0 is the sample left out"
assert zero["mean"] < left_out["mean"], "but not for 'mean'"
assert all_zero == 0.0, "and no weight at all is no loss"
print(f"\nClaims hold over {len(SEEDS)} paired seeds:")
arrives = ", ".join(f"{ratio:.1f} at {size}" for ratio, size in zip(measured[:, 1].mean(axis=0), SIZES, strict=True))
gaps = ", ".join(f"{g.mean():+.2f} ± {g.std(ddof=1):.2f} at {size}" for g, size in zip(gap.T, SIZES, strict=True))
print(f"- of a ratio of 99, 'mean' hands on 99 at each batch size; 'weighted_mean'\n  {arrives}")
print(f"- share of the zeros that is found, 'mean' minus 'weighted_mean':\n  {gaps}")
print(f"- a batch in 4 pieces: averaging weighted means is {errors['4 x 16'][0]:.0%} off, a common divisor exact")

# %% [markdown]
# ## Try it yourself
# 1. Print `mg.weighting.report(balanced, batch_size=32, y=y_train)` and explain each line of it to somebody.
# 2. Use "sum" for "mean" in the training, with a learning rate that makes it the same. Which rate is it, at each size?
# 3. Delete `drop_last=True`. The last batch of an epoch is now smaller (900 = 14 * 64 + 4), and "mean" divides by its
#    size: what happens when a zero falls into it? Mend it with a number D.
# 4. *Online learning* takes each sample as it arrives: batches of one. Do it with `mg.training.partial_fit(model,
#    mg.losses.cross_entropy, X[i:i+1], y[i:i+1], optimizer, sample_weight=w[i:i+1], reduction=...)`, once with "mean"
#    and once with "weighted_mean". Which of the two learns the zeros? Say it first.
#
# **Exercise of this lesson.** `lessons/exercises/06_reduction.py`: write the gradients of sum, mean and weighted mean,
# for weights that may all be 0, and that of a weight itself; then repair an accumulation in pieces, and a training that
# reports another loss than it trains. Check it with `minigrad exercises check 06_reduction.py`.
