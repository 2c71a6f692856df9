"""Two machines share a weighted batch. What must they tell each other, so that the step is that of the whole batch?

Machine r of R has the samples of its part B_r of the batch. The gradient of the weighted mean over the whole batch is

    g = sum_r n_r / sum_r d_r       n_r  numerator: sum over i in B_r of w_i grad l_i    l_i  loss of sample i
                                    d_r  denominator: sum over i in B_r of w_i           w_i  its weight

Each machine can compute n_r and d_r alone. An *all-reduce* adds up what all machines send and gives all of them the
sum. Send n_r and d_r, divide afterwards: that is g. It is tempting to average the gradients of the machines instead,

    (1/R) sum_r n_r / d_r           the mean of weighted means

and that is another arrow, unless all d_r are equal: sample i then weighs w_i / d_r, which depends on its neighbours. We
measure how far off it is, for several batch sizes and imbalances, and let two real processes do both, with MPI.

The picture: how far both gradients are from that of the whole batch, against the samples per machine. The mean of means
is off by some 20 % at worst, and the rarer a class, the larger the batches that are still spoilt. Numerator and
denominator leave rounding, a line far below. The crosses, measured by two MPI processes, lie on the lines.
"""

# %%
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import plotting

import minigrad as mg

R = 2  # machines
SEEDS = range(5)
RATIOS = (3, 10, 30)  # how much rarer the digits 5 to 9 are than 0 to 4
PER_MACHINE = (4, 16, 64, 256)  # samples
DRAWS = 20  # batches of each kind and seed
STEPS, RATE = 100, 0.5  # of the training below

# %% [markdown]
# ## The data
# scikit-learn's digits; 5 to 9 are made rare. The weights are balanced: class c gets n / (K n_c), with n samples in
# all, n_c of class c, K = 10 classes. Batches are drawn at random, and each machine gets every R-th sample.

# %%
X_all, y_all = mg.data.load_digits()


def task(ratio, seed):
    """X, y, the weight of each sample, and a network."""
    X, y = mg.data.imbalance(X_all, y_all, kind="step", ratio=ratio, rng=seed)
    mg.manual_seed(seed)
    return X, y, mg.weighting.balanced(y)[y], mg.models.MLP((64, 32, 10))


def sums(model, X, y, w):
    """n_r and d_r of one machine: the gradients of all parameters end to end, and a number in an array, (1,)."""
    loss = mg.losses.cross_entropy(model(X), y, sample_weight=w, reduction="sum")  # sum_i w_i l_i
    gradients = mg.grad(loss, list(model.parameters()))
    return np.concatenate([g.data.ravel() for g in gradients]), np.array([w.sum()], np.float32)


# %% [markdown]
# ## Two ways to combine
# Both are given `total`, an all-reduce. The right one sends one number more: with P parameters P + 1 numbers, in one
# message.


# %%
def numerator_and_denominator(n, d, total):
    message = total(np.concatenate([n, d], axis=-1))  # sum_r n_r and sum_r d_r
    return message[:-1] / message[-1]  # g = sum_r n_r / sum_r d_r


def mean_of_means(n, d, total):
    return total(n / d) / R  # (1/R) sum_r n_r / d_r


WAYS = {"mean of means": mean_of_means, "numerator and denominator": numerator_and_denominator}


def distance(a, b):
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def batches(size, y, seed):
    rng = np.random.default_rng([seed, size])
    for _ in range(DRAWS):
        yield rng.choice(len(y), R * size, replace=False)


# %% [markdown]
# ## On two processes
# Under MPI every process runs this same script; `world.rank` tells it which one it is. Each computes its own part, and
# `Allreduce` is the only thing that they say to each other. They measure the errors for one imbalance, then train
# together for a while, which shows whether the copies of the network stay alike. Process 0 also trains alone, on whole
# batches, to compare.


# %%
def flat(model):
    return np.concatenate([p.data.ravel() for p in model.parameters()])


def train(ratio, seed, gradient):
    """All parameters after STEPS steps of SGD; ``gradient(model, X, y, w)`` is that of a batch."""
    X, y, w, model = task(ratio, seed)
    rng = np.random.default_rng(seed)
    for _ in range(STEPS):
        i = rng.choice(len(y), R * 16, replace=False)
        theta = flat(model) - RATE * gradient(model, X[i], y[i], w[i])  # theta <- theta - rate g
        ends = np.cumsum([p.size for p in model.parameters()])
        for p, values in zip(model.parameters(), np.split(theta, ends[:-1]), strict=True):
            p.data = values.reshape(p.shape)
    return flat(model)


def whole(model, X, y, w):
    n, d = sums(model, X, y, w)
    return n / d


def on_all_processes(world, ratio=10, sizes=(4, 64)):
    """What process 0 reports: errors[way][size], and how far the trained networks are apart."""
    from mpi4py import MPI

    def total(message):
        world.Allreduce(MPI.IN_PLACE, message)  # in each process: its message in, the sum of all out
        return message

    def together(way):
        mine = slice(world.rank, None, R)
        return lambda model, X, y, w: way(*sums(model, X[mine], y[mine], w[mine]), total)

    errors: dict[str, list[float]] = {name: [] for name in WAYS}
    for size in sizes:
        for name, way in WAYS.items():
            found = []
            for seed in SEEDS:
                X, y, w, model = task(ratio, seed)
                for i in batches(size, y, seed):
                    found.append(distance(together(way)(model, X[i], y[i], w[i]), whole(model, X[i], y[i], w[i])))
            errors[name].append(float(np.mean(found)))
    alone = train(ratio, 0, whole)
    trained = {name: train(ratio, 0, together(way)) for name, way in WAYS.items()}
    copies = world.allgather(trained["numerator and denominator"])
    return {
        "library": " ".join(MPI.Get_library_version().splitlines()[0].split()),
        "ratio": ratio,
        "sizes": sizes,
        "errors": errors,
        "apart": {name: distance(theta, alone) for name, theta in trained.items()},
        "copies": max(distance(copy, copies[0]) for copy in copies),
    }


# %% [markdown]
# Started with `mpiexec -n 2 python lessons/18_several_machines.py`, this is one of the two processes. Started as usual,
# it starts two more of itself, which only measure, if mpi4py and an `mpiexec` are there.


# %%
def from_two_new_processes():
    """Their report, or why there is none."""
    folders = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    mpiexec = shutil.which("mpiexec", path=folders)  # the environment's own first
    if mpiexec is None:
        return "there is no mpiexec here"
    beside = Path(plotting.__file__).with_name("18_several_machines.py")
    lesson = globals().get("__file__", beside)  # a notebook has no __file__
    command = [mpiexec, "-n", str(R), sys.executable, str(lesson)]
    environment = {**os.environ, "MINIGRAD_MPI": "measure", "MPLBACKEND": "Agg", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    )
    report = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return json.loads(report[0]) if report else f"{mpiexec} failed: {done.stderr.strip() or done.stdout.strip()}"


try:
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    measuring = "MINIGRAD_MPI" in os.environ
    if world.size not in ((R,) if measuring else (1, R)):
        sys.exit(f"lesson 18 needs mpiexec -n {R}, the mpiexec of mpi4py's MPI: this process sees {world.size} of them")
    report = on_all_processes(world) if world.size == R else from_two_new_processes()
    if measuring and world.rank == 0:
        print(json.dumps(report), flush=True)
    if measuring or world.rank > 0:
        sys.exit()  # process 0 draws and concludes
except ImportError as missing:
    report = str(missing)
if isinstance(report, str):
    print(f"Skipped: two MPI processes ({report}).")
    print('To run them: python -m pip install -e ".[mpi]" in the checkout.\n')

# %% [markdown]
# ## One process plays both
# An all-reduce is a sum over the machines, so for a study one process is enough.


# %%
def play(model, X, y, w):
    """The gradient of either way, from R machines that one process plays."""
    n, d = (
        np.stack(arrays) for arrays in zip(*(sums(model, X[r::R], y[r::R], w[r::R]) for r in range(R)), strict=True)
    )
    return [way(n, d, lambda messages: messages.sum(axis=0)) for way in WAYS.values()]


error = np.zeros((len(WAYS), len(RATIOS), len(PER_MACHINE), len(SEEDS)))  # means over the batches
for a, ratio in enumerate(RATIOS):
    for s, seed in enumerate(SEEDS):
        X, y, w, model = task(ratio, seed)
        for b, size in enumerate(PER_MACHINE):
            for i in batches(size, y, seed):
                g = whole(model, X[i], y[i], w[i])
                error[:, a, b, s] += [distance(found, g) / DRAWS for found in play(model, X[i], y[i], w[i])]

# %% [markdown]
# Two extremes. With one sample per machine n_r / d_r is grad l_i: the weight cancels, and the training is one without
# weights. And if all weights are 1 but there are 3 samples here and 2 there, the d_r differ all the same.

# %%
X, y, w, model = task(RATIOS[-1], seed=0)
few = np.append(np.argsort(w)[: R - 1], np.argmax(w))  # a frequent digit for each machine but one, and a rare one
one_each = play(model, X[few], y[few], w[few])[0]
cancelled = distance(one_each, whole(model, X[few], y[few], np.ones(R)))
lost = distance(one_each, whole(model, X[few], y[few], w[few]))
uneven = distance(play(model, X[:5], y[:5], np.ones(5))[0], whole(model, X[:5], y[:5], np.ones(5)))

# %% [markdown]
# ## The table
# Relative error of the gradient, mean ± standard deviation over the seeds.

# %%
print(f"samples per machine   mean of means, imbalance {'               '.join(map(str, RATIOS))}")
for b, size in enumerate(PER_MACHINE):
    row = "   ".join(f"{error[0, a, b].mean():7.1%} ± {error[0, a, b].std(ddof=1):5.1%}" for a in range(len(RATIOS)))
    print(f"{size:19}   {row}")
print(f"numerator and denominator: {error[1].max():.0e} at most, which is rounding (float32).")
print(f"One sample per machine, one of them rare: off by {lost:.0%}; from the unweighted gradient by {cancelled:.0e}.")
print(f"No weights, 3 samples here and 2 there: off by {uneven:.0%}.")
if not isinstance(report, str):
    print(f"\nTwo processes, {report['library']}, imbalance {report['ratio']}:")
    for name, found in report["errors"].items():
        per_size = ", ".join(f"{e:.2g} at {size} per machine" for size, e in zip(report["sizes"], found, strict=True))
        print(f"  {name}: relative error {per_size};")
        print(f"    trained {STEPS} steps together, relative distance to training alone {report['apart'][name]:.2g}")

# %% [markdown]
# ## The picture

# %%
figure, axes = plotting.panels(width=6.4)
LOOKS = (("o:", plotting.PURPLE), ("s--", plotting.ORANGE), ("^-.", plotting.VERMILION))
for a, (style, color) in reversed(list(enumerate(LOOKS))):
    label = f"mean of means, imbalance {RATIOS[a]}"
    axes.plot(PER_MACHINE, error[0, a].mean(axis=-1), style, color=color, label=label)
axes.plot(PER_MACHINE, error[1].mean(axis=(0, -1)), "-D", color=plotting.BLUE, label="numerator and denominator")
if not isinstance(report, str):
    for k, found in enumerate(report["errors"].values()):
        label = f"two MPI processes, imbalance {report['ratio']}" if k == 0 else "_"
        axes.plot(report["sizes"], found, "x", color=plotting.BLACK, ms=11, mew=2, zorder=3, label=label)
axes.set(xscale="log", yscale="log", ylim=(1e-8, 1), xlabel="samples per machine")
axes.set_ylabel("relative error of the gradient")
axes.set_title("Averaged means are off, added numerators and denominators exact")
axes.set_xticks(PER_MACHINE, list(map(str, PER_MACHINE)))
axes.minorticks_off()
axes.legend(loc="center left", bbox_to_anchor=(0.02, 0.46))
plotting.save(figure, "18_several_machines")

# %% [markdown]
# ## What we saw
# The mean of means is another gradient: a sample counts less than its weight says when it shares a machine with heavy
# samples, and more when it does not. It is worst where a batch has a few rare samples, on one machine more than on the
# other. Larger batches make the d_r alike, and the rarer the class, the larger they must be. One number more per
# message removes the error, for parts of different size as well.

# %%
averaged = error[0].mean(axis=-1)  # [ratio, size]
assert error[1].max() < 1e-5, "numerator and denominator give the gradient of the whole batch, to rounding"
assert averaged.max(axis=1).min() > 0.05, "the mean of means does not"
assert (averaged[:2, -1] < averaged[:2].max(axis=1) / 2).all(), "larger batches help, if the class is not too rare"
assert (averaged[1:, -1] > 1.5 * averaged[:-1, -1]).all(), "the rarer it is, the larger they would have to be"
assert cancelled < 1e-5, "with one sample per machine the mean of means ignores the weights"
assert lost > 0.1, "which matters"
assert uneven > 0.01, "parts of different size are enough to make it wrong"
print(f"\nClaims hold over {len(SEEDS)} seeds, {DRAWS} batches each:")
print(f"- numerator and denominator: relative error of the gradient {error[1].max():.0e} at most")
at_worst = ", ".join(f"{e:.0%}" for e in averaged.max(axis=1))
largest = ", ".join(f"{e:.0%}" for e in averaged[:, -1])
print(f"- mean of means, imbalance {', '.join(map(str, RATIOS))}: off by up to {at_worst};")
print(f"  with {PER_MACHINE[-1]} samples per machine by {largest}")
print(f"- with one sample per machine it is the gradient without weights, to {cancelled:.0e}")
if not isinstance(report, str):
    for k, found in enumerate(report["errors"].values()):
        played = [error[k, RATIOS.index(report["ratio"]), PER_MACHINE.index(size)].mean() for size in report["sizes"]]
        assert np.allclose(found, played, atol=1e-5), "two processes measure what one process that plays both measures"
    right, wrong = report["apart"]["numerator and denominator"], report["apart"]["mean of means"]
    assert report["copies"] == 0, "both processes hold the same network after the training"
    assert right < 1e-4, "and it is the one that was trained alone"
    assert wrong > 0.01, "the mean of means trains another one"
    print("- two MPI processes measure the same errors, and end with the same network")
    print(f"- trained together for {STEPS} steps it is {right:.0e} from training alone; by mean of means {wrong:.0%}")

# %% [markdown]
# ## Try it yourself
# 1. A library that averages gradients for you can still be right: give each machine the loss R sum w_i l_i / d, with
#    the d of all machines. What must be all-reduced before the backward pass?
# 2. Sort the samples by class before they are dealt out, so that one machine has all rare ones. Say first what happens
#    to the error of both ways.
# 3. Four machines: `R = 4` and `PER_MACHINE = (4, 16, 64)`. Does the mean of means get better or worse?
#
# **Exercise of this lesson:** `minigrad exercises check 18_several_machines.py`. Combine what several machines send;
# expect to be caught with the mean of weighted means.
