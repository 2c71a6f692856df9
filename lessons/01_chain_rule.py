# %% [markdown]
"""How does a program know the slope of everything that it computed, and why must it keep old values for that?

A neural network is a chain of small steps, and each step has a derivative that we know from school. The chain rule
multiplies derivatives along a path and adds up the paths:

    dL/dv = sum over all u that use v of  dL/du * du/dv       L      the loss, one number
                                                              v, u   values on the way; u was computed from v
                                                              du/dv  the local derivative of one small step

dL/dv is called the gradient of v. The program writes down each step when it computes it: the *tape*. Then it walks back
along the tape. We write such a tape for one tumour and walk it rightly and wrongly. Then the rule trains classifiers
for all tumours; and last, a network loses one of the values that it should have kept.

The picture: the tape for one tumour as a graph, from weight and feature on the left to the loss on the right. A box
shows a value and, in blue, its gradient; an arrow carries the local derivative of its step. The shaded derivatives are
made of values from the way forward: without these they cannot be known. (λ is the LAMBDA of the code.)
"""

# %%
import numpy as np
import plotting
from sklearn.model_selection import train_test_split

import minigrad as mg

SEEDS = range(5)
EPOCHS, BATCH = 20, 32
LR, LAMBDA = 0.1, 0.1  # LR: learning rate, how far a step of training goes against the gradient

# %% [markdown]
# ## A tape
# A Node holds a value, and an edge to each node that it was computed from, with the local derivative on it. Look at
# what the edges need: `times` the *values* of both factors, the sigmoid its own result, the logarithm its argument.
# Only `plus` needs nothing.

# %%
tape: list["Node"] = []


class Node:
    def __init__(self, value, *edges):
        self.value, self.edges, self.gradient = value, edges, 0.0
        tape.append(self)


def times(a, b):
    return Node(a.value * b.value, (a, b.value), (b, a.value))  # d(ab)/da = b and d(ab)/db = a


def plus(a, b):
    return Node(a.value + b.value, (a, 1.0), (b, 1.0))  # d(a + b)/da = 1


def sigma(z):
    return 1 / (1 + np.exp(-z))  # of a number, or of each entry of an array


def sigmoid(z):
    p = sigma(z.value)
    return Node(p, (z, p * (1 - p)))  # dp/dz = p (1 - p)


def minus_log(p):
    return Node(-np.log(p.value), (p, -1 / p.value))  # d(-log p)/dp = -1/p


def penalty(z):
    return Node(LAMBDA * z.value**2, (z, 2 * LAMBDA * z.value))  # d(LAMBDA z^2)/dz = 2 LAMBDA z


# %% [markdown]
# ## One tumour
# x is a feature (the "worst radius", standardised) of one malignant tumour, and w its weight. z = w x is called a
# *logit*, p = sigmoid(z) = 1 / (1 + exp(-z)) is the probability of "malignant", and l = -log p the loss. To it we add
# r = LAMBDA z^2, which keeps a classifier from being too sure. So z is used twice: two paths lead from z to L = l + r.

# %%
X, y = mg.data.load_breast_cancer()
y = 1 - y  # 1 = malignant, 0 = benign

w, x = Node(0.5), Node(float((X[y == 1][0, 20] - X[:, 20].mean()) / X[:, 20].std()))
z = times(w, x)
p = sigmoid(z)
l = minus_log(p)  # noqa: E741 -- the loss has this name in every book
r = penalty(z)
L = plus(l, r)

# %% [markdown]
# ## In which order, and how often?
# A node may hand on its gradient only when it has all of it: z must wait for p *and* for r.
#
# - Along the *tape*, from its end: a node is written down after all that it was computed from. So, backwards, all that
#   used z come before z.
# - *As found*: from L to what it was computed from, and on from there. z is found through p and hands on what it has;
#   what r brings later never reaches w.
# - *Twice* along the tape: our nodes keep their gradients, and z hands on once more what it has from the first walk.


# %%
def slope_of_w(*orders):
    """dL/dw after a walk through the nodes in each of these orders."""
    for node in tape:
        node.gradient = 0.0
    for order in orders:
        L.gradient = 1.0  # dL/dL
        for u in order:
            for v, local in u.edges:
                v.gradient += u.gradient * local  # dL/dv += dL/du * du/dv
    return w.gradient


def in_one_line(w):
    z = w * x.value
    return np.log(1 + np.exp(-z)) + LAMBDA * z**2  # -log sigmoid(z) + LAMBDA z^2


found = slope_of_w([L, l, p, z, w, x, r])
twice = slope_of_w(tape[::-1], tape[::-1])
taped = slope_of_w(tape[::-1])  # the last one: its gradients are in the picture
measured = (in_one_line(0.5 + 1e-5) - in_one_line(0.5 - 1e-5)) / 2e-5  # w moved a little each way
print(f"dL/dw: measured {measured:.4f}, tape {taped:.4f}; as found {found:.4f}, tape twice {twice:.4f}")

# %% [markdown]
# minigrad has a tape, too; NumPy's functions write it. Between two walks it forgets the gradients of all nodes but the
# *leaves*: what was not computed, such as w. A second `backward()` adds exactly the same to theirs again. That is
# wanted: gradients of several batches add up (lesson 6). So each step of training begins with `zero_grad()`.

# %%
leaf = mg.tensor(np.float64(0.5), requires_grad=True)
loss = in_one_line(leaf)
loss.backward()
loss.backward()
after_two = np.asarray(leaf.grad)
print(f"minigrad, after two walks: {after_two:.4f}")

# %% [markdown]
# ## The picture

# %%
BOXES = {  # node: (what its box says, column, row)
    w: ("weight $w$", 0, 2), x: ("feature $x$", 0, 0), z: ("$z = w x$", 1.2, 1), L: ("$L = l + r$", 5.1, 1),
    p: (r"$p = \mathrm{sigmoid}(z)$", 2.4, 2), l: (r"$l = -\log p$", 4.05, 2), r: (r"$r = \lambda z^2$", 3.2, 0),
}  # fmt: skip
KEPT = {(z, w): "x =", (z, x): "w =", (p, z): "p(1-p) =", (l, p): "-1/p =", (r, z): r"2 \lambda z ="}
figure, axes = plotting.panels(width=9.0, height=3.8)
for u, (name, column, row) in BOXES.items():
    axes.add_patch(plotting.plt.Rectangle((column - 0.38, row - 0.36), 0.76, 0.72, fc="none", ec=plotting.BLACK))
    axes.text(column, row + 0.1, f"{name}\n{u.value:.2f}", ha="center", va="center", linespacing=1.4)
    axes.text(column, row - 0.22, f"grad {u.gradient:.2f}", ha="center", va="center", color=plotting.BLUE)
    for v, local in u.edges:
        start, end = (BOXES[v][1] + 0.39, BOXES[v][2]), (column - 0.39, row)
        axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": plotting.GREY, "shrinkA": 0})
        shade = {"boxstyle": "round,pad=0.2", "fc": plotting.YELLOW if (u, v) in KEPT else "white", "ec": "none"}
        label = f"${KEPT.get((u, v), '')} {local:.2f}$"
        axes.text(*np.mean([start, end], axis=0), label, ha="center", va="center", bbox=shade)
axes.set(xlim=(-0.4, 5.5), ylim=(-0.55, 2.5))
axes.set_title("Values go right; gradients go left, times the derivative on the arrow, added where paths meet")
axes.axis("off")
plotting.save(figure, "01_chain_rule")

# %% [markdown]
# ## All tumours
# The same rule for 30 features, z = w_1 x_1 + ... + w_30 x_30 + b. Three classifiers differ only in the loss of a
# sample; s is +1 for malignant and -1 for benign:
#
# | classifier | loss l | dl/dz, the factor that reaches all weights |
# |---|---|---|
# | logistic regression | -log p, where p = sigmoid(s z) | -s (1 - p): never quite 0 |
# | perceptron (Rosenblatt 1958) | max(0, -s z) | -s where z has the wrong sign, else 0: it learns from mistakes alone |
# | step | (sign(z) - s)^2 | 0: a step is flat on both sides |


# %%
def split(seed):
    """Standardised training and test features, training and test labels."""
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.4, stratify=y, random_state=seed)
    mean, sd = X_train.mean(axis=0), X_train.std(axis=0)
    return (X_train - mean) / sd, (X_test - mean) / sd, y_train, y_test


def train_linear(loss, seed, epochs=EPOCHS):
    """Accuracy on the test set."""
    X_train, X_test, y_train, y_test = split(seed)
    mg.manual_seed(seed)
    model = mg.nn.Linear(30, 1)
    optimizer = mg.optim.SGD(model.parameters(), lr=LR)
    batches = mg.data.batches(X_train, y_train, batch_size=BATCH, rng=np.random.default_rng(seed))
    for _ in range(epochs):
        for X_batch, y_batch in batches:
            optimizer.zero_grad()
            loss(model(X_batch)[:, 0], y_batch).backward()
            optimizer.step()
    return np.mean((model(X_test).numpy()[:, 0] > 0) == y_test)


LOSSES = {
    "logistic regression": mg.losses.binary_cross_entropy,
    "perceptron": lambda z, y: mg.losses.hinge(z, y, margin=0.0),
    "step": lambda z, y: mg.losses.mse(np.sign(z), 2.0 * y - 1),
}
accuracy = {name: np.array([train_linear(loss, seed) for seed in SEEDS]) for name, loss in LOSSES.items()}
accuracy["linear, untrained"] = np.array([train_linear(LOSSES["step"], seed, epochs=0) for seed in SEEDS])

# %% [markdown]
# ## Along a path, derivatives multiply
# A deep network has an *activation* between its layers: one more factor on every path. For a = sigmoid(z) it is
# a (1 - a), at most 1/4; for a = tanh(z) it is 1 - a^2, at most 1; for ReLU, a = max(0, z), it is 1 or 0. All need the
# *result* a alone. How much of the gradient is left at the bottom of an untrained network of 2 and of 8 layers? The
# table divides the length of the first layer's gradient by that of the last layer's.


# %%
def reaches_bottom(activation, layers, seed):
    X_train, _, y_train, _ = split(seed)
    mg.manual_seed(seed)
    below = [part for _ in range(layers - 1) for part in (mg.nn.Linear(30, 30), activation())]
    model = mg.nn.Sequential(*below, mg.nn.Linear(30, 1))
    loss = mg.losses.binary_cross_entropy(model(X_train)[:, 0], y_train)
    first, last = mg.grad(loss, [model[0].weight, model[-1].weight])
    return np.linalg.norm(first.numpy()) / np.linalg.norm(last.numpy())


reached = {}  # name: two numbers, each the median over the seeds
print("\nlength of the gradient, first layer by last     2 layers   8 layers")
for name, activation in {"sigmoid": mg.nn.Sigmoid, "tanh": mg.nn.Tanh, "ReLU": mg.nn.ReLU}.items():
    reached[name] = [np.median([reaches_bottom(activation, layers, seed) for seed in SEEDS]) for layers in (2, 8)]
    print(f"  {name:42} {reached[name][0]:10.2g} {reached[name][1]:10.2g}")

# %% [markdown]
# ## A network that lost a value
# Two layers in NumPy: a1 = sigmoid(X W1), z = a1 w2. The way back needs a1 twice: for the gradient of w2, and for the
# derivative of the sigmoid. We hand it
#
# - the a1 that was *kept*;
# - zeros, as if its memory had been cleared: a1 is *lost*;
# - the a1 of the batch before, as if it had not been stored: a1 is *old*. Its shape is right, and nothing complains.


# %%
def train_two_layers(fate, seed, epochs=EPOCHS):
    """Accuracy on the test set; `fate` says what became of a1."""
    X_train, X_test, y_train, y_test = split(seed)
    rng = np.random.default_rng(seed)
    W1, w2 = rng.normal(size=(30, 16)) / np.sqrt(30), rng.normal(size=16) / 4
    before = np.zeros((BATCH, 16))
    for _ in range(epochs):
        for X_batch, y_batch in mg.data.batches(X_train, y_train, batch_size=BATCH, drop_last=True, rng=rng):
            a1 = sigma(X_batch @ W1)
            used = {"kept": a1, "lost": np.zeros_like(a1), "old": before}[fate]
            dz = (sigma(a1 @ w2) - y_batch) / BATCH  # dL/dz = (p - y) / N, for the mean of N losses
            dz1 = np.outer(dz, w2) * used * (1 - used)  # da1/dz1 = a1 (1 - a1)
            W1, w2 = W1 - LR * X_batch.T @ dz1, w2 - LR * used.T @ dz  # dL/dw2 = a1^T dL/dz
            before = a1
    return np.mean((sigma(X_test @ W1) @ w2 > 0) == y_test)


for fate in ("kept", "lost", "old"):
    accuracy[f"two layers, a1 {fate}"] = np.array([train_two_layers(fate, seed) for seed in SEEDS])
accuracy["two layers, untrained"] = np.array([train_two_layers("kept", seed, epochs=0) for seed in SEEDS])
print(f"\naccuracy on the test set, mean ± standard deviation over {len(SEEDS)} seeds")
for name, values in accuracy.items():
    print(f"  {name:22} {values.mean():.3f} ± {values.std(ddof=1):.3f}")
worse = accuracy["two layers, a1 kept"] - accuracy["two layers, a1 old"]  # paired

# %% [markdown]
# ## What we saw
# A gradient is bookkeeping: the tape agrees with the measured slope, and a walk in the wrong order, or twice, does not.
# One factor 0 on all paths, a step or a lost a1, and nothing moves: those mistakes are loud. With an old a1 the network
# learns, only worse, and looks like one that needs tuning. Accuracy cannot tell a wrong gradient from a hard problem.
# The instrument that can is lesson 2.

# %%
assert abs(taped - measured) < 1e-8, "the tape gives the measured slope"
assert abs(found - measured) > 0.1, "the walk in the order of finding does not"
assert twice / taped > 2.5, "nor do two walks: w gets more than twice its slope"
assert np.isclose(after_two, 2 * taped), "in minigrad, a second backward adds exactly once more"
assert min(accuracy[name].min() for name in list(LOSSES)[:2]) > 0.88, "logistic regression and perceptron learn"
assert np.array_equal(accuracy["step"], accuracy["linear, untrained"]), "the step stays where it began"
assert reached["sigmoid"][1] < 1e-3 < 0.05 < reached["tanh"][1], "eight sigmoids let little through, eight tanhs much"
assert accuracy["two layers, a1 kept"].min() > 0.9, "a network of two layers learns"
assert np.array_equal(accuracy["two layers, a1 lost"], accuracy["two layers, untrained"]), "without a1 it does not"
assert worse.mean() > 0.01, "with another batch's a1 it learns, but worse"
print(f"\nClaims hold over {len(SEEDS)} seeds:")
print(f"- dL/dw: tape, minigrad and measurement agree; in the order as found it is {found / taped:.1f} times that")
print(f"- after a second walk it is {twice / taped:.1f} times that on our tape, exactly twice that in minigrad")
print("- accuracy of", ", ".join(f"{name} {accuracy[name].mean():.3f}" for name in LOSSES), "(as before training)")
print(f"- first of eight layers by last: {reached['sigmoid'][1]:.0e} for sigmoid, {reached['tanh'][1]:.2f} for tanh")
print(f"- two layers: a1 lost, as before training; a1 old, worse by {worse.mean():.3f} ± {worse.std(ddof=1):.3f}")

# %% [markdown]
# ## Try it yourself
# 1. Give the tape a function of your own, `square(a)`, and use it in `penalty`. Which value must it keep?
# 2. Walk by recursion: each visit of a node hands its share on at once. It is right, but it walks every path. Count the
#    visits for 16 doublings, `a = plus(a, a)`; how many nodes has the tape?
# 3. Use tanh for the sigmoid in the two-layer network (a1 = tanh(...), 1 - a1^2) and lose a1 again. The accuracy hardly
#    falls: what can the first layer still learn, and why does this make the mistake worse?
#
# **Exercise of this lesson.** `lessons/exercises/01_chain_rule.py`: write a local derivative, repair a network that
# kept the wrong value, and meet a value that is used twice. Check it with `minigrad exercises check 01_chain_rule.py`.
