# %% [markdown]
"""Two machines share a weighted batch. What must they tell each other, so that the step is that of the whole batch?

Machine r of R has the samples of its part B_r of the batch. The gradient of the weighted mean over the whole batch is

    g = sum_r n_r / sum_r d_r       n_r  numerator: sum over i in B_r of w_i grad l_i    l_i  loss of sample i
                                    d_r  denominator: sum over i in B_r of w_i           w_i  its weight

with grad the derivative by all parameters. Each machine can compute its own n_r and d_r. An *all-reduce* adds up what
all machines send and gives the sum to all of them. Send n_r and d_r, divide afterwards: that is g. It is tempting to
let each machine divide, and to average what comes out:

    (1/R) sum_r n_r / d_r           the mean of weighted means

This is another gradient, unless all d_r are equal: in it sample i counts w_i / d_r, which depends on the samples beside
it. We measure how far off it is, for several batch sizes and imbalances, and let two real processes do it with MPI.

The picture: how far both gradients are from that of the whole batch, against the samples per machine. The mean of means
is off by about a fifth at worst, and the rarer the classes, the larger the batches must be to lessen it. Numerator and
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

# %% [markdown]
# ## One machine
# The data are scikit-learn's digits; 5 to 9 are made rare. The weights are balanced: class c gets n / (K n_c), with n
# samples in all, n_c of class c, and K = 10 classes. The network is untrained. With `reduction="sum"` the gradient of
# the loss is the numerator.

# %%
X_all, y_all = mg.data.load_digits()


def task(ratio, seed):
    """X, y, the weight of each sample, and a network."""
    X, y = mg.data.imbalance(X_all, y_all, kind="step", ratio=ratio, rng=seed)
    mg.manual_seed(seed)
    return X, y, mg.weighting.balanced(y)[y], mg.models.MLP((64, 32, 10))


def sums(model, X, y, w):
    """n_r, the gradients of all parameters end to end, shape (P,), and d_r, shape (1,)."""
    loss = mg.losses.cross_entropy(model(X), y, sample_weight=w, reduction="sum")  # sum_i w_i l_i
    gradients = mg.grad(loss, list(model.parameters()))
    return np.concatenate([g.numpy().ravel() for g in gradients]), np.array([w.sum()], np.float32)


def whole(model, X, y, w):
    n, d = sums(model, X, y, w)  # of the whole batch, on one machine
    return n / d


# %% [markdown]
# ## Two ways to combine
# `all_reduce` takes messages, one row for each machine, and returns their sum. The right way sends one number more than
# the wrong one, P + 1 instead of P, in the same message.


# %%
def mean_of_means(n, d, all_reduce):
    return all_reduce(n / d) / R  # (1/R) sum_r n_r / d_r


def numerator_and_denominator(n, d, all_reduce):
    message = all_reduce(np.concatenate([n, d], axis=1))  # sum_r n_r and sum_r d_r
    return message[:-1] / message[-1]  # g = sum_r n_r / sum_r d_r


WAYS = (mean_of_means, numerator_and_denominator)


def combined(model, X, y, w, machines, all_reduce):
    """The gradient of either way; this process plays `machines`, and machine r has every R-th sample, from r on."""
    n, d = map(np.array, zip(*(sums(model, X[r::R], y[r::R], w[r::R]) for r in machines), strict=True))
    return [way(n, d, all_reduce) for way in WAYS]


def distance(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def errors(ratio, size, seed, machines, all_reduce):
    """Relative errors of the ways, shape (2,): means over DRAWS batches of `size` samples per machine."""
    X, y, w, model = task(ratio, seed)
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(DRAWS):
        i = rng.choice(len(y), R * size, replace=False)
        g = whole(model, X[i], y[i], w[i])
        found.append([distance(a, g) for a in combined(model, X[i], y[i], w[i], machines, all_reduce)])
    return np.mean(found, axis=0)


# %% [markdown]
# ## On two processes
# Under MPI two processes run this same script, and `world.rank` tells each which machine it plays. `world.allreduce` is
# all that they say to each other. Started with `mpiexec -n 2 python lessons/18_several_machines.py`, this is one of the
# two. Started as usual, it starts two more of itself, which only measure, if mpi4py and an `mpiexec` are there.

# %%
MPI_RATIO = 10


def on_two_processes():
    """Errors [way, size], measured by two MPI processes, or in words why there are none."""
    try:
        from mpi4py import MPI
    except ImportError as missing:
        return f'{missing}; to have it: python -m pip install -e ".[mpi]" in the checkout'
    world = MPI.COMM_WORLD
    started_for_this = "MINIGRAD_MPI" in os.environ
    if world.size == 1 and not started_for_this:
        return from_two_new_processes()
    if world.size != R:
        sys.exit(f"lesson 18 needs mpiexec -n {R}, the mpiexec of mpi4py's MPI: this process sees {world.size} of them")
    of_seeds = [
        [errors(MPI_RATIO, size, seed, [world.rank], lambda rows: world.allreduce(rows[0])) for size in PER_MACHINE]
        for seed in SEEDS
    ]
    found = np.mean(of_seeds, axis=0).T.tolist()
    if started_for_this and world.rank == 0:
        print(json.dumps(found), flush=True)
    if started_for_this or world.rank > 0:
        sys.exit()  # process 0 draws and concludes
    return found


def from_two_new_processes():
    folders = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    mpiexec = shutil.which("mpiexec", path=folders)  # the environment's own first
    if mpiexec is None:
        return "there is no mpiexec here"
    script = str(Path(plotting.__file__).with_name("18_several_machines.py"))  # a notebook has no __file__
    done = subprocess.run(
        [mpiexec, "-n", str(R), sys.executable, script],
        env={**os.environ, "MINIGRAD_MPI": "measure", "MPLBACKEND": "Agg", "OPENBLAS_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    report = [line for line in done.stdout.splitlines() if line.startswith("[")]
    return json.loads(report[0]) if report else f"{mpiexec} failed: {done.stderr.strip() or done.stdout.strip()}"


by_mpi = on_two_processes()
if isinstance(by_mpi, str):
    print(f"Skipped: two MPI processes ({by_mpi}).\n")

# %% [markdown]
# ## One process plays both
# An all-reduce is a sum over the machines, so for a study one process is enough.


# %%
def added(rows):
    return rows.sum(axis=0)


error = np.array(
    [[[errors(k, size, s, range(R), added) for s in SEEDS] for size in PER_MACHINE] for k in RATIOS]
)  # [ratio, size, seed, way]

# %% [markdown]
# Two extremes. With one sample per machine n_r / d_r is grad l_i: the weight cancels, and the training is one without
# weights. And even if all weights are 1, the d_r differ where one machine has 3 samples and the other 2.

# %%
X, y, w, model = task(RATIOS[-1], seed=0)
two = [np.argmin(w), np.argmax(w)]  # a frequent digit and a rare one
one_each = combined(model, X[two], y[two], w[two], range(R), added)[0]
cancelled = distance(one_each, whole(model, X[two], y[two], np.ones(2)))
five = X[:5], y[:5], np.ones(5)
uneven = distance(combined(model, *five, range(R), added)[0], whole(model, *five))

# %% [markdown]
# ## The table
# Relative error of the mean of means: mean ± standard deviation over the seeds. In brackets, how many rare samples
# (digits 5 to 9) the whole batch has on average: their share is about 1 / (1 + imbalance).

# %%
averaged, rounding = error[..., 0], error[..., 1].max()
print("samples per machine" + "".join(f"{f'imbalance {ratio}':>24}" for ratio in RATIOS))
for b, size in enumerate(PER_MACHINE):
    rare = [R * size / (1 + ratio) for ratio in RATIOS]
    row = [f"{averaged[a, b].mean():7.1%} ± {averaged[a, b].std(ddof=1):4.1%} ({n:5.1f})" for a, n in enumerate(rare)]
    print(f"{size:19}  ", "   ".join(row))
if not isinstance(by_mpi, str):
    print(f"Two MPI processes, imbalance {MPI_RATIO}:", ", ".join(f"{e:.1%}" for e in by_mpi[0]))

# %% [markdown]
# ## The picture

# %%
figure, axes = plotting.panels(width=6.4)
LOOKS = (("o:", plotting.PURPLE), ("s--", plotting.ORANGE), ("^-.", plotting.VERMILION))
for a, (style, color) in reversed(list(enumerate(LOOKS))):
    axes.plot(PER_MACHINE, averaged[a].mean(axis=1), style, color=color, label=f"mean of means, imbalance {RATIOS[a]}")
exact = error[..., 1].mean(axis=(0, 2))
axes.plot(PER_MACHINE, exact, "-D", color=plotting.BLUE, label="numerator and denominator")
if not isinstance(by_mpi, str):
    crosses = axes.plot(PER_MACHINE, np.transpose(by_mpi), "x", color=plotting.BLACK, ms=11, mew=2, zorder=3)
    crosses[0].set_label(f"two MPI processes, imbalance {MPI_RATIO}")
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
# samples, and more when it does not. The error is largest where the whole batch has one rare sample or a few: one
# machine easily gets more of them than the other. Larger batches make the d_r alike, and the rarer the class, the
# larger they must be. One number more per message removes the error, for parts of different size as well.

# %%
worst, largest = averaged.mean(axis=-1).max(axis=1), averaged[:, -1].mean(axis=-1)  # [ratio]
assert rounding < 1e-5, "numerator and denominator give the gradient of the whole batch, to rounding"
assert np.all(worst > 0.05), "the mean of means does not"
assert np.all(largest[:2] < worst[:2] / 2), "larger batches help, if the class is not too rare"
assert np.all(largest[1:] > 1.5 * largest[:-1]), "the rarer it is, the larger they would have to be"
assert cancelled < 1e-5, "with one sample per machine the mean of means ignores the weights"
assert uneven > 0.01, "parts of different size are enough to make it wrong"
print(f"\nClaims hold over {len(SEEDS)} seeds, {DRAWS} batches each:")
print(f"- numerator and denominator: relative error of the gradient {rounding:.0e} at most")
print(f"- mean of means, imbalance {', '.join(map(str, RATIOS))}: off by up to {', '.join(f'{e:.0%}' for e in worst)},")
print(f"  with {PER_MACHINE[-1]} samples per machine by {', '.join(f'{e:.0%}' for e in largest)}")
print(f"- with one sample per machine it is the gradient without weights, to {cancelled:.0e}")
print(f"- without weights, 3 samples here and 2 there, it is off by {uneven:.0%}")
if not isinstance(by_mpi, str):
    played = error[RATIOS.index(MPI_RATIO)].mean(axis=1).T  # [way, size]
    assert np.allclose(by_mpi, played, atol=1e-5), "two processes measure what one process that plays both measures"
    print("- two MPI processes measure the same errors")

# %% [markdown]
# ## Try it yourself
# 1. A library that averages gradients for you can still be right: give each machine the loss R sum_i w_i l_i / d, with
#    the d of all machines. What must be all-reduced before the backward pass?
# 2. Sort the samples of a batch by class, and give the first half to machine 0, so that one machine has all the rare
#    ones. Say first what happens to the error of both ways.
# 3. Four machines: `R = 4` and `PER_MACHINE = (4, 16, 64)`. Does the mean of means get better or worse?
#
# **Exercise of this lesson.** There is none: this lesson is one of the two optional ones.
