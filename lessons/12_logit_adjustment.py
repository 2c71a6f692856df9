# %% [markdown]
"""Can a network be made fair to rare classes without weighting a single sample?

A weight multiplies a loss. There is another place to put a preference: the *logits* z, the K numbers that the network
gives to a sample, one for each class. We change them while it trains. At test time the plain z decide again: the
largest wins.

    l = CE(z / a + b, y)      l     loss of one sample;  y  its true class
                              CE    cross-entropy: CE(z, y) = -log softmax(z)_y
                              a, b  K numbers each, made from n_c, the count of class c among the training samples;
                                    pi_c = n_c / n is its share, n the sum and n_max the largest of the counts

All a_c are 1 and all b_c are 0, but for

    logit adjustment (LA)                       b_c = tau log pi_c           Menon et al. 2021
    class-dependent temperatures (CDT)          a_c = (n_max / n_c)^gamma    Ye et al. 2020
    vector scaling (VS)                         both                         Kini et al. 2021
    label-distribution-aware margin (LDAM)      b_y = -Delta_y               Cao et al. 2019
        for the true class y alone; the margin Delta_y is proportional to n_y^(-1/4), and z are cosines times 30

Read b as a handicap. With 50 zeros for each nine and tau = 1, the logit of the nine starts log 50 = 3.9 behind that of
the zero. To win in training it must make that up; at test time the handicap is gone and the lead remains. tau says how
large the handicap is. The same b can be subtracted *after* an ordinary training ("post hoc"), which costs nothing.

The picture: left, each method is a point: recall (the share of a digit's test images that is found) of the frequent
digits across, of the rare ones upwards. The grey line is what a shift post hoc reaches. Right, what tau does: the rare
digits gain, then the frequent ones lose more than the rare ones win.
"""

# %%
from functools import partial

import numpy as np
import plotting
import realdata
from sklearn.metrics import recall_score
from tqdm import tqdm

import minigrad as mg

K = 10
SEEDS = range(3)
HEAD, TAIL = slice(0, 3), slice(7, 10)  # the three most frequent and the three rarest digits

# %% [markdown]
# ## The data
# About 650 images of MNIST, long-tailed: some 240 zeros, fewer of each next digit, four or five nines. (Without MNIST
# the digits of scikit-learn: 107 zeros, three nines, and more epochs, as they are fewer.) The test set stays as it is.

# %%
X, y, X_test, y_test, name = realdata.handwritten()
X_test, y_test = X_test[:2000], y_test[:2000]
RATIO, EPOCHS = (50, 30) if name == "MNIST" else (30, 60)


def long_tailed(seed):
    some = np.random.default_rng(seed).permutation(len(y))[:2500]
    return mg.data.imbalance(X[some], y[some], kind="longtail", ratio=RATIO, rng=seed)


# %% [markdown]
# ## Two networks
# LeNet-5 is the small convolutional network of lesson 14. LDAM wants cosines: z_c / 30 is the cosine of the angle
# between the features h of an image (what goes into the last layer) and a vector v_c of the class. Only where no z can
# grow without end does a margin of a fixed size mean something.


# %%
def unit(v):
    return v / np.sqrt(np.sum(v * v, axis=1, keepdims=True) + 1e-12)


class CosineLeNet5(mg.nn.Module):
    def __init__(self):
        super().__init__()
        self.lenet = mg.models.LeNet5()

    def forward(self, x):
        h, v = self.lenet[:-1](x), self.lenet[-1].weight
        return unit(h) @ unit(v).T  # z_c / 30 = cos(h, v_c); the loss multiplies by 30


# %% [markdown]
# ## The methods
# A line each: network, loss, class weights. Two of them are there to compare with: balanced weights n / (K n_c) from
# the start, and the same in the last fifth of the training only (deferred re-weighting, DRW, Cao et al. 2019).
#
# tau = 1 comes from theory: it is the shift from the classes' own shares to equal ones. gamma = 0.1 was the best
# of 0.05, 0.1, 0.2 and 0.4 for CDT on left-over training images of MNIST, with other seeds; VS and scikit-learn's
# digits take it over.


# %%
def methods(y):
    n, weights, lenet5 = np.bincount(y), mg.weighting.balanced(y), mg.models.LeNet5
    cross_entropy, adjusted = mg.losses.cross_entropy, partial(mg.losses.logit_adjusted, counts=n)
    return {
        "cross-entropy": (lenet5, cross_entropy, None),  # CE(z, y)
        "weights": (lenet5, cross_entropy, weights),  # w_y CE(z, y)
        "weights, deferred": (lenet5, cross_entropy, mg.training.deferred(weights, after=EPOCHS * 4 // 5)),
        "LA, tau = 1": (lenet5, adjusted, None),  # CE(z + log pi, y)
        "LA, tau = 4": (lenet5, partial(adjusted, tau=4), None),  # CE(z + 4 log pi, y)
        "CDT": (lenet5, partial(mg.losses.cdt, counts=n, gamma=0.1), None),  # CE(z / a, y)
        "VS": (lenet5, partial(mg.losses.vector_scaling, counts=n, gamma=0.1), None),  # CE(z / a + log pi, y)
        "LDAM": (CosineLeNet5, partial(mg.losses.ldam, counts=n), None),  # CE(z - Delta_y e_y, y), e_y one-hot
    }


# %% [markdown]
# Is the loss really the formula? Five made-up rows of logits say so: shifting by hand and the library's loss agree.

# %%
z, labels, n = np.random.default_rng(0).normal(size=(5, 3)), np.array([0, 1, 2, 1, 0]), np.array([40, 9, 1])
by_hand = mg.losses.cross_entropy(z + 2 * np.log(n / n.sum()), labels)  # CE(z + tau log pi, y), tau = 2
formula_error = abs(by_hand - mg.losses.logit_adjusted(z, labels, counts=n, tau=2))

# %% [markdown]
# ## Training
# Long enough that plain cross-entropy gets nearly every training image right (the table has a column for it). For one
# seed all methods get the same images, the same initial parameters and the same order of batches.


# %%
def train(seed, X_train, y_train, network, loss, class_weight):
    """Logits of the test set, and the share of training images that are classified correctly in the last epoch."""
    mg.manual_seed(seed)
    model = network()
    history = mg.training.fit(
        model, loss, (X_train, y_train), epochs=EPOCHS, class_weight=class_weight,
        optimizer=mg.optim.Adam(model.parameters(), lr=0.002), schedule=mg.optim.cosine(EPOCHS),
        rng=seed, progress=False,
    )  # fmt: skip
    return mg.training.predict(model, X_test), history["accuracy"][-1]


def recalls(z):
    """Recall of the head, of the tail, and the mean over all classes (balanced accuracy)."""
    recall = recall_score(y_test, z.argmax(axis=1), average=None)
    return recall[HEAD].mean(), recall[TAIL].mean(), recall.mean()


TAUS = np.arange(0, 4.25, 0.25)
NAMES = list(methods(y))
trained = np.zeros((len(SEEDS), len(NAMES), 3))  # [seed, method, head / tail / all]
fitted = np.zeros((len(SEEDS), len(NAMES)))
post_hoc = np.zeros((len(SEEDS), len(TAUS), 3))  # [seed, tau, head / tail / all], from plain cross-entropy
twice = np.zeros((len(SEEDS), 3))  # from LA, tau = 1, by mistake
with tqdm(total=fitted.size, desc="training", unit=" networks") as bar:
    for i, seed in enumerate(SEEDS):
        X_train, y_train = long_tailed(seed)
        prior = np.bincount(y_train) / len(y_train)
        for m, (method, parts) in enumerate(methods(y_train).items()):
            z, fitted[i, m] = train(seed, X_train, y_train, *parts)
            trained[i, m] = recalls(z)
            if method == "cross-entropy":
                post_hoc[i] = [recalls(mg.decisions.logit_adjust(z, prior, tau)) for tau in TAUS]  # z - tau log pi
            if method == "LA, tau = 1":
                twice[i] = recalls(mg.decisions.logit_adjust(z, prior, 1))
            bar.update()

# %% [markdown]
# ## The table
# Mean ± standard deviation over the seeds.


# %%
def spread(values, sign=""):
    return f"{np.mean(values):{sign}.3f} ± {np.std(values, ddof=1):.3f}"


of = {method: trained[:, m] for m, method in enumerate(NAMES)}  # each [seed, head / tail / all]
plain, shifted, after = of["cross-entropy"], of["LA, tau = 1"], post_hoc[:, 4]
print(f"{name}, counts {np.bincount(y_train).tolist()}")
print("                       training   recall on the test set              all ten digits, less")
print("                       accuracy   digits 0 to 2     digits 7 to 9     cross-entropy (paired)")
rows = [(method, of[method], f"{fitted[:, m].mean():.3f}") for m, method in enumerate(NAMES)]
rows += [("post hoc, tau = 1", after, ""), ("post hoc, tau = 4", post_hoc[:, 16], ""), ("LA and post hoc", twice, "")]
for method, r, right in rows:
    print(f"{method:22} {right:8}   {spread(r[:, 0])}     {spread(r[:, 1])}     {spread((r - plain)[:, 2], '+')}")

# %% [markdown]
# The shift does at least as well as weights. Whether weights should be deferred, these few seeds cannot tell. With
# tau = 4 the handicap of the nine is 4 log 50 = 16 (MNIST), and the network no longer gets its training images right.
# LDAM differs from the others in two things, margin and cosines; which of them does it, "Try it yourself" can tell. The
# last row is a mistake: a shift in training *and* post hoc counts the prior twice. That is no disaster, but a larger
# tau than one meant: more for the rare digits, less for the frequent ones.
#
# ## The picture

# %%
figure, (left, right) = plotting.panels(columns=2, width=5)
bend = post_hoc.mean(axis=0)[:13]  # up to tau = 3
left.plot(bend[:, 0], bend[:, 1], "-", color=plotting.GREY, lw=1.5, label="post hoc, tau = 0 to 3", zorder=1)
LOOKS = {
    "cross-entropy": ("o", plotting.BLACK), "weights": ("s", plotting.ORANGE),
    "weights, deferred": ("D", plotting.ORANGE), "LA, tau = 1": ("^", plotting.BLUE),
    "CDT": ("P", plotting.GREEN), "VS": ("X", plotting.GREEN), "LDAM": ("*", plotting.PURPLE),
}  # fmt: skip
for method, (marker, colour) in LOOKS.items():
    head, tail, _ = of[method].mean(axis=0)
    left.plot(head, tail, marker, color=colour, ms=13 if marker == "*" else 9, mec="white", label=method)
left.set_title("More of the rare for less of the frequent …")
left.set(xlabel="recall of the frequent digits 0, 1, 2", ylabel="recall of the rare digits 7, 8, 9")
left.legend(fontsize=9.5, loc="lower left")

LINES = [
    ("0 to 2", plotting.ORANGE, "--", "s"), ("7 to 9", plotting.BLUE, "-.", "^"), ("0 to 9", plotting.BLACK, "-", "o"),
]  # fmt: skip
in_training = np.stack([plain, shifted, of["LA, tau = 4"]])  # tau = 0, 1, 4: [tau, seed, head / tail / all]
for part, (digits, colour, line, marker) in enumerate(LINES):
    right.plot(TAUS, post_hoc[:, :, part].mean(axis=0), line, color=colour, label=f"digits {digits}, post hoc")
    mean, sd = in_training[:, :, part].mean(axis=1), in_training[:, :, part].std(axis=1, ddof=1)
    right.errorbar(np.array([0, 1, 4]) + 0.07 * (part - 1), mean, sd, fmt=marker, color=colour, capsize=3)
right.plot([], [], "o", color=plotting.GREY, label="markers: in training (mean ± sd)")
right.set_title("… but only up to a point")
right.set(xlabel="tau, the size of the shift", ylabel="recall on the test set", ylim=(0, 1.03))
right.legend(fontsize=9.5, loc="lower left")
plotting.save(figure, "12_logit_adjustment")

# %% [markdown]
# ## What we claim
# Only what held on MNIST and on scikit-learn's digits alike, for three ranges of seeds. Which method is best is not
# among it: that changes from data to data, and so does the best tau. Choose it on validation data, as any setting.

# %%
shift, late = shifted - plain, after - plain  # paired, [seed, head / tail / all]
weights, ldam = of["weights"] - plain, (of["LDAM"] - plain)[:, 2]
too_far, again = (of["LA, tau = 4"] - plain)[:, 2], twice - shifted

assert formula_error < 1e-12, "the loss is the formula"
assert np.sum(shift[:, 2] > 0) >= len(SEEDS) - 1, "a shift with tau = 1 is better in all seeds but at most one"
assert shift[:, 2].mean() > 0.015, "and clearly better than plain cross-entropy on average"
assert late[:, 2].mean() > 0.01, "so is a shift post hoc, which costs no training"
assert shift[:, 1].mean() > 0.06, "because the rare digits are found more often"
assert shift[:, 2].mean() > weights[:, 2].mean() - 0.02, "without any weight it is not behind weights"
assert shift[:, 0].mean() > -0.05, "the frequent digits pay little"
assert too_far.mean() < -0.05, "tau = 4 over-corrects: worse than doing nothing"
assert again[:, 0].mean() < 0 < again[:, 1].mean(), "counting the prior twice takes more from the head for the tail"
assert ldam.mean() > 0.01, "cosines with a margin, LDAM, are better than cross-entropy too"
print(f"\nClaims hold over {len(SEEDS)} paired seeds, on {name}:")
print(f"- a shift with tau = 1 adds {shift[:, 2].mean():.3f} to balanced accuracy, post hoc {late[:, 2].mean():.3f}")
print(f"- it adds {shift[:, 1].mean():.2f} to the recall of digits 7 to 9 (weights: {weights[:, 1].mean():.2f})")
print(f"- it costs digits 0 to 2 {-shift[:, 0].mean():.3f} of theirs")
print(f"- tau = 4 is worse than nothing by {-too_far.mean():.2f}; LDAM adds {ldam.mean():.3f}")
print(f"- counted twice: digits 0 to 2 {again[:, 0].mean():+.3f}, digits 7 to 9 {again[:, 1].mean():+.3f} against LA")

# %% [markdown]
# ## Try it yourself
# 1. `partial(mg.losses.ldam, counts=n, max_margin=0)`: cosines without a margin. How much of LDAM's gain is left?
# 2. gamma = 0.4 for CDT. Its over-correction looks different from that of tau = 4. How?
# 3. Choose tau post hoc: put a fifth of the training images aside, take the tau with the best balanced accuracy there,
#    and report the test set once.
# 4. `EPOCHS = 5`: do weights or shifts help more in a short training?
#
# **Exercise of this lesson.** The gradients of a loss with handicap and temperature, a step of CDT that divides
# log-probabilities instead of logits (which of the classes does that help?), and the decision post hoc:
# `minigrad exercises check 12_logit_adjustment.py`.
