"""Where in the gradient does the weight of a sample end up?

On its row. Write the outputs of a network for a batch as Z, one row z_i for each sample, and the weighted loss as
L = sum_i w_i l_i. The loss l_i of sample i depends on row i alone, so

    dL/dz_i = w_i dl_i/dz_i                          w_i      weight of sample i
                                                     dl_i/dz  for cross-entropy p_i - e_y: probabilities minus one-hot
    dL/dV   = sum_i w_i (dl_i/dz_i) h_i^T            V, h_i   weights and input of the last layer, Z = H V^T

The formula does not ask which loss it is: a weight is a volume knob on a sample. We turn it on five losses, look at the
three commonest ways of getting it wrong, then ask what else is a weight: a learning rate per class, a second loss that
is added to the first.

The picture: on the left, how much longer the row of a sample became, against its weight; the points of five losses lie
on one line. On the right three mistakes leave the line, each in its own way: a level line, a parabola, a cloud.
"""

# %%
import numpy as np
import plotting
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import minigrad as mg

SEEDS = range(5)
K = 10  # classes: the digits 0..9

# %% [markdown]
# ## Five losses, one line
# An untrained network gives each image ten logits. Cross-entropy takes all of them; the other four losses ask "is it an
# 8?", and take the logit of the 8 alone. For each loss: the rows of dL/dZ with random weights, by the rows without.

# %%
X, y = mg.data.load_digits()
LOSSES = {  # name: loss, the column of Z that it takes, its targets
    "cross-entropy": (mg.losses.cross_entropy, slice(None), y),
    "binary cross-entropy": (mg.losses.binary_cross_entropy, 8, y == 8),
    "squared error": (mg.losses.mse, 8, (y == 8).astype(np.float32)),
    "hinge": (mg.losses.hinge, 8, y == 8),
    "Huber": (mg.losses.huber, 8, (y == 8).astype(np.float32)),
}


def network(seed):
    mg.manual_seed(seed)
    return mg.nn.Sequential(mg.nn.Linear(64, 32), mg.nn.ReLU(), mg.nn.Linear(32, K))


def rows_of_gradient(loss, Z, columns, target, w=None):
    """dL/dZ, shape (N, 10), of the sum of weighted losses."""
    Z = mg.tensor(Z, requires_grad=True)
    L = loss(Z[:, columns], target, sample_weight=w, reduction="sum")  # L = sum_i w_i l_i
    return mg.grad(L, Z).numpy()


def longer(weighted, plain):
    return np.linalg.norm(weighted, axis=1) / np.linalg.norm(plain, axis=1)


off_line = {name: np.zeros(len(SEEDS)) for name in LOSSES}  # the largest relative distance
off_sum = np.zeros(len(SEEDS))
for i, seed in enumerate(SEEDS):
    rng = np.random.default_rng(seed)
    rows, w = rng.choice(len(y), 200, replace=False), rng.uniform(0.2, 5, 200)
    model = network(seed)
    Z = model(X[rows]).numpy()
    points = {}  # of the last seed, for the picture
    for name, (loss, columns, target) in LOSSES.items():
        weighted = rows_of_gradient(loss, Z, columns, target[rows], w)
        points[name] = longer(weighted, rows_of_gradient(loss, Z, columns, target[rows]))
        off_line[name][i] = np.abs(points[name] / w - 1).max()
    # From the rows to the parameters: one gradient per sample, their weighted sum, and the gradient of the whole.
    whole = mg.grad(mg.losses.cross_entropy(model(X[rows]), y[rows], sample_weight=w, reduction="sum"), model[2].weight)
    each = mg.per_sample_gradients(model, mg.losses.cross_entropy, X[rows], y[rows])["2.weight"]  # (200, 10, 32)
    sum_of_each = np.tensordot(w, each, axes=1)  # sum_i w_i grad l_i
    off_sum[i] = np.linalg.norm(sum_of_each - whole.numpy()) / np.linalg.norm(sum_of_each)
print("length of row i of dL/dZ with weights, by that without; largest relative distance from w_i")
for name, distances in off_line.items():
    print(f"  {name:20} {distances.max():.0e}")
print(f"sum_i w_i grad l_i against the gradient of the weighted loss: {off_sum.max():.0e}\n")

# %% [markdown]
# ## Three mistakes
# Weights per class are the usual case: w_i = c[y_i], the weight of the label's class. In a gradient written by hand the
# weight may be *forgotten*, be there *twice* (in the loss, and again in the gradient), or sit on the *column*: c
# multiplies the ten columns of P - Y, because NumPy broadcasts (10,) along the rows (lesson 3). The last is hard to
# see: many rows have about the right length. But rows of P - Y sum to 0, and after this mistake they do not. The
# network is trained for ten epochs first; the checker looks at 12 of its rows.

# %%
c = np.linspace(0.5, 4.5, K)  # the weight of class 0 .. 9


def gradient_by_hand(Z, y):
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    return E / E.sum(axis=1, keepdims=True) - np.eye(K)[y]  # P - Y


MISTAKES = {
    "none": lambda G, y: c[y][:, None] * G,  # row i times w_i
    "forgotten": lambda G, y: G,
    "twice": lambda G, y: c[y][:, None] ** 2 * G,
    "by column": lambda G, y: c * G,
}
mg.training.fit(model, mg.losses.cross_entropy, (X, y), epochs=10, rng=seed, progress=False)
Z = model(X[rows]).numpy().astype(float)
few, y_few = Z[:12], y[rows][:12]


def weighted_loss(Z):
    log_p = Z - np.log(np.sum(np.exp(Z), axis=1, keepdims=True))
    return -np.sum(c[y_few] * log_p[np.arange(12), y_few])


G = gradient_by_hand(Z, y[rows])
ratio, row_sum, verdict = {}, {}, {}
print("weight      row ratio by weight    largest sum of a row    the checker")
for name, mistake in MISTAKES.items():
    ratio[name] = longer(mistake(G, y[rows]), G)
    row_sum[name] = np.abs(mistake(G, y[rows]).sum(axis=1)).max()

    def backward(g, Z, mistake=mistake):
        return g * mistake(gradient_by_hand(Z, y_few), y_few)

    verdict[name] = mg.check_backward(
        weighted_loss, backward, few, labels=y_few, weights=c[y_few], class_weight=c, reduction="sum"
    )
    by_w = ratio[name] / c[y[rows]]
    kind = "passed" if verdict[name].ok else verdict[name].reasons[0].kind
    print(f"{name:10}      {by_w.min():5.2f} .. {by_w.max():5.2f}                 {row_sum[name]:7.2g}    {kind}")
print()

# %% [markdown]
# ## Is a weight a learning rate?
# A step is lr times gradient. In batches of one sample, a class weight c and a learning rate of c * lr for the samples
# of that class should be the same, and for stochastic gradient descent (SGD) they are. Adam divides each step by the
# size of the recent gradients. If *all* weights are ten times as large, SGD takes steps ten times as long; Adam divides
# the ten away again, and goes where it went before. Only what differs *between* samples counts for Adam.


# %%
RATES = {"SGD": (mg.optim.SGD, 0.02), "Adam": (mg.optim.Adam, 0.001)}
pair = np.array([1.0, 5.0])  # weights of the classes 3 and 8


def parameters_after(optimizer_class, lr, weight, rate, seed):
    """All parameters after 300 steps of one sample each; they are told to start at 0."""
    chosen = np.random.default_rng(seed).permutation(np.flatnonzero((y == 3) | (y == 8)))[:300]
    mg.manual_seed(seed)
    model = mg.nn.Sequential(mg.nn.Linear(64, 16), mg.nn.ReLU(), mg.nn.Linear(16, 2))
    start = np.concatenate([p.numpy().ravel() for p in model.parameters()])
    optimizer = optimizer_class(model.parameters(), lr=lr)
    for i in chosen:
        label = int(y[i] == 8)
        optimizer.param_groups[0]["lr"] = lr * rate[label]
        optimizer.zero_grad()
        mg.losses.cross_entropy(model(X[i : i + 1]), [label], class_weight=weight).backward()
        optimizer.step()
    return np.concatenate([p.numpy().ravel() for p in model.parameters()]) - start


def apart(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(a)


one = np.ones(2)
difference = {name: np.zeros((len(SEEDS), 2)) for name in RATES}
for i, seed in enumerate(tqdm(SEEDS, desc="training", unit=" seeds")):
    for name, (optimizer_class, lr) in RATES.items():
        weighted = parameters_after(optimizer_class, lr, pair, one, seed)
        difference[name][i] = (
            apart(weighted, parameters_after(optimizer_class, lr, one, pair, seed)),
            apart(weighted, parameters_after(optimizer_class, lr, 10 * pair, one, seed)),
        )
print("how far apart two trainings end, by the distance that the first one went (largest of the seeds)")
print("        class weight against class-specific rate    weights against 10 times the weights")
for name, values in difference.items():
    print(f"{name:5} {values[:, 0].max():20.1g} {values[:, 1].max():41.1g}")
print()

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


def autoencoder(seed):
    mg.manual_seed(seed)
    return mg.nn.Sequential(mg.nn.Linear(64, 6), mg.nn.Linear(6, 64))


encoder, decoder = autoencoder(0)
namer = mg.nn.Linear(6, K)
code = encoder(X)
L_1, L_2 = mg.losses.cross_entropy(namer(code), y), mg.losses.mse(decoder(code), X)
both, first, second = (mg.grad(L, encoder.weight).numpy() for L in (L_1 + LAM * L_2, L_1, L_2))
off_both = apart(both, first + LAM * second)
print(f"gradient of L_1 + {LAM} L_2 against the sum of the two: {off_both:.0e}\n")

drawn = np.zeros((len(SEEDS), 2, K))  # [seed, weighted or not, class]: squared error of a pixel on the test set
for i, seed in enumerate(tqdm(SEEDS, desc="autoencoders", unit=" seeds")):
    X_rest, X_test, y_rest, y_test = train_test_split(X, y, test_size=0.4, stratify=y, random_state=seed)
    X_train, y_train = mg.data.imbalance(X_rest, y_rest, kind="longtail", ratio=30, rng=seed)
    for m, class_weight in enumerate((np.ones(K), mg.weighting.balanced(y_train))):
        model = autoencoder(seed)
        optimizer = mg.optim.Adam(model.parameters(), lr=0.005)
        data = (X_train, X_train, class_weight[y_train])  # the image is its own target
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
LOOKS = [
    (plotting.BLUE, "o"),
    (plotting.ORANGE, "s"),
    (plotting.GREEN, "^"),
    (plotting.PURPLE, "D"),
    (plotting.SKY, "v"),
]
figure, (left, right) = plotting.panels(columns=2)
for axes in (left, right):
    axes.plot([0, 5], [0, 5], color=plotting.GREY, lw=1)
    axes.set(xlim=(0, 5.2), ylim=(0, 8), xlabel="weight $w_i$ of the sample")
for k, ((name, times), (colour, marker)) in enumerate(zip(points.items(), LOOKS, strict=True)):
    some = np.arange(k, 60, 5)  # other samples for each loss, so that none hides another
    left.plot(w[some], times[some], marker, color=colour, ms=6, label=name)
left.set(ylabel="length of its row of dL/dZ (unweighted: 1)")
left.set_title("Five losses: the row grows by the weight")
for name, colour, marker in (
    ("forgotten", plotting.BLUE, "s"), ("twice", plotting.ORANGE, "^"), ("by column", plotting.VERMILION, "x"),
):  # fmt: skip
    right.plot(c[y[rows]], ratio[name], marker, color=colour, ms=5, label=f"weight {name}")
right.set_title("Three mistakes: it does not grow so")
left.legend(loc="upper left")
right.legend(loc="upper left")
plotting.save(figure, "05_weights")

# %% [markdown]
# ## What we saw
# A weight multiplies the row of its sample, whatever the loss, and from there reaches every parameter. So a mistake
# with weights shows in the rows: look at their lengths, by the weights, and at their sums. Weight and learning rate are
# one thing in SGD with one sample a step, and two in Adam, which notices no common factor. A squared error takes
# weights like any other loss: rare digits are drawn better, frequent ones worse, for six numbers do not become more.

# %%
assert max(distances.max() for distances in off_line.values()) < 1e-5, "each row is w_i times as long, for each loss"
assert off_sum.max() < 1e-5, "the weighted sum of the samples' gradients is the gradient of the weighted loss"
assert np.allclose(ratio["none"], c[y[rows]]), "the right gradient by hand lies on the line"
assert np.allclose(ratio["forgotten"], 1), "a forgotten weight leaves the rows alone"
assert np.allclose(ratio["twice"], c[y[rows]] ** 2), "twice is the square"
assert row_sum["by column"] > 0.1 > 1e-9 > max(row_sum[name] for name in MISTAKES if name != "by column"), (
    "row sums tell"
)
assert verdict.pop("none").ok, "the checker passes the right gradient"
kinds = {name: report.reasons[0].kind for name, report in verdict.items()}
assert kinds == {name: "weight_" + name.replace(" ", "_") for name in kinds}, "and names each mistake"
assert difference["SGD"][:, 0].max() < 1e-4, "under SGD a class weight is a learning rate of the class"
assert difference["Adam"][:, 0].min() > 0.1, "under Adam it is not"
assert difference["Adam"][:, 1].max() < 1e-2 < 1 < difference["SGD"][:, 1].min(), "Adam notices no common factor"
assert off_both < 1e-4, "the gradient of a sum of losses is the sum of their gradients"
assert rare.mean() < -0.05, "weights: the rare digits are drawn better"
assert np.sum(rare < 0) >= len(SEEDS) - 1, "in all seeds but at most one"
assert frequent.mean() > 0.1, "and the frequent ones worse"
print(f"\nClaims hold over {len(SEEDS)} seeds:")
print(f"- row i of dL/dZ is w_i times as long, for {len(LOSSES)} losses; largest relative error", end=" ")
print(f"{max(distances.max() for distances in off_line.values()):.0e}")
print(f"- three mistakes, named by the checker: {', '.join(kinds.values())}")
print(f"- class weight and class-specific rate: apart by {difference['SGD'][:, 0].max():.0e} under SGD, by", end=" ")
print(f"{difference['Adam'][:, 0].mean():.1f} under Adam")
print(f"- ten times all weights: Adam ends {difference['Adam'][:, 1].max():.0e} apart")
print(f"- a weighted autoencoder: error of rare digits {spread(rare)}, of frequent ones {spread(frequent)}")

# %% [markdown]
# ## Try it yourself
# 1. `w[3] = 0`: what becomes of row 3? And of its contribution to the gradient, if the loss of that sample is infinite?
# 2. Use `reduction="mean"` and `"weighted_mean"` in `rows_of_gradient`. The points stay on a line; what is its slope?
#    (Lesson 6 is about that.)
# 3. Class weights under Adam with one batch of all samples instead of single ones: do they matter then?
#
# **Exercise of this lesson.** `lessons/exercises/05_weights.py`: write the gradient of a weighted cross-entropy at the
# logits; the checker tells a weight that was forgotten from one that is there twice, or by column. Check it with
# `minigrad exercises check 05_weights.py`.
