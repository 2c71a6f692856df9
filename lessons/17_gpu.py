# %% [markdown]
"""From which size on is a GPU faster, and what must be watched when the same code moves there?

A processor (CPU) starts on an operation at once. A graphics processor (GPU) has to be told: each operation is a
*launch*, data reach it by a *transfer*, and the program runs ahead of it until it waits (*synchronises*). As a first
model, a step of training on a batch of N samples takes

    t(N) = a + b N          a  fixed cost of a step, in seconds: Python, and on a GPU the launches
                            b  cost of one more sample, in seconds

A GPU can only win on b. If its b is smaller and its a larger, there is a crossover, below which the CPU is faster:
N* = (a_gpu - a_cpu) / (b_cpu - b_gpu). The code is the same on both: `mg.device.use` says where new arrays go.

We measure t(N) with class weights, for a perceptron of two hidden layers (MLP) and for LeNet-5, on this machine's CPU
and, if there is one, its GPU. **This lesson was written on a machine without a GPU.** What it says about one is how to
measure, not what will be seen. Where there is none it says why, and measures the CPU alone.

The picture: time of one training step against the batch size, both axes logarithmic, one panel for each network. The
CPU's curve starts almost flat, where the fixed cost rules, and ends close to a straight line of slope 1, where every
sample costs the same; the model, dotted, is near it. A GPU's curve, where there is one, is drawn into the same panels.
"""

# %%
import os
import time

import numpy as np
import plotting
import realdata
from threadpoolctl import threadpool_limits
from tqdm import tqdm

import minigrad as mg

BATCHES = (1, 4, 16, 64, 256, 1024)
REPEATS = 9  # of each measurement; the least counts, for other programs mostly add to it
NETWORKS = {"MLP": lambda: mg.models.MLP((784, 256, 128, 10), rng=0), "LeNet-5": lambda: mg.models.LeNet5(rng=0)}
threadpool_limits(1)  # of the CPU
PLACES = ("cpu", "cuda") if mg.device.is_available() else ("cpu",)
if PLACES == ("cpu",):
    print(f"Skipped: the GPU ({mg.device.why_not()}).\n")

# %% [markdown]
# ## One step, wherever it runs
# Images and network lie on the same device. Labels and weights may stay on the host: they are checked there, and follow
# the logits by themselves.

# %%
X, y, _, _, name = realdata.handwritten()
X, y = X[: BATCHES[-1]], y[: BATCHES[-1]]
w = mg.weighting.balanced(y)[y]


def prepare(network, place, size):
    """A function that does one step of training on `size` samples and returns the loss."""
    with mg.device.use(place):  # new parameters go there
        model = NETWORKS[network]()
    images = mg.tensor(X[:size] if network == "LeNet-5" else X[:size].reshape(size, -1), device=place)  # a transfer
    optimizer = mg.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

    def step():
        optimizer.zero_grad()
        loss = mg.losses.cross_entropy(model(images), y[:size], sample_weight=w[:size], reduction="weighted_mean")
        loss.backward()
        optimizer.step()
        return loss

    return step


# %% [markdown]
# ## Reading the clock
# On the CPU we count processor time, which passes only while this program runs; for one thread on an idle machine it is
# the time that passes. A GPU needs the clock on the wall, and takes orders faster than it carries them out: without
# `synchronize` the clock shows how long *ordering* took. On a CPU `synchronize` does nothing.

# %%
WALL = time.perf_counter
CLOCKS = {"cpu": WALL if os.name == "nt" else time.process_time, "cuda": WALL}  # Windows counts it in steps of 16 ms


def seconds(action, place, wait=mg.device.synchronize):
    """The least of REPEATS calls, after one to warm up (libraries load, memory is allocated, kernels compiled)."""
    clock = CLOCKS[place]
    action()
    times = []
    for _ in range(REPEATS):
        mg.device.synchronize()
        start = clock()
        action()
        wait()
        times.append(clock() - start)
    return min(times)


took = np.zeros((len(NETWORKS), len(PLACES), len(BATCHES)))  # seconds per step
runs = [(n, p, b) for n in range(len(NETWORKS)) for p in range(len(PLACES)) for b in range(len(BATCHES))]
for n, p, b in tqdm(runs, desc="measuring", unit=" sizes"):
    took[n, p, b] = seconds(prepare(list(NETWORKS)[n], PLACES[p], BATCHES[b]), PLACES[p])

# %% [markdown]
# ## What a GPU adds
# The cost of a launch shows in many operations on a single number, where there is next to nothing to compute; that of a
# transfer, in the images of the largest batch. Then two mistakes: a clock that does not wait, and an addition of arrays
# that lie in two places.


# %%
def one_operation(place, count=300):
    x = mg.ones(1, device=place)

    def many():
        z = x
        for _ in range(count):
            z = z + x

    return seconds(many, place) / count


operation = {place: one_operation(place) for place in PLACES}
for place in PLACES:
    print(f"{place}: one operation on one number takes {1e6 * operation[place]:.1f} microseconds")
if "cuda" in PLACES:
    size = X.nbytes / 2**20
    transfer = seconds(lambda: mg.tensor(X, device="cuda"), "cuda")
    print(f"cuda: {size:.0f} MiB of images, there: {1e3 * transfer:.2f} ms, {size / 1024 / transfer:.1f} GiB/s")
    step = prepare("LeNet-5", "cuda", BATCHES[-1])
    ordered, done = seconds(step, "cuda", wait=lambda: None), seconds(step, "cuda")
    print(f"cuda: a LeNet-5 step, clock read without waiting {1e3 * ordered:.2f} ms, with {1e3 * done:.2f} ms")
    mixed = "nothing was raised"
    try:
        mg.ones(2, device="cuda") + mg.ones(2, device="cpu")
    except Exception as error:
        mixed = f"{type(error).__name__}: {error}"
    print(f"cuda: arrays in two places: {mixed}")

# %% [markdown]
# ## The table, and the crossover
# a + b is the time of one sample alone, and b follows from the largest batch: the line goes through these two
# measurements. How far it is from the others says how good the model is.


# %%
def line(times):
    """a and b, in seconds, from the smallest batch and the largest."""
    b = (times[-1] - times[0]) / (BATCHES[-1] - BATCHES[0])
    return times[0] - b * BATCHES[0], b


fits = np.array([[line(times) for times in of_network] for of_network in took])  # [network, place, (a, b)]
a, b = fits[..., :1], fits[..., 1:]
model = a + b * np.array(BATCHES)  # t(N) = a + b N, shape [network, place, batch]
rough = np.exp(np.abs(np.log(model / took)).max(axis=-1))  # [network, place]
print(
    f"\nmilliseconds per step ({name}), batch"
    + "".join(f"{size:8}" for size in BATCHES)
    + "      a   1000 b   model off by"
)
for n, network in enumerate(NETWORKS):
    for p, place in enumerate(PLACES):
        a, b = 1e3 * fits[n, p]
        times = "".join(f"{1e3 * t:8.2f}" for t in took[n, p])
        print(f"{network:10} {place:22} {times} {a:6.2f} {1e3 * b:8.1f}   a factor of {rough[n, p]:.1f} at most")
    if "cuda" in PLACES:
        faster = [size for size, cpu, gpu in zip(BATCHES, *took[n], strict=True) if gpu < cpu]
        (a_cpu, b_cpu), (a_gpu, b_gpu) = fits[n]
        print(f"  the GPU is faster at batches {faster or 'none of these'}")
        if a_gpu > a_cpu and b_gpu < b_cpu:
            crossover = (a_gpu - a_cpu) / (b_cpu - b_gpu)  # N* = (a_gpu - a_cpu) / (b_cpu - b_gpu)
            print(f"  the lines cross at {crossover:.0f}")

# %% [markdown]
# ## The picture

# %%
LOOKS = {"cpu": ("o-", plotting.BLUE, "CPU"), "cuda": ("s--", plotting.VERMILION, "GPU")}
figure, panels = plotting.panels(columns=2)
for n, (axes, network) in enumerate(zip(panels, NETWORKS, strict=True)):
    for p, place in enumerate(PLACES):
        style, color, label = LOOKS[place]
        axes.plot(BATCHES, 1e3 * took[n, p], style, color=color, label=label)
        label = "_" if p else "model a + b N"
        axes.plot(BATCHES, 1e3 * model[n, p], ":", color=plotting.GREY, lw=2, label=label, zorder=3)
    axes.set(xscale="log", yscale="log", xlabel="samples per batch", ylabel="time of a step (ms)", title=network)
    axes.set_ylim(0.6e3 * took.min(), 2e3 * took.max())  # the same in both panels
    axes.set_xticks(BATCHES, list(map(str, BATCHES)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.legend(loc="upper left")
plotting.save(figure, "17_gpu")

# %% [markdown]
# ## What we claim
# Only what was run. Times differ from machine to machine, so the claims about them are wide. On the CPU a sample is far
# cheaper in a batch of 64 than alone: the fixed cost is shared. The model is rough, by the factor in the last column of
# the table: look for the crossover in the measurements, and take N* as a first guess. A GPU must give the numbers of
# the CPU, up to the order in which it adds.

# %%
per_sample = took[:, 0] / np.array(BATCHES)  # on the CPU, in seconds
shared = per_sample[:, 0] / per_sample[:, BATCHES.index(64)]
assert np.all(shared > 2), "a sample is cheaper in a batch of 64 than alone: the fixed cost is shared"
assert np.all(took[:, 0, -1] > 2 * took[:, 0, 0]), "large batches cost more than small ones all the same"
print(f"\nClaims hold, each time the least of {REPEATS}:")
for n, network in enumerate(NETWORKS):
    print(f"- {network} on the CPU: a sample is {shared[n]:.0f} times cheaper in a batch of 64 than alone")
if "cuda" in PLACES:
    apart = 0.0
    for network in NETWORKS:
        cpu, gpu = (prepare(network, place, 64) for place in PLACES)
        apart = max(apart, *(abs(gpu().item() / cpu().item() - 1) for _ in range(5)))
    assert apart < 1e-3, "the GPU computes what the CPU computes"
    assert "same device" in mixed, "arrays in two places are refused, in words"
    print(f"- five steps on the GPU: the losses of the CPU, to {apart:.0e}; arrays in two places are refused")

# %% [markdown]
# ## Try it yourself
# 1. Wider layers, `(784, 2048, 2048, 10)`: does the crossover move to smaller or to larger batches? Say why first.
# 2. Make the transfer part of the step: `mg.tensor(...)` inside `step`. For which batches does it matter?
# 3. `loss.item()` in every step waits for the GPU. Measure what that costs, and what it costs every 100 steps.
# 4. `threadpool_limits(2)`, or as many as your processor has: which part of the CPU's curve moves, and the crossover?
#
# **Exercise of this lesson.** There is none: this lesson is one of the two optional ones.
