# %% [markdown]
"""Why does this network predict the mean for everybody, although its loss falls and its gradient is right?

Because of one missing pair of brackets. A layer with one output returns predictions p of shape (N, 1), a column of N
numbers. The targets t have shape (N,), and NumPy takes that for a row. It then *broadcasts*: it repeats the column and
the row until both have shape (N, N), without a word. So there are N x N residuals, prediction minus target, not N:

    meant     1/N   sum over i     (p_i - t_i)^2        p_i, t_i   prediction and target of sample i
    computed  1/N^2 sum over i, j  (p_i - t_j)^2        t_j        target of any sample: everybody's
              = 1/N sum over i (p_i - mean t)^2 + variance of t

Multiply out and you get the last line: each prediction is drawn to the mean of all targets, and no feature is of any
use. We watch this on 442 patients, then meet two relatives: the gradient of what was broadcast, and a missing 1/N.

The picture: on the left all 60 x 60 residuals of 60 patients, in the order of their targets; only the diagonal was
meant. On the right the predictions for patients that the two models have never seen, against the truth. Those of the
diagonal follow the truth, those of the whole square lie on one level line: the mean.
"""

# %%
import numpy as np
import plotting
from sklearn.datasets import load_diabetes
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

import minigrad as mg

SEEDS = range(5)

# %% [markdown]
# ## The data
# Ten measurements of each of 442 people with diabetes, and a number between 25 and 346: how far the disease had come a
# year later (Efron et al. 2004). Features are standardised with the mean and standard deviation of the training part.

# %%
X, t = load_diabetes(return_X_y=True)


def split(seed):
    """Training and test features (N, 10), training and test targets (N,)."""
    X_train, X_test, t_train, t_test = train_test_split(X, t, test_size=0.25, random_state=seed)
    mean, sd = X_train.mean(axis=0), X_train.std(axis=0)
    return (X_train - mean) / sd, (X_test - mean) / sd, t_train, t_test


# %% [markdown]
# ## Two losses that look alike


# %%
def meant(p, t):
    return np.mean((p[:, 0] - t) ** 2)  # (N,) - (N,): N residuals


def computed(p, t):
    return np.mean((p - t) ** 2)  # (N, 1) - (N,): N x N residuals


def train(loss, X, t, seed, lr=0.1):
    """300 steps of gradient descent on all samples at once: the model, and its loss before each step."""
    mg.manual_seed(seed)
    model = mg.nn.Linear(10, 1).astype(np.float64)
    optimizer = mg.optim.SGD(model.parameters(), lr=lr)
    course: list[float] = []
    while len(course) < 300 and max(course, default=0) < 1e9:  # 1e9: it has run away
        optimizer.zero_grad()
        value = loss(model(X), t)
        value.backward()
        optimizer.step()
        course.append(value.item())
    return model, course


LOSSES = {"meant": meant, "computed": computed}
fell = {name: np.zeros((len(SEEDS), 2)) for name in LOSSES}  # the loss, first and last
variance = np.zeros(len(SEEDS))  # of the training targets
r2 = {name: np.zeros(len(SEEDS)) for name in LOSSES}
deviation = {name: np.zeros(len(SEEDS)) for name in LOSSES}
predictions = {}
for i, seed in enumerate(SEEDS):
    X_train, X_test, t_train, t_test = split(seed)
    variance[i] = np.var(t_train)
    for name, loss in LOSSES.items():
        model, course = train(loss, X_train, t_train, seed)
        p = predictions[name] = model(X_test).numpy()
        fell[name][i] = course[0], course[-1]
        r2[name][i], deviation[name][i] = r2_score(t_test, p), np.std(p)


def spread(values):
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


print("loss        falls from   to       R^2 on the test set   sd of the predictions")
for name in LOSSES:
    first, last = fell[name].mean(axis=0)
    print(f"{name:10} {first:8.0f} {last:8.0f}    {spread(r2[name]):>17}        {spread(deviation[name]):>14}")
print(f"variance of the training targets: {variance.mean():.0f}\n")

# %% [markdown]
# R^2 is the share of the variance of t that the predictions explain; 0 is what the mean would reach. The wrong loss
# falls to a fifth, as a loss should. There it ends, at the variance of the targets: it cannot be less.
#
# ## Who notices?
# Not a gradient check: the gradient is right, only the loss is not the one that was meant. Shapes do. minigrad's own
# losses refuse the pair; in a loss of your own, one `assert p.shape == t.shape` is enough.

# %%
checked = mg.gradcheck(lambda p: computed(p, t[:20]), [p[:20]])
print(f"gradient check of the wrong loss: {'passed' if checked.ok else 'failed'}")
try:
    mg.losses.mse(p, t_test)
    refused = ""
except ValueError as error:
    refused = str(error)
print(f"mg.losses.mse: {refused}\n")

# %% [markdown]
# ## What is repeated on the way forward is summed on the way back
# Broadcasting is useful, of course: a bias b of shape (1,) is added to all N rows. Then b is used N times, and the
# chain rule (lesson 1) adds up what comes back along N paths: dL/db = sum over i of g_i, where g_i is the gradient of
# row i. Forget the sum, and the gradient has the wrong shape. NumPy would again say nothing: b minus such a gradient is
# N numbers instead of one. Here for Z = X W + b and 6 patients, with g = dL/dZ:


# %%
def forward(W, b):
    return X[:6] @ W + b


def backward_without_sum(g, _W, _b):
    return X[:6].T @ g, g  # should be g.sum(axis=0)


examined = mg.check_backward(forward, backward_without_sum, [np.ones((10, 1)), np.zeros(1)])
print(f"the checker, on a forgotten sum: [{examined.reasons[0].kind}] {examined.reasons[0]}\n")

# %% [markdown]
# ## A missing 1/N
# The sum of squared residuals has the same minimum as their mean, so what is in a factor 1/N? The step. The gradient of
# a sum is N times as long, and gradient descent runs away as soon as
#
#     lr * (largest eigenvalue of H) > 2        lr  learning rate
#                                               H   matrix of second derivatives; for a sum 2 X^T X, which grows with N
#                                                   (X with a column of ones, for the bias)
#
# A learning rate found on 50 patients fails on 200. With the mean, one learning rate serves them all.

# %%
SIZES = (25, 50, 100, 200, 331)


def summed(p, t):
    return np.sum((p[:, 0] - t) ** 2)


def steepness(X):
    """Largest eigenvalue of the Hessian of `summed`, with respect to weights and bias."""
    features = np.column_stack([X, np.ones(len(X))])
    return np.linalg.eigvalsh(2 * features.T @ features)[-1]


grown = np.zeros((len(SEEDS), len(SIZES), 2))  # the last loss by the first: of the sum, of the mean
critical = np.zeros((len(SEEDS), len(SIZES)))  # lr * eigenvalue, of the sum
for i, seed in enumerate(SEEDS):
    X_train, _, t_train, _ = split(seed)
    for k, n in enumerate(SIZES):
        critical[i, k] = 0.002 * steepness(X_train[:n])
        for m, (loss, lr) in enumerate([(summed, 0.002), (meant, 0.1)]):
            _, course = train(loss, X_train[:n], t_train[:n], seed, lr)
            grown[i, k, m] = course[-1] / course[0]
print("patients N                                    " + "".join(f"{n:>9}" for n in SIZES))
print("sum, lr 0.002: lr * eigenvalue (2 is critical)" + "".join(f"{c:9.2f}" for c in critical.mean(axis=0)))
print("               last loss / first, median      " + "".join(f"{g:9.2g}" for g in np.median(grown[..., 0], axis=0)))
print("mean, lr 0.1:  last loss / first, median      " + "".join(f"{g:9.2g}" for g in np.median(grown[..., 1], axis=0)))

# %% [markdown]
# ## The picture
# The last split again: a square of residuals, and what comes of it. Patients are in the order of their targets.

# %%
some = np.argsort(t_test)[np.linspace(0, len(t_test) - 1, 60).astype(int)]  # 60 of the test set, by their target
R = predictions["meant"][some] - t_test[some]  # (60, 1) - (60,): that is all it takes
figure, (left, right) = plotting.panels(columns=2)
image = left.imshow(R, cmap="PuOr", vmin=-250, vmax=250, origin="lower")
left.plot([0, 59], [0, 59], color=plotting.BLACK, lw=2)
left.text(20, 30, "meant", rotation=45)
figure.colorbar(image, ax=left, label="residual $p_i - t_j$", shrink=0.85)
left.set(xlabel="patient $j$, whose target is subtracted", ylabel="patient $i$, whose prediction it is")
left.set_title("60 residuals were meant, 3,600 computed …")
right.plot([25, 346], [25, 346], color=plotting.GREY, lw=1, ls="--", label="prediction = truth")
right.plot(t_test, predictions["meant"], "o", color=plotting.BLUE, ms=5, label="trained on the diagonal")
right.plot(t_test, predictions["computed"], "x", color=plotting.VERMILION, ms=5, label="trained on the square")
right.set(xlabel="truth, patients of the test set", ylabel="prediction", ylim=(20, 440))
right.set_title("… so everybody is predicted the mean")
right.legend(loc="upper left")
plotting.save(figure, "03_broadcasting")

# %% [markdown]
# ## What we saw
# Three ways of counting badly. N x N residuals teach the mean and nothing else, while the loss falls and the gradient
# passes every check. A bias that was used N times needs the sum of N gradients. And a sum without 1/N makes the step
# grow with the data, until it overshoots. What shows all three are the shapes: choose N different from all other sizes
# when you test, and assert the shapes that you expect.

# %%
apart = np.abs(critical - 2) > 0.1  # not so close to the critical step that 300 steps could not tell
ran_away = grown[..., 0] > 1
mean_of_square = np.mean((predictions["meant"] - t_test) ** 2)
by_formula = np.mean((predictions["meant"] - t_test.mean()) ** 2) + np.var(t_test)
assert np.isclose(mean_of_square, by_formula), "the mean over the square is what the formula says"
assert r2["meant"].min() > 0.25, "the model of the diagonal explains a good part of the variance"
assert r2["computed"].max() < 0.02, "the model of the square explains nothing"
assert deviation["computed"].max() < 1 < 30 < deviation["meant"].min(), "it predicts the same for everybody"
assert np.all(fell["computed"][:, 1] < 0.3 * fell["computed"][:, 0]), "although its loss falls"
assert np.allclose(fell["computed"][:, 1], variance, rtol=1e-4), "to the variance of the targets"
assert checked.ok, "and its gradient is right"
assert "N x N" in refused, "a loss of minigrad refuses the pair"
assert examined.reasons[0].kind == "missing_sum", "a forgotten sum is called by its name"
assert np.array_equal(ran_away[apart], critical[apart] > 2), "the sum runs away just where lr * eigenvalue > 2"
assert ran_away[:, -1].all(), "so it does on all patients"
assert grown[..., 1].max() < 0.5, "the mean never does"
print(f"\nClaims hold over {len(SEEDS)} seeds:")
falls = 1 - np.mean(fell["computed"][:, 1] / fell["computed"][:, 0])
print(f"- R^2 of the diagonal {spread(r2['meant'])}, of the square {spread(r2['computed'])}: everybody gets the mean")
print(f"- yet the loss of the square fell by {falls:.0%}, and the gradient check passes")
print(f"- without 1/N descent ran away in {ran_away.sum()} of {ran_away.size} runs: where lr * eigenvalue > 2")

# %% [markdown]
# ## Try it yourself
# 1. How many numbers would the square have for the 60,000 images of MNIST, and how many gigabytes are they?
# 2. Add `assert p.shape == t.shape` to `computed`. Then mend the call, in two ways: `p[:, 0]`, or `t[:, None]`.
# 3. Use `np.abs(p - t)` in both losses. Where does the model of the square send everybody now? (Not to the mean.)
#
# **Exercise of this lesson.** `lessons/exercises/03_broadcasting.py`: write the backward pass of a layer, repair two
# linear regressions, one that predicts the mean and one that runs away, and compute the largest learning rate that does
# not. Check it with `minigrad exercises check 03_broadcasting.py`.
