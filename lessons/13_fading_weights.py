# %% [markdown]
"""Does a class weight still matter when the training is over?

Threes and eights: a network can learn to tell the training images apart without a mistake. It gives an image two
logits, z_3 and z_8, and says eight where d = z_8 - z_3 is above 0. An eight weighs w, a three 1. For an eight, weight
times cross-entropy is

    w log(1 + exp(-d))  ~  w exp(-d)  =  exp(-(d - log w))       where d is large

So a weight is a shift of d by log w: by 4.2 for w = 64. That is much while d is small. But where the classes can be
separated, the loss goes to 0 only if d grows without end, and then a shift of 4.2 decides nothing (Byrd & Lipton 2019,
"What is the effect of importance weighting in deep learning?"). Whatever keeps d small brings the effect back. We
measure

    spread = (share of the test images called eight with w = 64) - (the same with w = 1/64)

1: the weight decides everything; 0: it decides nothing.

The picture: the share of images called eight against the epoch, a line for each weight from 1/64 to 64. Left, without
L2, all lines run together near one half; right, with L2, those of the weights 64 and 1/64 stay apart.
"""

# %%
import numpy as np
import plotting
from scipy.stats import spearmanr
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import minigrad as mg

SEEDS = range(3)
WEIGHTS = (1 / 64, 1 / 8, 1, 8, 64)
EPOCHS = 300
AT = (1, 2, 3, 5, 8, 12, 20, 30, 50, 75, 100, 150, 200, 300)  # epochs at which we look

X, y = mg.data.load_digits()
either = (y == 3) | (y == 8)
X, y = X[either], (y[either] == 8).astype(int)  # 357 images; class 1: eight

# %% [markdown]
# ## A weight is a shift

# %%
print("    d   64 times the loss   exp(-(d - log 64))")
for d in (0, 2, 5, 10):
    weighted = 64 * np.log1p(np.exp(-d))  # w log(1 + exp(-d))
    shifted = np.exp(-(d - np.log(64)))  # exp(-(d - log w))
    print(f"{d:5}   {weighted:17.4f}   {shifted:18.4f}")

# %% [markdown]
# ## One training
# 178 images to train, 125 to test, 54 to validate. The class weights 1 and w are both divided by their mean, so that
# the steps do not grow with w. Whatever may bring the effect back is an argument: of `fit`, of the optimiser, or of the
# network.


# %%
def l1_cross_entropy(model, lam):
    layers = [p for p in model.parameters() if p.ndim > 1]  # not the biases
    return lambda z, y, **weights: (
        mg.losses.cross_entropy(z, y, **weights) + mg.optim.l1_penalty(layers, lam)  # + lam sum |v|
    )


def training(seed, w, *, epochs=EPOCHS, hidden=32, lam=0.0, l1=0.0, dropout=0.0, after=0, patience=None, **settings):
    """Share of the test images called eight (at the epochs AT, at the end), share classified correctly, epochs run."""
    X_train, X_rest, y_train, y_rest = train_test_split(X, y, test_size=0.5, stratify=y, random_state=seed)
    X_test, X_val, y_test, y_val = train_test_split(X_rest, y_rest, test_size=0.3, stratify=y_rest, random_state=seed)
    mg.manual_seed(seed)
    model = mg.models.MLP((64, hidden, 2), dropout=dropout)
    weights = np.array([1, w]) * 2 / (1 + w)
    called = []

    def eights():
        z = mg.training.predict(model, X_test)  # no dropout while we look
        return z[:, 1] - z[:, 0] > 0  # d > 0

    history = mg.training.fit(
        model, l1_cross_entropy(model, l1) if l1 else mg.losses.cross_entropy, (X_train, y_train),
        epochs=epochs, batch_size=60,
        optimizer=mg.optim.SGD(model.parameters(), lr=0.2, weight_decay=lam),
        class_weight=mg.training.deferred(weights, after),  # no weights in the first `after` epochs
        early_stopping=patience, validation=(X_val, y_val, weights[y_val]) if patience else None,
        callbacks=[lambda history: called.append(eights().mean()) if len(history) in AT else None],
        rng=seed, progress=False, **settings,
    )  # fmt: skip
    return np.array(called), eights().mean(), np.mean(eights() == y_test), len(history)


# %% [markdown]
# ## The fan closes, and stays open
# L2 adds (lam / 2) sum v^2 over all parameters v to the loss: a large d would cost large parameters. In the optimiser
# it is called `weight_decay`, because its gradient lam v makes every parameter decay.

# %%
LAM = 0.01
fan = np.zeros((2, len(SEEDS), len(WEIGHTS), len(AT)))  # [without or with L2, seed, weight, epoch]
correct = np.zeros(fan.shape[:3])
with tqdm(total=correct.size, desc="the fan", unit=" networks") as bar:
    for k, lam in enumerate((0.0, LAM)):
        for i, seed in enumerate(SEEDS):
            for j, w in enumerate(WEIGHTS):
                fan[k, i, j], _, correct[k, i, j], _ = training(seed, w, lam=lam)
                bar.update()
spread = fan[:, :, -1] - fan[:, :, 0]  # share with w = 64 - share with w = 1/64: [without or with L2, seed, epoch]


def mean_sd(values):
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


print("\nepoch   spread without L2   with L2")
for epoch in (12, 50, 100, 200, 300):
    print(f"{epoch:5}   {mean_sd(spread[0, :, AT.index(epoch)])}       {mean_sd(spread[1, :, AT.index(epoch)])}")

# %% [markdown]
# ## What else brings it back?
# Every row is two trainings per seed, w = 64 and w = 1/64. The learning rate of an epoch is 0.2 f: f is 1, or what a
# schedule says. "Sum of f" is how much learning rate was spent in all, in epochs at the full rate.

# %%
ROWS = {
    "nothing, constant rate": {},
    "L1, lam = 0.003": {"l1": 0.003},
    "dropout, half of the hidden units": {"dropout": 0.5},
    "256 hidden units instead of 32": {"hidden": 256},
    "deferred: weights in the last fifth": {"after": EPOCHS * 4 // 5},
    "gradient clipped to length 0.02": {"clip_norm": 0.02},
    "EarlyStopping, patience 20": {"patience": 20},
    "stopped after 100 epochs": {"epochs": 100},
    "schedule: warm-up": {"schedule": mg.optim.warmup(50)},
    "schedule: cyclic": {"schedule": mg.optim.cyclic(25)},
    "schedule: cosine": {"schedule": mg.optim.cosine(EPOCHS)},
    "schedule: step": {"schedule": mg.optim.step(100)},
    "schedule: exponential": {"schedule": mg.optim.exponential(0.99)},
}
left, right, spent = np.zeros((3, len(ROWS), len(SEEDS)))  # [row, seed]
for r, settings in enumerate(tqdm(ROWS.values(), desc="the table", unit=" rows")):
    f = settings.get("schedule", mg.optim.constant())
    for i, seed in enumerate(SEEDS):
        (_, low, *some), (_, high, *more) = (training(seed, w, **settings) for w in (1 / 64, 64))
        left[r, i] = high - low
        right[r, i], epochs = np.mean([some, more], axis=0)
        spent[r, i] = sum(f(epoch) for epoch in range(round(epochs)))
print("\nwhat is done                          sum of f   spread at the end   classified correctly")
for r, row in enumerate(ROWS):
    print(f"{row:36}  {spent[r].mean():8.0f}   {mean_sd(left[r])}       {right[r].mean():.3f}")

# %% [markdown]
# Five things to read in it.
#
# - **Penalties** keep the parameters small, and so d. The effect is back; but see the last column: an effect is not a
#   gain. A network that separates the classes has nothing to trade, and a weight that decides costs correct answers.
# - **A schedule is a shorter training.** The less learning rate is spent, the more of the weight is left, whatever the
#   form of the schedule. Stopping early is the bluntest of them, and clipping to short steps has the same effect.
# - **Dropout and a wider network** change far less here than a penalty does.
# - **Deferred weights** come when all losses are nearly 0, and find nothing to weigh. (In lesson 12 they did help:
#   its classes are ten, some with a handful of images.)
# - **EarlyStopping** waits for a validation loss that no longer falls. Here it falls (almost) to the end.
#
# ## Clip before or after weighting?
# `clip_norm` shortens the gradient of the whole batch, weights included. Differentially private training clips each
# sample's gradient g_i, before it is weighted. For one heavy eight alone the order decides everything:


# %%
def clipped(g, limit=0.1):
    return g * min(1, limit / np.linalg.norm(g))  # g min(1, limit / ||g||)


mg.manual_seed(0)
model, an_eight = mg.models.MLP((64, 32, 2)), np.flatnonzero(y == 1)[:1]
loss = mg.losses.cross_entropy(model(mg.tensor(X[an_eight])), y[an_eight])
g = np.concatenate([part.numpy().ravel() for part in mg.grad(loss, list(model.parameters()))])
weigh_then_clip, clip_then_weigh = np.linalg.norm(clipped(64 * g)), np.linalg.norm(64 * clipped(g))
print(f"\nAn eight of weight 64, limit 0.1: weigh, then clip: length {weigh_then_clip:.2f}; ", end="")
print(f"clip, then weigh: {clip_then_weigh:.2f} = 64 x 0.1")

# %% [markdown]
# ## The picture

# %%
LOOKS = [
    ("o", "--", plotting.BLUE), ("s", "--", plotting.SKY), ("", "-", plotting.BLACK),
    ("D", "-.", plotting.ORANGE), ("^", "-.", plotting.VERMILION),
]  # fmt: skip
figure, both = plotting.panels(columns=2)
for k, axes in enumerate(both):
    for j, (w, (marker, line, colour)) in enumerate(zip(WEIGHTS, LOOKS, strict=True)):
        name = f"w = {w}" if w >= 1 else f"w = 1/{round(1 / w)}"
        axes.plot(AT, fan[k, :, j].mean(axis=0), line, marker=marker, ms=5, color=colour, label=name)
    axes.set(xscale="log", ylim=(-0.04, 1.04), xlabel="epoch (log scale)")
    axes.set_xticks([1, 3, 10, 30, 100, 300], ["1", "3", "10", "30", "100", "300"])
    axes.minorticks_off()
both[0].set_title("Without L2 the weight fades …")
both[1].set_title(f"… with L2 (lam = {LAM}) it stays")
both[0].set_ylabel("share of the test images called eight")
both[0].axvline(100, color=plotting.GREY, ls=":", lw=1.2)
both[0].text(90, 0.21, "stop here, and\nit still decides", color=plotting.GREY, ha="right", fontsize=9.5)
both[1].legend(fontsize=10, loc="center left", bbox_to_anchor=(0, 0.3))
plotting.save(figure, "13_fading_weights")

# %% [markdown]
# ## What we claim
# Nothing is ranked here by its accuracy. Rate, epochs and strengths are such that the fading can be watched.

# %%
of = dict(zip(ROWS, left, strict=True))
fading, kept = spread[:, :, -1]
deferred, stopped, l1 = (of[row] for row in ("deferred: weights in the last fifth", "stopped after 100 epochs",
                                             "L1, lam = 0.003"))  # fmt: skip
rates = np.array([r for r, row in enumerate(ROWS) if "rate" in row or "schedule" in row])
rates = rates[np.argsort(-spent[rates].mean(axis=1))]  # from the most learning rate to the least
by_rate = left[rates].mean(axis=1)
order = spearmanr(spent[rates].mean(axis=1), by_rate).statistic
right_without, right_with = correct[:, :, [0, -1]].mean(axis=(1, 2))  # w = 64 and 1/64, without and with L2

assert np.all(spread[:, :, AT.index(12)] == 1), "early in training the weight decides everything, with L2 and without"
assert fading.mean() < 0.2, "at the end, without L2, nearly nothing"
assert np.all(kept > fading + 0.15), "with L2 more of it is left, in every seed"
assert np.all(stopped > fading + 0.15), "so it is where the training was stopped early"
assert np.all(l1 > fading + 0.15), "and with L1"
assert deferred.mean() < fading.mean(), "weights that come when all losses are small change less still"
assert order < -0.8, "the less learning rate a schedule spends, the more of the weight is left (rank correlation)"
assert right_without > right_with + 0.05, "L2 costs correct answers here"
assert np.allclose([weigh_then_clip, clip_then_weigh], [0.1, 6.4]), "the order of clipping and weighting decides"
print(f"\nClaims hold over {len(SEEDS)} paired seeds:")
print(f"- spread between the weights 64 and 1/64: 1 at epoch 12, {fading.mean():.2f} at epoch {EPOCHS}; ", end="")
print(f"with L2 {kept.mean():.2f}, with L1 {l1.mean():.2f}, stopped after 100 epochs {stopped.mean():.2f}")
print(f"- deferred weights: {deferred.mean():.2f}")
print(f"- schedules from the most learning rate to the least: {', '.join(f'{value:.2f}' for value in by_rate)}")
print(f"- correct answers with w = 64 and 1/64: {right_without:.2f}, with L2 {right_with:.2f}")

# %% [markdown]
# ## Try it yourself
# 1. `EPOCHS = 1000` for the row "nothing": what is the spread then? And with `"lam": LAM`?
# 2. Make the classes overlap: `y_train, _ = mg.data.flip_labels(y_train, 0.1, seed)` (a tenth wrong). First
#    say whether the weight will fade.
# 3. Replace the weights by a shift, `mg.losses.logit_adjusted(z, y, prior=[1 / 65, 64 / 65])`. Does that fade too?
#
# **Exercise of this lesson.** The gradient of a weighted loss with L2, a clipping that comes after weighting, and a
# training that never stops early: `minigrad exercises check 13_fading_weights.py`.
