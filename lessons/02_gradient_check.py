# %% [markdown]
"""How does one measure a slope, and which mistakes does the measurement show?

You have derived a gradient by hand. Is it right? Measure: move the parameters W a little way h along a direction D and
see how much the loss L changes. The gradient G claims the slope G . D (entry by entry, then summed). Three rulers:

    one-sided      (L(W + h D) - L(W)) / h                error  ~ h    + eps/h      h    the step
    central        (L(W + h D) - L(W - h D)) / 2h         error  ~ h^2  + eps/h      eps  rounding: 2.2e-16 in float64,
    complex step   Im L(W + i h D) / h                    error  ~ h^2               1.2e-7 in float32; i^2 = -1

A long step does not follow the curve of L, and a short one loses the difference in rounding: the error falls and rises
again, a V. Somewhere in between is the best step, and no ruler sees a mistake that is smaller than its error there. The
complex step takes no difference, so nothing is lost; but the function must accept complex numbers.

The picture: the error of four rulers against the step, on logarithmic axes, a dot at the best step of each; and as
horizontal lines the size of three mistakes. A ruler shows a mistake where its curve runs below that line. A wrong sign
shows with each of them at many steps, a forgotten L2 term with the float32 ruler at none.
"""

# %%
import numpy as np
import plotting

import minigrad as mg

SEEDS = range(20)
LAMBDA = 2e-6
N = 100

# %% [markdown]
# ## A loss, and its gradient by hand
# Softmax regression on a batch of N = 100 images of digits: pixels X, shape (N, 64); parameters W, shape (64, 10);
# logits Z = X W and probabilities P = softmax(Z), a row for each image; and an L2 term, LAMBDA / 2 times the sum of all
# W^2. A row of Y is the label as zeros with a 1. NumPy computes the loss in float32, float64 and complex numbers alike.

# %%
X_all, y_all = mg.data.load_digits()


def loss(W, X, y):
    Z = X @ W
    sample_losses = np.log(np.sum(np.exp(Z), axis=1)) - Z[np.arange(len(y)), y]  # -log P[i, y_i]
    return np.mean(sample_losses) + LAMBDA / 2 * np.sum(W * W)


def gradient(W, X, y):
    E = np.exp(X @ W)
    P = E / E.sum(axis=1, keepdims=True)
    P[np.arange(len(y)), y] -= 1  # P - Y
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
RULERS: dict[str, tuple] = {  # name: ruler, dtype; colour, line style and place of its name in the picture
    "one-sided": (one_sided, np.float64, plotting.ORANGE, ":", (2e-6, 6e-8)),
    "central, in float32": (central, np.float32, plotting.VERMILION, "--", (2.5e-5, 0.16)),
    "central": (central, np.float64, plotting.BLUE, "-", (4e-9, 6e-9)),
    "complex step": (complex_step, np.float64, plotting.GREEN, "-.", (1e-13, 2e-15)),
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
    G = gradient(W, X, y)
    common = np.linalg.norm(G) / np.sqrt(D.size)  # the common size of a slope: |G . D| for a random D
    for name, (ruler, dtype, *_) in RULERS.items():
        line = on_line(W, D, X, y, dtype)
        errors[name][i] = [abs(ruler(line, h) - np.sum(G * D)) / common for h in steps]
    for name, wrong in MISTAKES.items():
        sizes[name][i] = np.linalg.norm(wrong(W, X, y) - G) / np.linalg.norm(G)
curve = {name: np.median(values, axis=0) for name, values in errors.items()}
size = {name: np.median(values) for name, values in sizes.items()}

print("error relative to the slope, median over the seeds")
print("  step h                 " + "".join(f"{h:>9.0e}" for h in steps[::8]))
for name in RULERS:
    print(f"  {name:22} " + "".join(f"{e:9.0e}" for e in curve[name][::8]))
for name in MISTAKES:
    print(f"  mistake: {name:20} {size[name]:7.0e}")

# %% [markdown]
# ## The picture

# %%
figure, axes = plotting.panels(width=7.2, height=4.6)
for name, (_, _, colour, style, place) in RULERS.items():
    axes.plot(steps, curve[name], style, lw=2, color=colour)
    axes.plot(steps[curve[name].argmin()], curve[name].min(), "o", color=colour)
    axes.text(*place, name, color=colour)
for name, place in {"wrong sign, and below it factor 2": (2e-12, 3.5), "L2 term forgotten": (2e-15, 2e-5)}.items():
    axes.text(*place, name)
for mistake in size.values():
    axes.axhline(mistake, color=plotting.BLACK, lw=0.8)
axes.set(xscale="log", yscale="log", ylim=(3e-17, 30), xlabel="step h (in the unit of the parameters)")
axes.set(ylabel="error, relative to the slope", title="A ruler shows the mistakes above its curve")
plotting.save(figure, "02_gradient_check")

# %% [markdown]
# ## A ruler can be blind
# The result of P = softmax(Z) is a whole matrix; to have one slope, one must make one number of it. `np.sum(P)` is the
# first idea, and a bad one: each row of P sums to 1 whatever Z is, so all slopes are 0. That is what the right gradient
# says, and seven times the right one as well. `mg.check_backward` weighs the entries of the result at random instead.


# %%
def softmax(Z):
    E = np.exp(Z)
    return E / E.sum(axis=1, keepdims=True)


def softmax_backward(g, Z):
    P = softmax(Z)
    return P * (g - np.sum(g * P, axis=1, keepdims=True))  # dL/dZ = P (g - sum_k g_k P_k), g = dL/dP


Z = X[:5] @ W
V = np.random.default_rng(0).normal(size=Z.shape)  # a direction
by_sum = central(lambda t: np.sum(softmax(Z + t * V)), 1e-5)
print("\ngradient of softmax     slope of the sum: measured   claimed     check_backward")
claimed, passed = {}, {}
for factor in (1, 7):
    claimed[factor] = factor * np.sum(softmax_backward(np.ones_like(Z), Z) * V)
    passed[factor] = mg.check_backward(softmax, lambda g, Z, k=factor: k * softmax_backward(g, Z), Z).ok
    verdict = "passed" if passed[factor] else "failed"
    print(f"the right one times {factor} {by_sum:29.0e} {claimed[factor]:9.0e}     {verdict}")

# %% [markdown]
# ## A kink has two slopes
# ReLU, max(0, x), has slope 0 on the left of 0 and 1 on the right. At x = 0 a central difference measures their mean,
# 1/2, at every step, and would condemn 0 and 1 alike. That is no rare case: about half the pixels of a digit are 0.
# The checker measures both sides, accepts what lies between, and names each kink.

# %%
pixels = X[:2]
at_zero = central(lambda t: np.maximum(pixels + t, 0), 1e-5)[pixels == 0]
report = mg.gradcheck(mg.nn.functional.relu, [pixels])
print(f"\nReLU at the {len(at_zero)} of {pixels.size} pixels that are 0: central difference {at_zero.mean():.2f}")
print(f"the checker {'passed' if report.ok else 'failed'} minigrad's ReLU and named {len(report.kinks)} kinks")

# %% [markdown]
# ## From the measurement to the mistake
# The checker uses the central ruler in float64 at a step of 6e-6 (times |x| where |x| > 1), for each entry alone, and
# looks again, with many steps, wherever something disagrees. If the gradient is wrong, its *clinic* looks at how the
# claimed slopes differ from the measured ones and says which mistake fits (`report.reasons`; each has a `kind`). Where
# a slope is so small that a mistake in it is smaller than the measurement's own error, it is not called wrong.

# %%
print()
verdicts = {}
for name, candidate in {"the right gradient": gradient, **MISTAKES}.items():
    verdicts[name] = mg.check_backward(lambda W: loss(W, X, y), lambda g, W, f=candidate: g * f(W, X, y), W)
    print(f"{name}: {verdicts[name].checked} slopes, {verdicts[name].wrong} of them wrong")
    for reason in verdicts[name].reasons[:1]:
        print(f"  [{reason.kind}] {reason}")

# %% [markdown]
# ## What we saw
# Every ruler has its own best step: some 1e-7 for one-sided slopes, 1e-4 for central ones, nearly 0.1 in float32; at
# another's step it is of little use. What a check can find is decided by the bottom of its V: a wrong sign or a factor
# shows with any ruler at a sensible step; a forgotten term of 1e-5 of the gradient does not show in float32 at all.
# Hence the checker's habits: float64, central differences, a random mixture of the results, both sides of a kink.

# %%
best = {name: steps[curve[name].argmin()] for name in RULERS}
floor = {name: curve[name].min() for name in RULERS}
term = size["L2 term forgotten"]

assert best["one-sided"] < 1e-5 < best["central"] < 1e-2 < best["central, in float32"], "each ruler has its best step"
assert curve["complex step"][0] < 1e-13 < floor["central"] < 1e-8 < floor["one-sided"], "and its least error"
for name in ("one-sided", "central", "central, in float32"):
    assert curve[name][0] > 0.1, "at the shortest step nothing is left of the slope"
    assert curve[name][-1] > 20 * floor[name], "and a long step is no good either: a V"
assert term > 10 * floor["one-sided"], "in float64 the forgotten term shows"
assert floor["central, in float32"] > 2 * term, "in float32 it does not, at any step"
assert abs(by_sum - claimed[7]) < 1e-8, "the plain sum finds nothing wrong with seven times the gradient"
assert passed == {1: True, 7: False}, "random weights do"
assert np.allclose(at_zero, 0.5), "at a kink a central difference measures the mean of two slopes"
assert report.ok, "the checker accepts ReLU"
assert len(report.kinks) == len(at_zero), "and names each kink"
assert verdicts.pop("the right gradient").ok, "a right gradient passes"
kinds = {name: verdict.reasons[0].kind for name, verdict in verdicts.items()}
right_names = {"wrong sign": "sign", "factor 2": "factor", "L2 term forgotten": "l2_missing"}
assert kinds == right_names, "each of the mistakes is found and called by its name"
print(f"\nClaims hold, the curves over {len(SEEDS)} seeds:")
for name in RULERS:
    print(f"- {name}: least error {floor[name]:.0e} at h = {best[name]:.0e}, {curve[name][0]:.0e} at {steps[0]:.0e}")
print(f"- a forgotten L2 term of {term:.0e} of the slope shows in float64, and in float32 at no step")
print("- np.sum as a probe passes seven times the gradient of softmax; random weights catch it")
print(f"- the right gradient passed, three wrong ones were caught: {', '.join(kinds.values())}")
print(f"- {len(report.kinks)} kinks of ReLU were named, not condemned")

# %% [markdown]
# ## Try it yourself
# 1. Multiply the loss by 1000. Does the V move, on relative axes? And if you *add* 1000 to it? Say what you expect
#    first: which of the two errors depends on the size of L, which on its curvature?
# 2. Give the checker a bad step: print `mg.check_backward(..., eps=1e-11)` for the right gradient. It passes, but how
#    large has its tolerance become, and what was not compared at all? What does it say to 1e-13?
# 3. Use `np.abs(W)` for W in the loss, and the complex step. Why is its slope wrong, and what does
#    `mg.gradcheck(lambda W: loss(np.abs(W), X, y), [W], method="complex")` say to it?
#
# **Exercise of this lesson.** `lessons/exercises/02_gradient_check.py`: write the central difference, choose its step,
# use it on a loss that somebody has differentiated badly, and decide what it should say at a kink. Check it with
# `minigrad exercises check 02_gradient_check.py`.
