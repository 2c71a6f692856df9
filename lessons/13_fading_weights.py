"""Does a class weight still matter when the training is over?

Threes and eights: a network can learn to tell the training images apart without a mistake. Its logit for "eight" is
above that for "three" by d = z_8 - z_3, and it says eight where d > 0. An eight weighs w, a three 1. For an eight that
is already on its side by d, weight times cross-entropy is

    w log(1 + exp(-d))  ~  w exp(-d)  =  exp(-(d - log w))       for large d

A weight is a shift of d by log w: 4.2 for w = 64. It is large while d is small. But where the classes can be separated
the loss goes to 0 only if d grows without end, and then a shift of 4.2 decides nothing (Byrd & Lipton 2019, "What is
the effect of importance weighting in deep learning?"). Whatever keeps d small brings the effect back. We measure

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
# ## One training
# 178 images to train, 125 to test, 54 to validate. The two class weights have the ratio w and mean 1, so that the step
# stays about as long. Everything that may bring the effect back is an argument of `fit`, of the optimiser or of the
# network.


# %%
def l1_cross_entropy(model, lam):
    """Cross-entropy + lam sum |v|, over the weights v of the layers (not their biases)."""
    layers = [p for p in model.parameters() if p.ndim > 1]
    return lambda z, y, **weights: mg.losses.cross_entropy(z, y, **weights) + mg.optim.l1_penalty(layers, lam)


def called_eight(seed, w, *, epochs=EPOCHS, weight_decay=0.0, l1=0.0, dropout=0.0, after=0, early=None, **settings):
    """Share of the test images called eight at each epoch of AT, and at the end; share classified correctly."""
    X_train, X_rest, y_train, y_rest = train_test_split(X, y, test_size=0.5, stratify=y, random_state=seed)
    X_test, X_val, y_test, y_val = train_test_split(X_rest, y_rest, test_size=0.3, stratify=y_rest, random_state=seed)
    mg.manual_seed(seed)
    model = mg.models.MLP((64, 32, 2), dropout=dropout)
    weights = np.array([1, w]) * 2 / (1 + w)
    seen = []

    def predicted():
        model.eval()
        with mg.no_grad():
            prediction = np.argmax(model(mg.tensor(X_test)), axis=1)
        model.train()
        return prediction

    mg.training.fit(
        model, l1_cross_entropy(model, l1) if l1 else mg.losses.cross_entropy, (X_train, y_train),
        epochs=epochs, batch_size=60,
        optimizer=mg.optim.SGD(model.parameters(), lr=0.2, weight_decay=weight_decay),
        class_weight=mg.training.deferred(weights, after),  # no weights in the first `after` epochs
        early_stopping=early, validation=(X_val, y_val, weights[y_val]) if early else None,
        callbacks=[lambda history: seen.append(predicted().mean()) if len(history) in AT else None],
        rng=seed, progress=False, **settings,
    )  # fmt: skip
    return np.array(seen), predicted().mean(), np.mean(predicted() == y_test)


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
                fan[k, i, j], _, correct[k, i, j] = called_eight(seed, w, weight_decay=lam)
                bar.update()
spread = fan[:, :, -1] - fan[:, :, 0]  # [without or with L2, seed, epoch]


def mean_sd(values):
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


print("epoch   spread without L2   with L2")
for epoch in (12, 50, 100, 200, 300):
    print(f"{epoch:5}   {mean_sd(spread[0, :, AT.index(epoch)])}       {mean_sd(spread[1, :, AT.index(epoch)])}")

# %% [markdown]
# ## What else brings it back?
# Every row is two trainings per seed, w = 64 and w = 1/64. The learning rate at epoch t is 0.2 f(t); "sum of f" is how
# much learning rate was spent in all, in epochs at the full rate.

# %%
ROWS = {
    "nothing": {},
    "L2, lam = 0.003": {"weight_decay": 0.003},
    "L2, lam = 0.01": {"weight_decay": LAM},
    "L1, lam = 0.003": {"l1": 0.003},
    "dropout, half of the units": {"dropout": 0.5},
    "deferred: weights in the last fifth": {"after": EPOCHS * 4 // 5},
    "gradient clipped to length 0.1": {"clip_norm": 0.1},
    "gradient clipped to length 0.02": {"clip_norm": 0.02},
    "EarlyStopping, patience 20": {"early": 20},
    "stopped after 100 epochs": {"epochs": 100},
    "schedule: constant": {"schedule": mg.optim.constant()},
    "schedule: warm-up": {"schedule": mg.optim.warmup(50)},
    "schedule: cyclic": {"schedule": mg.optim.cyclic(25)},
    "schedule: cosine": {"schedule": mg.optim.cosine(EPOCHS)},
    "schedule: step": {"schedule": mg.optim.step(100)},
    "schedule: exponential": {"schedule": mg.optim.exponential(0.99)},
}
left_over, right = np.zeros((2, len(ROWS), len(SEEDS)))  # [row, seed]
spent = np.zeros(len(ROWS))
print("\nwhat is done                          sum of f   spread at the end   classified correctly")
for r, settings in enumerate(tqdm(ROWS.values(), desc="the table", unit=" rows")):
    for i, seed in enumerate(SEEDS):
        (_, low, right_low), (_, high, right_high) = (called_eight(seed, w, **settings) for w in (1 / 64, 64))
        left_over[r, i], right[r, i] = high - low, (right_low + right_high) / 2
    spent[r] = sum(settings.get("schedule", mg.optim.constant())(t) for t in range(settings.get("epochs", EPOCHS)))
for r, row in enumerate(ROWS):
    print(f"{row:36}  {spent[r]:8.0f}   {mean_sd(left_over[r])}       {right[r].mean():.3f}")

# %% [markdown]
# Four things to read in it.
#
# - **Penalties** keep parameters, and so d, small. The effect is back; but see the last column: an effect is not a
#   gain. A network that separates the classes has nothing to trade, and a weight that decides costs correct answers.
# - **A schedule is a shorter training.** The less learning rate is spent, the more of the weight is left, whatever the
#   form of the schedule; stopping early is the bluntest of them.
# - **Deferred weights** come when all losses are nearly 0, and find nothing to weigh. (In lesson 12 they helped: ten
#   classes, a few nines, and losses that were not yet 0.)
# - **EarlyStopping** waits for a validation loss that no longer falls. Here it falls to the end: nothing is stopped.
#
# ## Clip before or after weighting?
# `clip_norm` shortens the gradient of the whole batch, weights included. Differentially private training clips each
# sample's gradient, before it is weighted. For one heavy eight alone the order decides everything:


# %%
def clipped(g, length=0.1):
    return g * min(1, length / np.linalg.norm(g))


mg.manual_seed(0)
model, an_eight = mg.models.MLP((64, 32, 2)), np.flatnonzero(y == 1)[:1]
loss = mg.losses.cross_entropy(model(mg.tensor(X[an_eight])), y[an_eight])
g = np.concatenate([part.numpy().ravel() for part in mg.grad(loss, list(model.parameters()))])
weigh_then_clip, clip_then_weigh = np.linalg.norm(clipped(64 * g)), np.linalg.norm(64 * clipped(g))
print(f"\nAn eight of weight 64, clipped to 0.1: weigh, then clip {weigh_then_clip:.2f}; ", end="")
print(f"clip, then weigh {clip_then_weigh:.2f} = 64 x 0.1")

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
# Two of these trainings (seeds 0 and 1) were once continued to 1,000 epochs: the spread fell to 0.04 and 0.01 without
# L2, and was 0.44 and 0.39 with it. The fan really closes, and with L2 it really stays open.

# %%
rows = list(ROWS)
nothing, deferred = left_over[0].mean(), left_over[rows.index("deferred: weights in the last fifth")].mean()
stopped, l1 = (left_over[rows.index(row)] for row in ("stopped after 100 epochs", "L1, lam = 0.003"))
of_schedules = np.array([r for r, row in enumerate(rows) if row.startswith("schedule")])
by_rate = of_schedules[np.argsort(-spent[of_schedules])]
saved = left_over[by_rate].mean(axis=1)
order = spearmanr(spent[of_schedules], left_over[of_schedules].mean(axis=1)).statistic

assert np.all(spread[:, :, AT.index(12)] == 1), "early in training the weight decides everything, with L2 and without"
assert spread[0, :, -1].mean() < 0.2, "at the end, without L2, nearly nothing"
assert np.all(spread[1, :, -1] > spread[0, :, -1] + 0.15), "with L2 more of it is left, in every seed"
assert np.all(stopped > spread[0, :, -1] + 0.15), "so it is where the training was stopped early"
assert np.all(l1 > spread[0, :, -1] + 0.15), "and with L1"
assert deferred < nothing, "weights that come when all losses are small change less still"
assert order < -0.8, "the less learning rate a schedule spends, the more of the weight is left (rank correlation)"
assert correct[0, :, [0, -1]].mean() > correct[1, :, [0, -1]].mean() + 0.05, "L2 costs correct answers here"
assert np.allclose([weigh_then_clip, clip_then_weigh], [0.1, 6.4]), "the order of clipping and weighting decides"
print(f"\nClaims hold over {len(SEEDS)} paired seeds:")
print(f"- spread between the weights 64 and 1/64: 1 at epoch 12, {nothing:.2f} at epoch {EPOCHS}; with L2", end=" ")
print(f"{spread[1, :, -1].mean():.2f}, with L1 {l1.mean():.2f}, stopped after 100 epochs {stopped.mean():.2f}")
print(f"- deferred weights: {deferred:.2f}")
print(f"- schedules from the most learning rate to the least: {', '.join(f'{value:.2f}' for value in saved)}")
print(f"- correct answers with w = 64 and 1/64: {correct[0, :, [0, -1]].mean():.2f}, with L2 ", end="")
print(f"{correct[1, :, [0, -1]].mean():.2f}")

# %% [markdown]
# ## Try it yourself
# 1. Train the two trainings of "nothing" for 1,000 epochs (`epochs=1000`): what is the spread then? And with L2?
# 2. Swap in classes that overlap, with `mg.data.flip_labels(y_train, 0.1, seed)` (a tenth of the labels wrong). First
#    say whether the weight will fade.
# 3. Replace the weights by a shift, `mg.losses.logit_adjusted(z, y, prior=[1 / 65, 64 / 65])`. Does that fade too?
#
# **Exercise of this lesson.** The gradient of L2, and a step that clips before or after weighting:
# `minigrad exercises check 13_fading_weights.py`.
