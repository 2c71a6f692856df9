# %% [markdown]
"""The network says 60 %: how often is it right?

If class 1 is one in ten and was given its balanced weight: in theory, one time in seven. A weight w_c acts as if class
c were w_c times as frequent as it is. Its share in the data is called the prior pi_c; the weighted network is at home
where the prior is

    pi'_c = pi_c w_c / sum_k pi_k w_k

With p_c its probability of class c, the odds p_1 / p_0 are too high by the factor w_1 / w_0, the log-odds by
log(w_1 / w_0). The ranking may be fine, but p is no probability here. Dividing the factor out again, which is Bayes'
rule with the prior exchanged,

    p_c pi_c / pi'_c, divided by the sum of these over c

makes it one: `mg.decisions.correct_prior`. We weigh, look at what p means, correct it, and then correct once too often.

The picture: reliability diagrams. To the right what the model says, upwards how often it is so; on the diagonal a
percent is a percent. Weights push the dots far below it, near the curve that theory draws; the correction brings them
back to the diagonal, and a second correction overshoots to the other side.
"""

# %%
import numpy as np
import plotting
import realdata
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import minigrad as mg

SEEDS = range(16)

# %% [markdown]
# ## Two rare classes
# Breast cancer with two of its measurements (radius and texture), the malignant tumours thinned to one in ten before
# the split, so that training and test come from the same population. And handwritten digits, where "is it an 8?" is
# one in ten by itself. Both are learned by logistic regression, with the same settings: about a thousand steps of 32
# samples, and a little weight decay, so that it does not learn its data by heart.

# %%
tumours, benign = mg.data.load_breast_cancer()
images, labels, test_images, test_labels, name = realdata.handwritten()
images, labels = np.concatenate([images, test_images]).reshape(-1, 784), np.concatenate([labels, test_labels])


def rare_tumours(seed):
    X, y = mg.data.imbalance(tumours[:, :2], 1 - benign, ratio=9, rng=seed)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=seed)
    mean, std = X_train.mean(axis=0), X_train.std(axis=0)
    return (X_train - mean) / std, (X_test - mean) / std, y_train, y_test


def eights(seed):
    rows = np.random.default_rng(seed).permutation(len(labels))[:4000]
    X, y = images[rows], (labels[rows] == 8).astype(int)
    return train_test_split(X, y, test_size=0.6, stratify=y, random_state=seed)


DATA = {"is it malignant?": rare_tumours, f"is it an 8? ({name})": eights}


def probability(X_train, y_train, X_test, class_weight, seed):
    """P(class 1) of the test samples, by logistic regression."""
    model = mg.nn.Linear(X_train.shape[1], 2, rng=seed)
    optimizer = mg.optim.Adam(model.parameters(), lr=0.01, weight_decay=0.01)
    how: dict = {"epochs": 32_000 // len(y_train), "optimizer": optimizer, "rng": seed, "progress": False}
    mg.training.fit(model, mg.losses.cross_entropy, (X_train, y_train), class_weight=class_weight, **how)
    return mg.nn.functional.softmax(model(X_test)).numpy()[:, 1].astype(float)


# %% [markdown]
# ## Weigh, correct, correct too often
# `pi` comes from the training labels, and so do the weights: nothing here looks at a test label. The last two ways are
# mistakes: the correction with its two priors exchanged (the wrong sign of the shift), and the right one applied twice.


# %%
def ways(X_train, X_test, y_train, seed):
    """P(class 1) of the test samples in five ways."""
    pi = np.bincount(y_train) / len(y_train)
    w = mg.weighting.balanced(y_train)
    acted = pi * w / np.sum(pi * w)  # pi' = pi w / sum(pi w)
    weighted = probability(X_train, y_train, X_test, w, seed)
    corrected = mg.decisions.correct_prior(weighted, acted, pi)  # p pi / pi', divided by their sum
    return {
        "unweighted": probability(X_train, y_train, X_test, None, seed),
        "weighted": weighted,
        "corrected": corrected,
        "corrected twice": mg.decisions.correct_prior(corrected, acted, pi),
        "wrong sign": mg.decisions.correct_prior(weighted, pi, acted),
    }


def log_odds(p):
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return np.log(p / (1 - p))


WAYS = ("unweighted", "weighted", "corrected", "corrected twice", "wrong sign")
says: dict = {}  # p in the five ways, (seeds, ways, samples)
happens: dict = {}  # the truth, (seeds, samples)
agree = []  # share of the samples on which two decisions agree, see below
for title, draw in DATA.items():
    said, truth = [], []
    for seed in tqdm(SEEDS, desc=title):
        X_train, X_test, y_train, y_test = draw(seed)
        p = ways(X_train, X_test, y_train, seed)
        said.append([p[way] for way in WAYS])
        truth.append(y_test)
        agree.append(np.mean((p["weighted"] >= 0.5) == (p["corrected"] >= np.mean(y_train))))
    says[title], happens[title] = np.array(said), np.array(truth)


def losses(title):
    """The log loss of each seed and way."""
    pairs = zip(says[title], happens[title], strict=True)
    return [[log_loss(y, np.clip(p, 1e-6, 1 - 1e-6)) for p in each] for each, y in pairs]


mean = np.array([says[title].mean(axis=2) for title in DATA])  # [data, seed, way]
loss = np.array([losses(title) for title in DATA])
rate = np.array([happens[title].mean() for title in DATA])  # how often class 1 really is there
shift = [np.mean(log_odds(says[title][:, 1]) - log_odds(says[title][:, 0])) for title in DATA]


def spread(values):
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


for d, title in enumerate(DATA):
    print(
        f"\n{title:22} yes, in {rate[d]:.3f} of the cases; weights raise the log-odds by {shift[d]:.2f}, log 9 is 2.20"
    )
    print(f"{'':22} p, on average     log loss")
    for j, way in enumerate(WAYS):
        print(f"{way:22} {spread(mean[d, :, j])}     {spread(loss[d, :, j])}")

print(f"\n'weighted p >= 0.5' and 'corrected p >= pi' agree on {np.mean(agree):.2%} of the samples.")

# %% [markdown]
# Nothing was lost by weighting: a corrected p has the same ranking, and to say "yes" from a weighted 0.5 on is to say
# it from a corrected pi on. The weights had moved the decision; the correction shows where to.
#
# ## The picture
# Sort the p of all seeds into bins. In each, the mean of p is what the model says; the share of ones is what happens.


# %%
def reliability(p, y, edges=(0.05, 0.2, 0.4, 0.6, 0.8), least=30):
    """Mean p and share of ones, in each bin that has enough samples."""
    bins = np.digitize(p, edges)
    members = [bins == b for b in range(len(edges) + 1) if np.sum(bins == b) >= least]
    return [p[m].mean() for m in members], [y[m].mean() for m in members]


LOOKS = {
    "weighted": {"color": plotting.ORANGE, "marker": "o", "ls": "--"},
    "corrected": {"color": plotting.BLUE, "marker": "s", "ls": "-"},
    "corrected twice": {"color": plotting.GREEN, "marker": "^", "ls": ":"},
}
figure, panels = plotting.panels(columns=2)
every_p = np.linspace(0, 1, 101)
for d, (title, axes) in enumerate(zip(DATA, panels, strict=True)):
    axes.plot(every_p, every_p, color=plotting.GREY, lw=0.8)
    theory = mg.decisions.correct_prior(every_p, 0.5, rate[d])  # balanced weights act as a prior of one half
    axes.plot(every_p, theory, color=plotting.BLACK, lw=1.5, label="theory for weighted")
    for way, look in LOOKS.items():
        axes.plot(*reliability(says[title][:, WAYS.index(way)].ravel(), happens[title].ravel()), label=way, **look)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="what the model says: mean p of the bin")
    axes.set_title(title)
panels[0].set(ylabel="what happens: share of yes in the bin")
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=10)
plotting.save(figure, "10_probabilities")

# %% [markdown]
# ## What we saw
# Weights about doubled the average p. The log-odds rose by less than log 9 = 2.2, on average: theory speaks of a model
# that can follow its data freely, and ours is a straight line with weight decay. So the correction, which takes off
# the full 2.2, comes out near the truth but not exactly on it; its log loss is about that of the unweighted model, or a
# little lower. A network that has learned its training data by heart hardly notices weights (see the third try below):
# there the correction takes off what was never put on. Look at a reliability diagram of validation data before you
# trust any p.
#
# ## What we claim

# %%
unweighted, weighted, corrected, twice, wrong = range(len(WAYS))
off = abs(mean.mean(axis=1) - rate[:, None])  # how far the average p is from the truth, [data, way]
average = loss.mean(axis=1)  # [data, way]

assert np.all(mean[:, :, weighted].mean(axis=1) > 1.7 * rate), "weights make p too high"
assert np.all(off[:, corrected] < 0.4 * off[:, weighted]), "the correction brings the average back"
assert np.all(average[:, corrected] < 0.8 * average[:, weighted]), "and lowers the log loss"
assert np.all(average[:, corrected] < 1.15 * average[:, unweighted]), "to about that of no weights, or below"
assert np.all(average[:, twice] > 1.15 * average[:, corrected]), "corrected twice is too low"
assert np.all(mean[:, :, twice].mean(axis=1) < 0.7 * rate), "so that p is below the truth"
assert np.all(average[:, wrong] > 2 * average[:, weighted]), "the wrong sign doubles the mistake"
assert all(0.5 < s < 2.2 for s in shift), "weights raise the log-odds, by less than log(w_1 / w_0)"
assert np.mean(agree) > 0.999, "the decisions are the same, at another threshold"
print(f"\nClaims hold over {len(SEEDS)} seeds:")
for d, title in enumerate(DATA):
    print(f"- {title} yes in {rate[d]:.2f}; p on average {mean[d, :, weighted].mean():.2f} weighted,", end=" ")
    print(f"{mean[d, :, corrected].mean():.2f} corrected, {mean[d, :, twice].mean():.2f} corrected twice")
    print(f"  log loss {average[d, weighted]:.2f} weighted, {average[d, corrected]:.2f} corrected,", end=" ")
    print(f"{average[d, twice]:.2f} corrected twice, {average[d, wrong]:.2f} with the wrong sign")

# %% [markdown]
# ## Try it yourself
# 1. `mg.weighting.inverse_sqrt` instead of `balanced`: what is log(w_1 / w_0) now, and where is the theory's curve?
# 2. Train without weights and `correct_prior` to a prior of one half. Compare with "weighted": ranking, log loss.
# 3. Put `mg.models.MLP((X_train.shape[1], 64, 2), rng=seed)` in the place of `Linear`, with `weight_decay=0`. By how
#    much do weights raise the log-odds of the eights now? What does the correction do to the log loss?
# 4. scikit-learn's `CalibratedClassifierCV` learns the correction from data. When would you rather have that?
#
# **Exercise of this lesson:** `minigrad exercises check 10_probabilities.py`. Write `correct_prior` for probabilities
# and for logits, repair a program that corrects once too often, and move a threshold instead.
