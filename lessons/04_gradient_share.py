# %% [markdown]
"""Why does a network neglect its rare classes, and what does a weight change?

Imbalance is a share of the gradient. A step of training goes against the gradient of the loss, an arrow in the space of
all parameters, and that arrow is a sum with one term for each sample i:

    gradient of the loss = sum_i w_i grad l_i      l_i   loss of sample i: the cross-entropy -log p_y, with p_y the
                                                         probability that the network gives to the true class y
                                                   grad  derivative with respect to all parameters
                                                   w_i   weight of sample i; 1 unless somebody chose another

Sort the terms by class: class c adds the arrow G_c = sum of w_i grad l_i over its own samples. A class with few samples
adds few terms. We measure how short its arrow is, make the arrows alike with weights, and look at what that changes on
a test set, and what it does not. At the end we turn the knob: what does it cost if the largest class is 3, 10, 30 or
100 times the smallest?

The picture: left, each digit's share of the gradient lies on its share of the samples, and on a level line with
weights; right, the rare digits are hardly found after 20 epochs, unless weighted. A second picture shows the accuracy
against the ratio.
"""

# %%
import numpy as np
import plotting
import realdata
from sklearn.metrics import balanced_accuracy_score, recall_score
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import minigrad as mg

K = 10  # classes: the digits 0..9
SEEDS = range(5)
SHORT, LONG = 20, 200  # epochs of a short training, and of one ten times as long
METHODS = ("unweighted", "weighted")

# %% [markdown]
# ## The data
# 1,797 images of digits, each digit about as frequent as the others. The test set is put aside first and stays as it
# is: it asks about every class alike. Then the rest is made long-tailed, from 107 zeros down to 3 nines. `balanced`
# gives class c the weight n / (K n_c): n_c is the number of its samples, n the number of all.

# %%
X, y = mg.data.load_digits()


def long_tailed(seed):
    """Training images and labels, test images and labels, class weights."""
    X_rest, X_test, y_rest, y_test = train_test_split(X, y, test_size=0.4, stratify=y, random_state=seed)
    X_train, y_train = mg.data.imbalance(X_rest, y_rest, kind="longtail", ratio=30, rng=seed)
    return X_train, y_train, X_test, y_test, mg.weighting.balanced(y_train)


def network(seed, pixels=64):
    mg.manual_seed(seed)
    return mg.nn.Sequential(mg.nn.Linear(pixels, 64), mg.nn.ReLU(), mg.nn.Linear(64, K))


# %% [markdown]
# ## The share of a class
# The sample weight `y == c` is 1 for the samples of class c and 0 for all others: what remains of the sum is G_c. The
# network is untrained here; this is the share with which training starts.


# %%
def gradient(model, X, y, **weights):
    """sum_i w_i grad l_i, the gradients of all parameters end to end, shape (parameters,)."""
    loss = mg.losses.cross_entropy(model(X), y, reduction="sum", **weights)  # sum_i w_i l_i
    return np.concatenate([g.numpy().ravel() for g in mg.grad(loss, list(model.parameters()))])


def class_gradients(model, X, y, class_weight=None):
    """Row c is G_c, shape (K, parameters)."""
    return np.array([gradient(model, X, y, sample_weight=(y == c), class_weight=class_weight) for c in range(K)])


def class_gradient_share(G):
    lengths = np.linalg.norm(G, axis=1)
    return lengths / lengths.sum()  # share_c = ||G_c|| / sum_k ||G_k||


share = np.zeros((len(SEEDS), 2, K))  # [seed, method, class]
for i, seed in enumerate(SEEDS):
    X_train, y_train, _, _, balanced = long_tailed(seed)
    for m, class_weight in enumerate((None, balanced)):
        G = class_gradients(network(seed), X_train, y_train, class_weight)
        share[i, m] = class_gradient_share(G)
n = np.bincount(y_train)  # the same counts for every seed; which samples they are differs

# %% [markdown]
# May a gradient be taken apart like this? The arrows must add up. (Their lengths need not, arrows can point against
# each other: hence a share divides by the sum of the lengths.) The last ten arrows against the gradient of the whole
# weighted loss:

# %%
whole = gradient(network(seed), X_train, y_train, class_weight=balanced)
error = np.linalg.norm(G.sum(axis=0) - whole) / np.linalg.norm(whole)
print(f"The ten arrows add up to the whole gradient; relative error {error:.0e}, the rounding of float32.\n")

# %% [markdown]
# ## Does it matter on the test set?
# A *paired* comparison: for one seed, both trainings get the same split, the same initial parameters and the same
# batches in the same order. Only the weights differ, so only they can explain a difference. 20 epochs are a short
# training, chosen because the difference is plain there; 200 epochs tell what is left of it when there is time.


# %%
def train(seed, X_train, y_train, X_test, class_weight):
    """Train one network; yield its predictions for the test set after SHORT and after LONG epochs."""
    model = network(seed, X_train.shape[1])
    optimizer = mg.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    batches = mg.data.batches(X_train, y_train, batch_size=32, rng=np.random.default_rng(seed))
    for epoch in range(1, LONG + 1):
        for X_batch, y_batch in batches:
            optimizer.zero_grad()
            mg.losses.cross_entropy(model(X_batch), y_batch, class_weight=class_weight).backward()
            optimizer.step()
        if epoch in (SHORT, LONG):
            yield np.argmax(model(X_test), axis=1)


recall = np.zeros((len(SEEDS), 2, 2, K))  # [seed, method, SHORT or LONG, class]: how much of the class is found
accuracy = np.zeros((len(SEEDS), 2, 2))  # [seed, method, SHORT or LONG]: balanced accuracy, the mean of the recalls
with tqdm(total=2 * len(SEEDS), desc="training", unit=" networks") as bar:
    for i, seed in enumerate(SEEDS):
        X_train, y_train, X_test, y_test, balanced = long_tailed(seed)
        for m, class_weight in enumerate((None, balanced)):
            for e, predicted in enumerate(train(seed, X_train, y_train, X_test, class_weight)):
                recall[i, m, e] = recall_score(y_test, predicted, average=None)
                accuracy[i, m, e] = balanced_accuracy_score(y_test, predicted)
            bar.update()
gain = recall[:, 1] - recall[:, 0]  # paired differences, weighted minus unweighted
lead = accuracy[:, 1] - accuracy[:, 0]

# %% [markdown]
# ## The table
# Mean ± standard deviation over the seeds.


# %%
def spread(values, sign=""):
    return f"{np.mean(values):{sign}.3f} ± {np.std(values, ddof=1):.3f}"


print(f"               share of the gradient   recall on the test set after {SHORT} epochs")
print("digit  count   unweighted   weighted   unweighted      weighted        paired difference")
for c in range(K):
    shares = f"{share[:, 0, c].mean():10.1%}   {share[:, 1, c].mean():8.1%}"
    recalls = f"{spread(recall[:, 0, 0, c])}   {spread(recall[:, 1, 0, c])}   {spread(gain[:, 0, c], '+')}"
    print(f"{c:5}  {n[c]:5}   {shares}   {recalls}")
print("\nbalanced accuracy                      unweighted      weighted        paired difference")
for e, epochs in enumerate((SHORT, LONG)):
    accuracies = f"{spread(accuracy[:, 0, e])}   {spread(accuracy[:, 1, e])}   {spread(lead[:, e], '+')}"
    print(f"after {epochs:3} epochs                       {accuracies}")

# %% [markdown]
# ## The picture

# %%
LOOKS = ({"color": plotting.ORANGE, "marker": "o", "ls": "--"}, {"color": plotting.BLUE, "marker": "s", "ls": "-"})
figure, (left, right) = plotting.panels(columns=2)
digits = np.arange(K)
left.plot(digits, n / n.sum(), "_", color=plotting.BLACK, ms=19, mew=2, label="share of the samples")
for m, method in enumerate(METHODS):
    left.plot(digits, share[:, m].mean(axis=0), label=f"share of the gradient, {method}", **LOOKS[m])
    mean, sd = recall[:, m, 0].mean(axis=0), recall[:, m, 0].std(axis=0, ddof=1)
    right.errorbar(digits + 0.16 * m - 0.08, mean, sd, capsize=3, label=f"{method}, {SHORT} epochs", **LOOKS[m])
late = recall[:, 0, 1].mean(axis=0)
right.plot(digits, late, ":^", color=plotting.GREY, ms=5, label=f"unweighted, {LONG} epochs", zorder=1)
left.set_title("A rare class has a small share of the gradient …")
left.set(yscale="log", ylim=(0.006, 1.4), ylabel="share (log scale)")
left.set_yticks([0.01, 0.1, 1], ["1 %", "10 %", "100 %"])
right.set_title("… and is learned late, unless weighted")
right.set(ylim=(-0.05, 1.05), ylabel="recall on the test set (mean ± sd)")
for axes in (left, right):
    axes.set_xticks(digits, [f"{c}\n{n[c]}" for c in range(K)])
    axes.set_xlabel("digit, and below it its training samples")
left.legend(loc="upper right", fontsize=10)
right.legend(loc="lower left", fontsize=10)
plotting.save(figure, "04_gradient_share")

# %% [markdown]
# ## How much imbalance?
# The same network on larger images (MNIST where it is at hand). The largest class keeps 100 images, the smallest has
# 100 / ratio. A *long tail* falls from class to class; a *step* has five frequent classes and five rare ones. So there
# is less to learn from, too, the larger the ratio: 1,000 images at ratio 1, 505 at a step of 100. Both trainings have
# the same images; only the distance between the two lines is due to the weights. At a ratio of 100 there is one image
# of a rare class, and its weight cannot tell what the others look like: there the weighted line may even fall below.

# %%
RATIOS, KINDS = (1, 3, 10, 30, 100), ("longtail", "step")
X_all, y_all, X_test, y_test, data_name = realdata.handwritten()
X_all, X_test = X_all.reshape(len(X_all), -1), X_test.reshape(len(X_test), -1)


def pair_of_accuracies(kind, ratio, seed):
    """Balanced accuracy on the test set after SHORT epochs, unweighted and weighted."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate([rng.permutation(np.flatnonzero(y_all == c))[:100] for c in range(K)])
    rows, y_rows = mg.data.imbalance(rows, y_all[rows], kind=kind, ratio=ratio, rng=seed)
    for class_weight in (None, mg.weighting.balanced(y_rows)):
        predicted = next(train(seed, X_all[rows], y_rows, X_test, class_weight))  # after SHORT epochs
        yield balanced_accuracy_score(y_test, predicted)


cases = [(kind, ratio, seed) for kind in KINDS for ratio in RATIOS for seed in SEEDS]
at_ratio = np.array([list(pair_of_accuracies(*case)) for case in tqdm(cases, desc="ratios", unit=" pairs")])
at_ratio = at_ratio.reshape(len(KINDS), len(RATIOS), len(SEEDS), 2)  # [kind, ratio, seed, method]
print(f"\n{data_name}, balanced accuracy at ratio" + "".join(f"{ratio:8}" for ratio in RATIOS))
figure, both = plotting.panels(columns=2, height=3.3)
for axes, kind, of_kind in zip(both, KINDS, at_ratio, strict=True):
    for m, method in enumerate(METHODS):
        mean, sd = of_kind[:, :, m].mean(axis=1), of_kind[:, :, m].std(axis=1, ddof=1)
        axes.errorbar(RATIOS, mean, sd, capsize=3, label=method, **LOOKS[m])
        print(f"  {kind:10}{method:21}" + "".join(f"{value:8.3f}" for value in mean))
    axes.set_title({"longtail": "A long tail", "step": "A step"}[kind])
    axes.set(xscale="log", ylim=(0.15, 1), xlabel="ratio, largest class to smallest")
    axes.set(ylabel=f"balanced accuracy, {SHORT} epochs")
    axes.set_xticks(RATIOS, [str(ratio) for ratio in RATIOS])
    axes.minorticks_off()
    axes.legend(loc="lower left", fontsize=10)
plotting.save(figure, "04_gradient_share_ratio")

# %% [markdown]
# ## What we claim
# With room to spare: over the 20 seeds 0..19 (`SEEDS = range(20)` repeats it) the weights raised balanced accuracy by
# 0.136 ± 0.022 after 20 epochs and by 0.014 ± 0.008 after 200, both times in all 20 seeds. There is a price: after 20
# epochs the recall of the frequent digits 0 to 3 was lower by 0.016 ± 0.010, and most of that was paid by the ones.

# %%
to_samples, to_a_tenth = share[:, 0] / (n / n.sum()), share[:, 1] * K
raised, price = gain[:, 0, 6:10].mean(), -gain[:, 0, 0:4].mean()
won, left_over = np.sum(lead[:, 0] > 0), lead[:, 1].mean() / lead[:, 0].mean()

assert error < 1e-4, "the arrows of the classes add up to the gradient"
assert np.all((to_samples > 0.8) & (to_samples < 1.25)), "unweighted, the share of the gradient is that of the samples"
assert np.all((to_a_tenth > 0.8) & (to_a_tenth < 1.25)), "weighted, every class has about a tenth"
assert np.all(gain[:, 0, 6:10].mean(axis=0) > 0), "each of the rare digits 6 to 9 is found more often"
assert raised > 0.2, "and together they are found much more often"
assert won >= len(SEEDS) - 1, "balanced accuracy is higher in all seeds but at most one"
assert lead[:, 0].mean() > 0.08, "and clearly so"
assert 0 < price < 0.05, "the frequent digits 0 to 3 pay a little for it"
assert left_over < 1 / 3, "a long training closes most of the gap without any weights"
lost = (at_ratio[:, 0, :, 0] - at_ratio[:, -1, :, 0]).mean(axis=1)  # unweighted, ratio 1 against 100
back = (at_ratio[:, RATIOS.index(30), :, 1] - at_ratio[:, RATIOS.index(30), :, 0]).mean(axis=1)
assert lost.min() > 0.2, "a ratio of 100 costs much, in both shapes"
assert back.min() > 0.01, "at a ratio of 30 weights win a part of it back"
print(f"\nClaims hold over {len(SEEDS)} paired seeds:")
print("- at the start, unweighted, a class has the share of the gradient that it has of the samples; weighted, a tenth")
print(f"- {SHORT} epochs: weights add {raised:.2f} to the recall of digits 6 to 9, and cost digits 0 to 3 {price:.3f}")
print(f"- they add to balanced accuracy in {won} of {len(SEEDS)} seeds; {left_over:.0%} of that is left after {LONG}")
print(
    f"- a ratio of 100 costs {lost[0]:.2f} (long tail) and {lost[1]:.2f} (step) of balanced accuracy, with fewer images"
)
print(f"  to learn from; at a ratio of 30 weights win back {back[0]:.2f} and {back[1]:.2f}")

# %% [markdown]
# ## Try it yourself
# 1. Measure the share again with a *trained* unweighted network: do the nines still have one percent after 20 epochs?
#    Say what you expect first. What would the answer mean for a long training?
# 2. `ratio=1` instead of 30: which columns of the table should become alike, and do they? (The claims will fail.)
# 3. Weights between the two: `np.sqrt(balanced)`. Who gains, who pays?
#
# **Exercise of this lesson.** Write `class_gradient_share` in NumPy alone, for the weight matrix V of the last layer:
# G_c = sum over the samples i of class c of w_i (p_i - e_y) h_i^T; h_i is the input of that layer, p_i the softmax of
# its output, e_y the one-hot label. Then repair the weights that should make the shares equal where a class is missing.
# `minigrad exercises build 4` makes the file, `minigrad exercises check 04_gradient_share.py` marks it.
