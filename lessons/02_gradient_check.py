"""How does one measure a slope, and which mistakes does the measurement show?

You have derived a gradient by hand. Is it right? Measure: move the parameters W a little way h along a direction D and
see how much the loss L changes. The gradient G claims the slope G . D (entry by entry, then summed). Three rulers:

    one-sided      (L(W + h D) - L(W)) / h                error  ~ h    + eps/h      h    the step
    central        (L(W + h D) - L(W - h D)) / 2h         error  ~ h^2  + eps/h      eps  rounding: 2.2e-16 in float64,
    complex step   Im L(W + i h D) / h                    error  ~ h^2               1.2e-7 in float32; i^2 = -1

A long step measures the slope of a chord, a short one loses the difference in rounding: the error falls and rises
again, a V. Somewhere in between is the best step, and below its error no ruler sees anything. The complex step takes
no difference, so nothing is lost; but the function must accept complex numbers.

The picture: the error of four rulers against the step, on logarithmic axes, a dot at the best step of each; and as
horizontal lines the size of three mistakes. A ruler shows a mistake where its curve runs below that line. A wrong sign
is seen by all of them at many steps, a forgotten L2 term by the float32 ruler at none.
"""

# %%
import numpy as np
import plotting

import minigrad as mg

SEEDS = range(20)
LAMBDA = 2e-6
N = 100  # images of a batch

# %% [markdown]
# ## A loss, and its gradient by hand
# Softmax regression on a batch of digits: logits Z = X W, shape (N, 10), P = softmax(Z), one row per image, and an L2
# term. Written in NumPy alone, it takes float32, float64 and complex numbers, and minigrad's Tensors.

# %%
X_all, y_all = mg.data.load_digits()


def loss(W, X, y):
    Z = X @ W
    sample_losses = np.log(np.sum(np.exp(Z), axis=1)) - Z[np.arange(len(y)), y]  # -log P[i, y_i]
    return np.mean(sample_losses) + LAMBDA / 2 * np.sum(W * W)


def gradient(W, X, y):
    E = np.exp(X @ W)
    P = E / E.sum(axis=1, keepdims=True)
    P[np.arange(len(y)), y] -= 1  # P - one-hot
    return X.T @ P / len(y) + LAMBDA * W  # dL/dW = X^T (P - Y) / N + LAMBDA W


def problem(seed):
    """Parameters W, a direction D of length 1, images and labels, in float64."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(y_all), N, replace=False)
    D = rng.normal(size=(64, 10))
    return rng.normal(size=(64, 10)) * 0.1, D / np.linalg.norm(D), X_all[rows].astype(float), y_all[rows]


# %% [markdown]
# ## The rulers


# %%
def one_sided(L, h):
    return (L(h) - L(0.0)) / h


def central(L, h):
    return (L(h) - L(-h)) / (2 * h)


def complex_step(L, h):
    return np.imag(L(1j * h)) / h


def on_line(W, D, X, y, dtype=np.float64):
    """t -> L(W + t D), computed in `dtype`."""
    W, D, X = (a.astype(dtype) for a in (W, D, X))
    return lambda t: loss(W + (t if np.iscomplexobj(t) else dtype(t)) * D, X, y)


steps = 10.0 ** np.arange(-15, 0.1, 0.25)
RULERS = {
    "one-sided": (one_sided, np.float64),
    "central, in float32": (central, np.float32),
    "central": (central, np.float64),
    "complex step": (complex_step, np.float64),
}
MISTAKES = {  # what a student may write
    "wrong sign": lambda W, X, y: -gradient(W, X, y),
    "factor 2": lambda W, X, y: 2 * gradient(W, X, y),
    "L2 term forgotten": lambda W, X, y: gradient(W, X, y) - LAMBDA * W,
}
errors = {name: np.zeros((len(SEEDS), len(steps))) for name in RULERS}
sizes = {name: np.zeros(len(SEEDS)) for name in MISTAKES}
for i, seed in enumerate(SEEDS):
    W, D, X, y = problem(seed)
    slope = np.sum(gradient(W, X, y) * D)
    scale = np.linalg.norm(gradient(W, X, y)) / np.sqrt(D.size)  # a slope of common size: |G . D| for a random D
    for name, (ruler, dtype) in RULERS.items():
        line = on_line(W, D, X, y, dtype)
        errors[name][i] = [abs(ruler(line, h) - slope) / scale for h in steps]
    for name, wrong in MISTAKES.items():
        sizes[name][i] = np.linalg.norm(wrong(W, X, y) - gradient(W, X, y)) / np.sqrt(D.size) / scale

print("error relative to the slope, median over the seeds")
print("  step h                 " + "".join(f"{h:>9.0e}" for h in steps[::8]))
for name in RULERS:
    print(f"  {name:22} " + "".join(f"{e:9.0e}" for e in np.median(errors[name], axis=0)[::8]))
for name in MISTAKES:
    print(f"  mistake: {name:20} {np.median(sizes[name]):7.0e}")

# %% [markdown]
# ## The picture

# %%
LABELS = {  # what each line is, and where that is written
    "one-sided": (2e-6, 6e-8), "central, in float32": (2.5e-5, 0.16), "central": (4e-9, 6e-9),
    "complex step": (1e-13, 2e-15), "wrong sign, and below it factor 2": (2e-12, 3.5),
    "L2 term forgotten": (2e-15, 2e-5),
}  # fmt: skip
LOOKS = {
    "one-sided": {"color": plotting.ORANGE, "ls": ":"},
    "central, in float32": {"color": plotting.VERMILION, "ls": "--"},
    "central": {"color": plotting.BLUE, "ls": "-"},
    "complex step": {"color": plotting.GREEN, "ls": "-."},
}
figure, axes = plotting.panels(width=7.2, height=4.6)
for name, look in LOOKS.items():
    median = np.median(errors[name], axis=0)
    axes.plot(steps, median, lw=2, **look)
    axes.plot(steps[median.argmin()], median.min(), "o", color=look["color"])
for name in MISTAKES:
    axes.axhline(np.median(sizes[name]), color=plotting.BLACK, lw=0.8)
for name, place in LABELS.items():
    axes.text(*place, name, color=LOOKS.get(name, {}).get("color", plotting.BLACK))
axes.set(xscale="log", yscale="log", ylim=(3e-17, 30), xlabel="step h (in the unit of the parameters)")
axes.set(ylabel="error, relative to the slope", title="A ruler shows the mistakes above its curve")
plotting.save(figure, "02_gradient_check")

# %% [markdown]
# ## A ruler can be blind
# Softmax P = softmax(Z) has a whole matrix as its result; to get a slope one must sum it up somehow. `np.sum(P)` is the
# first idea, and a bad one: each row of P sums to 1 whatever Z is, so all slopes are 0, and every gradient that keeps
# this passes, seven times the right one as well. `mg.check_backward` weighs the entries of the result at random first.


# %%
def softmax(Z):
    E = np.exp(Z)
    return E / E.sum(axis=1, keepdims=True)


def softmax_backward(g, Z):
    P = softmax(Z)
    return P * (g - np.sum(g * P, axis=1, keepdims=True))  # dL/dZ = P (g - sum_k g_k P_k), g = dL/dP


def seven_times(g, Z):
    return 7 * softmax_backward(g, Z)


def worst_by_sum(backward, Z, h=6e-6):
    """The largest disagreement, entry by entry, where the result is summed with ones."""
    measured = np.zeros_like(Z)
    for index in np.ndindex(Z.shape):
        E = np.zeros_like(Z)
        E[index] = h
        measured[index] = (softmax(Z + E).sum() - softmax(Z - E).sum()) / (2 * h)
    return np.abs(measured - backward(np.ones_like(Z), Z)).max()


W, D, X, y = problem(0)
Z = X[:5] @ W
print("\ngradient of softmax    largest error, by the sum    check_backward")
passed = {}
for name, candidate in {"right": softmax_backward, "seven times": seven_times}.items():
    passed[name] = mg.check_backward(softmax, candidate, Z).ok
    print(f"{name:19}    {worst_by_sum(candidate, Z):24.0e}    {'passed' if passed[name] else 'failed'}")

# %% [markdown]
# ## A kink has two slopes
# ReLU, max(0, x), has slope 0 on the left of 0 and 1 on the right. At x = 0 a central difference measures their mean,
# 1/2, at every step, and would condemn both. That is no rare case: half the pixels of a digit are exactly 0. The
# checker measures both sides, and accepts what lies between; it says where.

# %%
pixels = X[:2]
at_zero = central(lambda t: mg.nn.functional.relu(pixels + t), 1e-5)[pixels == 0]
report = mg.gradcheck(mg.nn.functional.relu, [pixels])
print(f"\nReLU at the {np.sum(pixels == 0)} pixels that are 0: a central difference measures {at_zero.mean():.2f}")
print(f"the checker: passed {report.ok}, with {len(report.kinks)} kinks named")

# %% [markdown]
# ## From the measurement to the mistake
# The checker uses the central ruler in float64 at a step of 6e-6, and looks again, with many steps, wherever something
# disagrees. If the gradient is wrong, its *clinic* looks at how analytic and measured slopes differ and says which
# mistake fits (`report.reasons`; each has a `kind`). Here it looks at the three mistakes of the picture.


# %%
def examine(gradient):
    return mg.check_backward(lambda W: loss(W, X, y), lambda g, W: g * gradient(W, X, y), W)


print()
verdicts = {name: examine(wrong) for name, wrong in {"the right gradient": gradient, **MISTAKES}.items()}
for name, verdict in verdicts.items():
    print(f"{name}: {verdict.checked} slopes, {verdict.wrong} of them wrong")
    for reason in verdict.reasons[:1]:
        print(f"  [{reason.kind}] {reason}")

# %% [markdown]
# ## What we saw
# Every ruler has its own best step: about 1e-7 for one-sided slopes, 1e-4 for central ones, 0.1 in float32, and is of
# little use at another's step. What a check can find is decided by the bottom of its V: a wrong sign or a factor
# shows with any ruler at a sensible step; a forgotten term of 1e-5 of the gradient does not show in float32 at all.
# Hence the checker's habits: float64, central differences, a random mixture of the results, both sides of a kink.

# %%
curve = {name: np.median(errors[name], axis=0) for name in RULERS}
best = {name: steps[curve[name].argmin()] for name in RULERS}
floor = {name: curve[name].min() for name in RULERS}
term = np.median(sizes["L2 term forgotten"])

assert best["one-sided"] < 1e-5 < best["central"] < 1e-2 < best["central, in float32"], "each ruler has its best step"
assert curve["complex step"][0] < 1e-13 < floor["central"] < 1e-8 < floor["one-sided"], "and its least error"
for name in ("one-sided", "central", "central, in float32"):
    assert curve[name][0] > 0.1, "at the shortest step nothing is left of the slope"
    assert curve[name][-1] > 20 * floor[name], "and a long step is no good either: a V"
assert term > 10 * floor["one-sided"], "in float64 the forgotten term shows"
assert floor["central, in float32"] > 2 * term, "in float32 it does not, at any step"
assert worst_by_sum(seven_times, Z) < 1e-8, "the plain sum finds nothing wrong with seven times the gradient"
assert passed == {"right": True, "seven times": False}, "random weights do"
assert np.allclose(at_zero, 0.5), "at a kink a central difference measures the mean of two slopes"
assert report.ok, "the checker accepts both"
assert len(report.kinks) == np.sum(pixels == 0), "and names each kink"
assert verdicts.pop("the right gradient").ok, "a right gradient passes"
kinds = {name: verdict.reasons[0].kind for name, verdict in verdicts.items()}
assert not any(verdict.ok for verdict in verdicts.values()), "each of the mistakes is found"
assert kinds["wrong sign"] == "sign", "and called by its name"
assert kinds["factor 2"] == "factor", "and so is the factor"
assert kinds["L2 term forgotten"] == "l2_missing", "and what is missing"
print(f"\nClaims hold, the curves over {len(SEEDS)} seeds:")
for name in ("one-sided", "central", "central, in float32"):
    print(f"- {name}: least error {floor[name]:.0e} at h = {best[name]:.0e}")
print("- complex step: less than 1e-13, at the shortest steps too")
print(f"- a forgotten L2 term of {term:.0e} of the slope shows in float64, and in float32 at no step")
print("- np.sum as a probe passes seven times the gradient of softmax; random weights catch it")
print(f"- the right gradient passed, three wrong ones were caught: {', '.join(kinds.values())}")
print(f"- {len(report.kinks)} kinks of ReLU were named, not condemned")

# %% [markdown]
# ## Try it yourself
# 1. Multiply the loss by 1000. Does the V move, on relative axes? And if you *add* 1000 to it? Say what you expect
#    first: which of the two errors depends on the size of L, which on its curvature?
# 2. Hand `examine` a bad step: `mg.check_backward(..., eps=1e-13)`. What does it say of a right gradient, and where?
# 3. Use `np.abs(W)` for W in the loss, and the complex step. Why is its slope wrong, and what does
#    `mg.gradcheck(lambda W: loss(np.abs(W), X, y), [W], method="complex")` say to it?
#
# **Exercise of this lesson.** `lessons/exercises/02_gradient_check.py`: write the central difference, choose its step,
# use it on a loss that somebody has differentiated badly, and decide what it should say at a kink. Check it with
# `minigrad exercises check 02_gradient_check.py`.
