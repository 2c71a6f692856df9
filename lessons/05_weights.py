# %% [markdown]
"""Where in the gradient does the weight of a sample end up?

On its row. Write the outputs of a network for a batch as Z, one row z_i for each sample, and the weighted loss as
L = sum_i w_i l_i. The loss l_i of sample i depends on row i alone, so

    dL/dz_i = w_i dl_i/dz_i              w_i          weight of sample i
                                         dl_i/dz_i    for cross-entropy p_i - y_i: probabilities minus one-hot label
    dL/dV   = sum_i w_i (dl_i/dz_i) h_i^T             V, h_i   weights and input of the last layer, z_i = V h_i

The formula does not ask which loss it is: a weight is a volume knob on a sample. We turn it on five losses, look at the
three commonest ways of getting it wrong, then ask what else is such a knob: a learning rate for each class, the factor
of a second loss that is added to the first.

The picture: on the left, how much longer the row of a sample became, against its weight; the points of five losses lie
on one line. On the right three mistakes leave the line, each in its own way: a level line, a parabola, a cloud.
"""

# %%
import numpy as np
import plotting
from sklearn.model_selection import train_test_split

import minigrad as mg

SEEDS = range(5)
K = 10  # classes: the digits 0..9

# %% [markdown]
# ## Five losses, one line
# An untrained network gives each of 200 images ten logits. Cross-entropy takes all of them; the other four losses ask
# "is it an 8?", and take the logit of the 8 alone. For each loss: how long are the rows of dL/dZ with random weights,
# by those without?

# %%
X, y = mg.data.load_digits()
is_8 = (y == 8).astype(np.float32)
LOSSES: dict[str, tuple] = {  # name: loss, the column of Z that it takes, its targets; colour and marker
    "cross-entropy": (mg.losses.cross_entropy, slice(None), y, plotting.BLUE, "o"),
    "binary cross-entropy": (mg.losses.binary_cross_entropy, 8, is_8, plotting.ORANGE, "s"),
    "squared error": (mg.losses.mse, 8, is_8, plotting.GREEN, "^"),
    "hinge": (mg.losses.hinge, 8, is_8, plotting.PURPLE, "D"),
    "Huber": (mg.losses.huber, 8, is_8, plotting.SKY, "v"),
}


def network(seed):
    mg.manual_seed(seed)
    return mg.nn.Sequential(mg.nn.Linear(64, 32), mg.nn.ReLU(), mg.nn.Linear(32, K))


def rows_of_gradient(loss, Z, columns, target, w=None):
    """dL/dZ, shape (N, 10), of the sum of weighted losses."""
    Z = mg.tensor(Z, requires_grad=True)
    return mg.grad(loss(Z[:, columns], target, sample_weight=w, reduction="sum"), Z).numpy()  # L = sum_i w_i l_i


def longer(weighted, plain):
    return np.linalg.norm(weighted, axis=1) / np.linalg.norm(plain, axis=1)


off_line = {name: np.zeros(len(SEEDS)) for name in LOSSES}  # the largest relative distance
for i, seed in enumerate(SEEDS):
    rng = np.random.default_rng(seed)
    rows, w = rng.choice(len(y), 200, replace=False), rng.uniform(0.1, 2.5, 200)
    model = network(seed)
    Z = model(X[rows]).numpy()
    times = {}  # of the last seed, for the picture
    for name, (loss, columns, target, *_) in LOSSES.items():
        plain = rows_of_gradient(loss, Z, columns, target[rows])
        times[name] = longer(rows_of_gradient(loss, Z, columns, target[rows], w), plain)
        off_line[name][i] = np.abs(times[name] / w - 1).max()
print("length of row i of dL/dZ with weights, by that without: largest relative distance from w_i")
for name, distances in off_line.items():
    print(f"  {name:20} {distances.max():.0e}")

# %% [markdown]
# ## Three mistakes
# Weights per class are the usual case: w_i = c[label of i]. In a gradient written by hand the weight may be
# *forgotten*, be there *twice* (in the loss, and again in the gradient), or sit on the *column*: c multiplies the ten
# columns of P - Y, because NumPy broadcasts (10,) along the rows (lesson 3). The last is hard to see: many rows have
# about the right length. But rows of P - Y sum to 0, and after this mistake they do not. The last network is trained
# for ten epochs first; the checker of lesson 2 looks at 12 rows.

# %%
c = np.linspace(0.25, 2.5, K)  # the weight of class 0 .. 9
MISTAKES = {
    "none": lambda G, y: c[y][:, None] * G,  # row i times w_i
    "forgotten": lambda G, y: G,
    "twice": lambda G, y: c[y][:, None] ** 2 * G,
    "by column": lambda G, y: c * G,
}


def gradient_by_hand(Z, y):
    E = np.exp(Z)
    return E / E.sum(axis=1, keepdims=True) - np.eye(K)[y]  # P - Y


def weighted_loss(Z):
    log_p = Z - np.log(np.sum(np.exp(Z), axis=1, keepdims=True))
    return -np.sum(c[y_few] * log_p[np.arange(12), y_few])


mg.training.fit(model, mg.losses.cross_entropy, (X, y), epochs=10, rng=seed, progress=False)
Z, y_rows = model(X[rows]).numpy().astype(float), y[rows]
few, y_few = Z[:12], y_rows[:12]
G = gradient_by_hand(Z, y_rows)
ratio, row_sum, verdict = {}, {}, {}
print("\nweight      row length / the right one     largest sum of a row    the checker")
for name, mistake in MISTAKES.items():
    ratio[name] = longer(mistake(G, y_rows), G)
    row_sum[name] = np.abs(mistake(G, y_rows).sum(axis=1)).max()

    def backward(g, Z, mistake=mistake):
        return g * mistake(gradient_by_hand(Z, y_few), y_few)

    report = mg.check_backward(weighted_loss, backward, few, labels=y_few, class_weight=c, reduction="sum")
    verdict[name] = "passed" if report.ok else report.reasons[0].kind
    right = ratio[name] / c[y_rows]
    print(f"{name:10} {right.min():16.2f} .. {right.max():4.2f} {row_sum[name]:21.0e}       {verdict[name]}")

# %% [markdown]
# ## Is a weight a learning rate?
# A step is lr times gradient. In batches of one sample, a class weight and a *class-specific learning rate*, lr times
# the weight for the samples of that class, should be the same. For stochastic gradient descent (SGD) they are. Adam
# divides each step by the size of the recent gradients. If *all* weights are ten times as large, SGD takes steps ten
# times as long; Adam divides the ten away again. Only what differs *between* samples counts for Adam.


# %%
def way(optimizer_class, lr, weight, rate, seed):
    """How far 300 steps, of one sample each, move all parameters."""
    model = network(seed)
    start = np.concatenate([p.numpy().ravel() for p in model.parameters()])
    optimizer = optimizer_class(model.parameters(), lr=lr)
    for i in np.random.default_rng(seed).permutation(len(y))[:300]:
        optimizer.param_groups[0]["lr"] = lr * rate[y[i]]
        optimizer.zero_grad()
        mg.losses.cross_entropy(model(X[i : i + 1]), y[i : i + 1], class_weight=weight).backward()
        optimizer.step()
    return np.concatenate([p.numpy().ravel() for p in model.parameters()]) - start


def apart(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(a)


OPTIMIZERS = {"SGD": (mg.optim.SGD, 0.02), "Adam": (mg.optim.Adam, 0.001)}
one = np.ones(K)
as_rate, tenfold = ({name: np.zeros(len(SEEDS)) for name in OPTIMIZERS} for _ in range(2))
for i, seed in enumerate(SEEDS):
    for name, how in OPTIMIZERS.items():
        weighted = way(*how, weight=c, rate=one, seed=seed)
        as_rate[name][i] = apart(weighted, way(*how, weight=one, rate=c, seed=seed))
        tenfold[name][i] = apart(weighted, way(*how, weight=10 * c, rate=one, seed=seed))
print("\nhow far apart two trainings end, by the way that the first one went; the largest of the seeds")
print("        class weight, class-specific rate    weights, ten times the weights")
for name in OPTIMIZERS:
    print(f"{name:5} {as_rate[name].max():20.1g} {tenfold[name].max():33.1g}")

# %% [markdown]
# ## A second loss, and an autoencoder
# Several aims are added up, L = L_1 + LAM L_2, and LAM is to a whole loss what w_i is to a sample: it multiplies that
# loss's part of the gradient. Here six numbers must do for each image: enough to name the digit (L_1, cross-entropy)
# and to draw it again (L_2, the squared error between image and drawing: an *autoencoder*).
#
# Then the autoencoder alone, on digits of which some are rare: 107 zeros down to 3 nines, as in lesson 4. It has no
# labels to learn, but its samples have weights all the same; `balanced` gives each class the same total.

# %%
LAM = 3.0
mg.manual_seed(0)
encoder, decoder, namer = mg.nn.Linear(64, 6), mg.nn.Linear(6, 64), mg.nn.Linear(6, K)
L_1, L_2 = mg.losses.cross_entropy(namer(encoder(X)), y), mg.losses.mse(decoder(encoder(X)), X)
both, first, second = (mg.grad(L, encoder.weight).numpy() for L in (L_1 + LAM * L_2, L_1, L_2))
off_both = apart(both, first + LAM * second)
print(f"\ngradient of L_1 + {LAM} L_2 against the sum of the two gradients: {off_both:.0e}")

drawn = np.zeros((len(SEEDS), 2, K))  # [seed, weighted or not, class]: squared error of a pixel on the test set
for i, seed in enumerate(SEEDS):
    X_rest, X_test, y_rest, y_test = train_test_split(X, y, test_size=0.4, stratify=y, random_state=seed)
    X_train, y_train = mg.data.imbalance(X_rest, y_rest, kind="longtail", ratio=30, rng=seed)
    for m, weight in enumerate((one, mg.weighting.balanced(y_train))):
        mg.manual_seed(seed)
        model = mg.nn.Sequential(mg.nn.Linear(64, 6), mg.nn.Linear(6, 64))
        optimizer = mg.optim.Adam(model.parameters(), lr=0.005)
        data = (X_train, X_train, weight[y_train])  # the image is its own target, w_i = balanced[label of i]
        mg.training.fit(model, mg.losses.mse, data, epochs=60, optimizer=optimizer, rng=seed, progress=False)
        error = mg.losses.mse(model(X_test), X_test, reduction="none").numpy()
        drawn[i, m] = [error[y_test == k].mean() for k in range(K)]
change = drawn[:, 1] / drawn[:, 0] - 1
frequent, rare = change[:, :3].mean(axis=1), change[:, 7:].mean(axis=1)


def spread(values):
    return f"{np.mean(values):+.0%} ± {np.std(values, ddof=1):.0%}"


print("autoencoder: squared error per pixel on the test set, with weights against without")
print(f"  frequent digits 0, 1, 2: {spread(frequent)}    rare digits 7, 8, 9: {spread(rare)}")

# %% [markdown]
# ## The picture

# %%
figure, (left, right) = plotting.panels(columns=2)
for k, (name, (*_, colour, marker)) in enumerate(LOSSES.items()):
    some = np.arange(k, 60, 5)  # other samples for each loss, so that none hides another
    left.plot(w[some], times[name][some], marker, color=colour, ms=6, label=name)
LOOKS = ((plotting.BLUE, "s"), (plotting.ORANGE, "^"), (plotting.VERMILION, "x"))
for name, (colour, marker) in zip(list(MISTAKES)[1:], LOOKS, strict=True):
    right.plot(c[y_rows], ratio[name], marker, color=colour, ms=5, label=f"weight {name}")
left.set(title="Five losses: a row grows by its weight", ylabel="length of its row of dL/dZ (unweighted: 1)")
right.set_title("Three mistakes: it does not")
for axes in (left, right):
    axes.plot([0, 2.5], [0, 2.5], color=plotting.GREY, lw=1, zorder=1)
    axes.set(xlim=(0, 2.6), ylim=(0, 6.6), xlabel="weight $w_i$ of the sample")
    axes.legend(loc="upper left")
plotting.save(figure, "05_weights")

# %% [markdown]
# ## What we saw
# A weight multiplies the row of its sample, whatever the loss. So a mistake with weights shows in the rows: look at
# their lengths, by the weights, and at their sums. Weight and learning rate are one thing in SGD with one sample a
# step, and two in Adam, which does not notice a factor common to all weights. A squared error takes weights like any
# other loss: rare digits are drawn better, frequent ones worse, for six numbers do not become more.

# %%
worst = max(distances.max() for distances in off_line.values())
others = max(row_sum[name] for name in MISTAKES if name != "by column")
assert worst < 1e-5, "each row is w_i times as long, for each loss"
assert row_sum["by column"] > 0.1 > 1e-9 > others, "the sums of the rows show a weight by column"
assert verdict.pop("none") == "passed", "the checker passes the right gradient"
assert verdict == {name: "weight_" + name.replace(" ", "_") for name in verdict}, "and names each mistake"
assert as_rate["SGD"].max() < 1e-4, "under SGD a class weight is a learning rate of the class"
assert as_rate["Adam"].min() > 0.1, "under Adam it is not"
assert tenfold["Adam"].max() < 1e-2 < 1 < tenfold["SGD"].min(), "a common factor moves SGD, but not Adam"
assert off_both < 1e-4, "the gradient of a sum of losses is the sum of their gradients"
assert rare.mean() < -0.05, "weights: the rare digits are drawn better"
assert np.sum(rare < 0) >= len(SEEDS) - 1, "in all seeds but at most one"
assert frequent.mean() > 0.1, "and the frequent ones worse"
print(f"\nClaims hold over {len(SEEDS)} seeds:")
print(f"- row i of dL/dZ is w_i times as long, for {len(LOSSES)} losses; largest relative error {worst:.0e}")
print(f"- three mistakes, named by the checker: {', '.join(verdict.values())}")
print(f"- class weight or class-specific rate: {as_rate['SGD'].max():.0e} apart in SGD", end=", ")
print(f"{as_rate['Adam'].mean():.1f} in Adam; ten times all weights: Adam {tenfold['Adam'].max():.0e} apart")
print(f"- a weighted autoencoder: error of rare digits {spread(rare)}, of frequent ones {spread(frequent)}")

# %% [markdown]
# ## Try it yourself
# 1. `w[3] = 0`: what becomes of row 3? And of its contribution to the gradient, if the loss of that sample is infinite?
# 2. Use `reduction="mean"` and `"weighted_mean"` in `rows_of_gradient`. The points stay on a line; what is its slope?
#    (Lesson 6 is about that.)
# 3. Class weights under Adam with one batch of all samples instead of single ones: do they matter then?
#
# **Exercise of this lesson.** `lessons/exercises/05_weights.py`: write the gradients of three weighted losses at their
# logits, and repair a regression whose weights sit on the wrong side of its matrix. Check it with
# `minigrad exercises check 05_weights.py`.
