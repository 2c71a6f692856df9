"""Can a network learn the weights of its own training samples from a few samples that somebody has checked?

The gradient of a weighted loss is the weighted sum of the per-sample gradients, so a weight has a slope of its own.
Give sample i the weight eps_i in one step of training and ask how the loss on trusted samples changes with it:

    theta(eps) = theta - grad sum_i eps_i l_i         theta  parameters;  l_i  loss of training sample i
    u_i = -dL/deps_i at eps = 0  =  grad L . grad l_i    L  mean loss of the trusted samples at theta(eps)
    w_i = max(u_i, 0) / sum_j max(u_j, 0)             w_i  its weight in this batch

A sample whose gradient points the same way as that of the trusted samples gets weight; one that points against it gets
none. This is *learning to reweight* (Ren et al. 2018). *Meta-Weight-Net* (Shu et al. 2019) learns a function of the
loss instead, w_i = V(l_i), a small network that is trained with the same kind of derivative, through a step.

We try both on fours against nines, once with a fifth of the labels wrong and once with few fours, beside training
without weights, on the 40 trusted samples alone, and with what the methods must guess: the right labels, or the counts.

The picture: the share of a batch's weight that the wrong labels get (left) and that the rare fours get (right), against
the step of training. Learning to reweight takes weight from wrong labels, and gives it to fours, from the first step;
Meta-Weight-Net starts from equal weights and has to learn its function first.
"""

# %%
from functools import partial

import numpy as np
import plotting
import realdata
from tqdm import tqdm

import minigrad as mg
from minigrad.learned_weights import MetaWeightNet, learn_to_reweight, meta_weight_step

SEEDS = range(5)
STEPS, BATCH, RATE = 600, 100, 0.05
TRUSTED = 20  # per class
cross_entropy = mg.losses.cross_entropy

# %% [markdown]
# ## The data
# Fours (class 0) and nines (class 1): up to 600 to train on, and 40 trusted ones that no training sample repeats. In
# the task "noise" a fifth of the training labels are flipped. In the task "rare" one in twenty is a four. The test set
# stays as it is, and balanced accuracy (the mean of the two recalls) asks about both classes alike.

# %%
X_all, y_all, X_test, y_test, name = realdata.handwritten()


def fours_and_nines(X, y):
    chosen = np.isin(y, (4, 9))
    return X[chosen].reshape(-1, 784), (y[chosen] == 9).astype(int)


X_all, y_all = fours_and_nines(X_all, y_all)
X_test, y_test = fours_and_nines(X_test, y_test)


def draw(task, seed):
    """X, y, special (the rows to watch: wrong labels, or fours), X_trusted, y_trusted."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(y_all))
    fours, nines = (rows[y_all[rows] == c] for c in (0, 1))
    trusted = np.concatenate([fours[:TRUSTED], nines[:TRUSTED]])
    fours, nines = fours[TRUSTED:320], nines[TRUSTED:320]
    if task == "rare":
        fours = fours[: len(nines) // 19]
    rows = rng.permutation(np.concatenate([fours, nines]))
    X, y = X_all[rows], y_all[rows]
    y, special = mg.data.flip_labels(y, 0.2, rng) if task == "noise" else (y, y == 0)
    return X, y, special, X_all[trusted], y_all[trusted]


# %% [markdown]
# ## The formula, by hand
# Two derivatives, one inside the other. The inner one is the step of training, so it must stay on the graph
# (`create_graph=True`): the outer one differentiates through it.


# %%
def slopes(model, X, y, X_trusted, y_trusted, create_graph=True):
    """u_i for each sample of a batch, shape (N,), still on the graph."""
    eps = mg.zeros(len(y), requires_grad=True)
    names, theta = zip(*model.named_parameters(), strict=True)
    training = np.sum(eps * cross_entropy(model(X), y, reduction="none"))  # sum_i eps_i l_i
    gradients = mg.grad(training, theta, create_graph=create_graph)
    stepped = {key: p - g for key, p, g in zip(names, theta, gradients, strict=True)}  # theta(eps) = theta - grad ...
    after = cross_entropy(mg.nn.functional_call(model, stepped, X_trusted), y_trusted)  # L at theta(eps)
    return -mg.grad(after, eps, create_graph=True)  # u_i = -dL/deps_i


X, y, special, X_trusted, y_trusted = draw("noise", seed=0)
mg.manual_seed(0)
model = mg.models.MLP((784, 32, 2))
batch = model, X[:BATCH], y[:BATCH], X_trusted, y_trusted
u = slopes(*batch)
positive = np.maximum(u, 0)
w = positive / np.sum(positive)  # w_i = max(u_i, 0) / sum_j max(u_j, 0)
by_library = learn_to_reweight(model, cross_entropy, *batch[1:])

# Without a second derivative: the inner products grad L . grad l_i themselves.
one_each = mg.per_sample_gradients(model, cross_entropy, X[:BATCH], y[:BATCH])
wanted = mg.grad(cross_entropy(model(X_trusted), y_trusted), list(model.parameters()))
products = sum(np.sum((g * v.data).reshape(BATCH, -1), axis=1) for g, v in zip(one_each.values(), wanted, strict=True))
error = np.max(np.abs(u.data - products)) / np.max(np.abs(products))
on_wrong = w.data[special[:BATCH]].sum()
print(f"u_i through the step, and as inner products: relative difference {error:.0e}.")
print(f"Largest difference to the weights of the library: {np.abs(w.data - by_library).max():.0e}.")
print(
    f"Before any training, wrong labels have {special[:BATCH].mean():.0%} of a batch, {on_wrong:.0%} of its weight.\n"
)

# %% [markdown]
# ## Three mistakes
# None of them raises an error, so look at what they do.
#
# 1. `create_graph` forgotten: the step is a constant then, and no weight has an influence on anything.
# 2. Weights not detached. They depend on theta, but the step is to go against sum_i w_i grad l_i with the w_i as
#    numbers. On the graph they get gradients of their own, and the step goes somewhere else.
# 3. All u_i <= 0: no sample of the batch helps. Then the formula is 0/0. What is meant is: take no step.

# %%
forgotten = slopes(*batch, create_graph=False)


def step_direction(weights):
    loss = cross_entropy(model(X[:BATCH]), y[:BATCH], sample_weight=weights, reduction="sum")  # sum_i w_i l_i
    return np.concatenate([g.data.ravel() for g in mg.grad(loss, list(model.parameters()))])


detached, attached = step_direction(w.detach()), step_direction(w)
astray = np.linalg.norm(attached - detached) / np.linalg.norm(detached)
worst = [int(np.argmin(u.data))]  # a batch of one sample, which hurts
with np.errstate(invalid="ignore"):
    naive = positive.data[worst] / positive.data[worst].sum()
guarded = learn_to_reweight(model, cross_entropy, X[worst], y[worst], X_trusted, y_trusted)
print(f"create_graph forgotten: the largest |u_i| is {np.abs(forgotten.data).max():.0f}")
print(f"not detached: the gradient is another one, by {astray:.0%} of its length")
print(f"no sample helps: by the formula w = {naive}, by the library {guarded}\n")

# %% [markdown]
# ## Training
# Ren's weights sum to 1, hence `reduction="sum"`; the weights of Meta-Weight-Net lie between 0 and 1 and belong to a
# mean. Of one seed all methods get the same samples, starting values and batches.

# %%
METHODS = ("no weights", "trusted only", "told", "reweight", "Meta-Weight-Net")


def train(method, task, seed):
    """Balanced accuracy on the test set; share of the weight on the special rows at each step; V(0.1), V(3)."""
    X, y, special, X_trusted, y_trusted = draw(task, seed)
    class_weight = None
    if method == "trusted only":
        X, y, special = X_trusted, y_trusted, np.zeros(len(y_trusted), dtype=bool)
    elif method == "told":  # what a method that learns weights has to find out
        y = np.where(special, 1 - y, y) if task == "noise" else y
        class_weight = mg.weighting.balanced(y)
    mg.manual_seed(seed)
    model, net = mg.models.MLP((784, 32, 2)), MetaWeightNet(hidden=16)
    optimizer = mg.optim.SGD(model.parameters(), lr=RATE)
    meta_optimizer = mg.optim.Adam(net.parameters(), lr=0.01)
    learned = {
        "reweight": partial(learn_to_reweight, model, cross_entropy, method="per_sample"),
        "Meta-Weight-Net": partial(meta_weight_step, net, meta_optimizer, model, cross_entropy, lr=RATE),
    }
    rng, share = np.random.default_rng(seed), np.zeros(STEPS)
    for step in range(STEPS):
        i = rng.choice(len(y), min(BATCH, len(y)), replace=False)
        w = learned[method](X[i], y[i], X_trusted, y_trusted) if method in learned else np.ones(len(i))
        optimizer.zero_grad()
        reduction = "sum" if method == "reweight" else "mean"
        cross_entropy(model(X[i]), y[i], sample_weight=w, class_weight=class_weight, reduction=reduction).backward()
        optimizer.step()
        share[step] = w[special[i]].sum() / max(w.sum(), 1e-12)
    right = np.argmax(model(X_test), axis=1) == y_test
    accuracy = np.mean([right[y_test == c].mean() for c in (0, 1)])
    return accuracy, share, net(mg.tensor([0.1, 3.0])).data


TASKS = ("noise", "rare")
accuracy = np.zeros((2, len(METHODS), len(SEEDS)))
shares = np.zeros((2, len(METHODS), len(SEEDS), STEPS))
curves = np.zeros((2, len(METHODS), len(SEEDS), 2))  # V(0.1) and V(3)
runs = [(t, m, s) for t in range(2) for m in range(len(METHODS)) for s in range(len(SEEDS))]
for t, m, s in tqdm(runs, desc="training", unit=" networks"):
    accuracy[t, m, s], shares[t, m, s], curves[t, m, s] = train(METHODS[m], TASKS[t], SEEDS[s])

# %% [markdown]
# ## The table
# Mean ± standard deviation over the seeds. "told" is training with the labels corrected (noise), or with balanced
# class weights (rare). "share" is the part of the weight that wrong labels or fours get, in the last 100 steps.

# %%
late = shares[..., -100:].mean(axis=-1)  # [task, method, seed]
print(f"{name}, test set  noise: balanced accuracy    share    rare: balanced accuracy    share")
for m, method in enumerate(METHODS):
    cells = ""
    for t in range(2):
        part = f"{late[t, m].mean():8.1%}" if method != "trusted only" else "        "
        cells += f"{accuracy[t, m].mean():15.3f} ± {accuracy[t, m].std(ddof=1):.3f}   {part}"
    print(f"{method:15} {cells}")
for t, task in enumerate(TASKS):
    small, large = curves[t, -1].mean(axis=0)
    print(f"Meta-Weight-Net, {task}: V(0.1) = {small:.2f}, V(3) = {large:.2f}")

# %% [markdown]
# ## The picture

# %%
LOOKS = {3: {"color": plotting.BLUE, "ls": "-"}, 4: {"color": plotting.VERMILION, "ls": "--"}}
NAMES = {3: "learning to reweight", 4: "Meta-Weight-Net"}
figure, panels = plotting.panels(columns=2)
every = np.arange(STEPS).reshape(-1, 20).mean(axis=1)
for t, (axes, what) in enumerate(zip(panels, ("wrong labels", "fours"), strict=True)):
    for m, look in LOOKS.items():
        smooth = shares[t, m].reshape(len(SEEDS), -1, 20).mean(axis=2)  # means of 20 steps
        mean, sd = smooth.mean(axis=0), smooth.std(axis=0, ddof=1)
        axes.plot(every, mean, label=NAMES[m], lw=2, **look)
        axes.fill_between(every, mean - sd, mean + sd, color=look["color"], alpha=0.15, lw=0)
    of_samples = shares[t, 0].mean()
    axes.axhline(of_samples, color=plotting.GREY, ls=":", label="no weights")
    axes.set(xlabel="step of training", ylabel=f"share of the weight on the {what}", xlim=(0, STEPS))
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
panels[0].set(ylim=(0, 0.32), title="A fifth of the labels are wrong")
panels[1].set(ylim=(0, 1), title="One sample in twenty is a four")
panels[0].legend(loc="upper right")
plotting.save(figure, "16_learned_weights")

# %% [markdown]
# ## What we saw
# Wrong labels lose weight under both methods, and the network that is trained with the weights is right more often.
# Meta-Weight-Net found by itself what people had written down before: V falls, a large loss means a wrong label. In the
# rare task V rises, a large loss means a rare class. Nobody told it which of the two holds.
#
# A larger share is not yet a better network. Once the nines are learned their weights are near 0, so the mean over the
# batch makes small steps: Meta-Weight-Net gave the fours more weight and no better accuracy. Learning to reweight gave
# them most of the weight and helped. But it saw 20 trusted fours, more than the training set has: compare it with
# "trusted only". Weights that are learned cost a trusted set; ask first what that set teaches alone.

# %%
noise, rare = 0, 1
reweight, meta = METHODS.index("reweight"), METHODS.index("Meta-Weight-Net")
gain = accuracy - accuracy[:, :1]  # paired with training without weights
kept = late[noise] / late[noise, 0]  # of their share, by the wrong labels
given = late[rare]

assert error < 1e-4, "u_i is the inner product grad L . grad l_i"
assert np.abs(w.data - by_library).max() < 1e-6, "the library has the same weights"
assert np.abs(forgotten.data).max() == 0, "without create_graph no weight matters, and nothing is raised"
assert astray > 0.01, "weights on the graph change the gradient"
assert np.isnan(naive[0]), "the formula is 0/0 where no sample helps"
assert guarded[0] == 0, "the library takes no step then"
for m in (reweight, meta):
    assert kept[m].mean() < 0.9, "wrong labels lose weight"
    assert gain[noise, m].mean() > 0, "and the network gains accuracy"
    assert given[m].mean() > 2 * given[0].mean(), "fours get more than twice their share"
assert curves[noise, meta, :, 0].mean() > curves[noise, meta, :, 1].mean() + 0.2, "under noise V falls"
assert curves[rare, meta, :, 0].mean() < curves[rare, meta, :, 1].mean() - 0.2, "with a rare class V rises"
assert gain[rare, reweight].mean() > 0.02, "reweighting helps the rare class"
assert gain[rare, meta].mean() < 0.03, "a larger share does not by itself"
print(f"\nClaims hold over {len(SEEDS)} paired seeds:")
print("- the slope of a weight is the inner product of two gradients, through the step or without it")
print("- a forgotten create_graph makes all slopes 0; attached weights give another gradient; 0/0 needs a guard")
for m in (reweight, meta):
    wrong = f"wrong labels keep {kept[m].mean():.0%} of their share, balanced accuracy {gain[noise, m].mean():+.3f}"
    print(f"- {METHODS[m]}: {wrong}; fours get {given[m].mean():.0%}, {gain[rare, m].mean():+.3f}")
print("- V falls with the loss where labels are wrong, and rises where a class is rare")

# %% [markdown]
# ## Try it yourself
# 1. `TRUSTED = 5`. Which method suffers more? And with 100?
# 2. Put the trusted samples into the training set, with balanced class weights: how much of the gain is left?
# 3. Both at once: few fours *and* wrong labels. A large loss then means two things. What does V look like?
# 4. Let the trusted set be wrong as well: flip a fifth of its labels.
#
# **Exercise of this lesson:** `minigrad exercises check 16_learned_weights.py`. Write u_i yourself, and find the
# version that forgot `create_graph`, the one that did not detach, and the one that divides 0 by 0.
