"""A run that was broken off goes on bit for bit: after an epoch, after Ctrl-C, after kill -9."""

import os
import signal
import subprocess
import sys
import textwrap
from functools import partial

import numpy as np
import pytest

import minigrad as mg
from minigrad.losses import cross_entropy
from minigrad.training import EarlyStopping, History, fit

N, K, D = 60, 3, 4
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, D)).astype(np.float32)
Y = RNG.integers(K, size=N)
W = RNG.uniform(0.5, 2, N)


def network(hidden=8):
    """With running statistics, and with random numbers of its own and of the package."""
    return mg.nn.Sequential(
        mg.nn.Linear(D, hidden, rng=1), mg.nn.BatchNorm1d(hidden), mg.nn.ReLU(), mg.nn.Dropout(0.3),
        mg.nn.Dropout(0.2, rng=5), mg.nn.Linear(hidden, K, rng=2),
    )  # fmt: skip


def run(epochs, path=None, *, seed=3, model=None, rng=0, **arguments):
    mg.manual_seed(seed)
    model = network() if model is None else model
    optimizer = mg.optim.Adam(model.parameters(), lr=0.05)
    arguments = {
        "data": (X, Y, W), "batch_size": 16, "validation": (X[:20], Y[:20]),
        "schedule": mg.optim.cosine(12), "gradient_share": 20,
        "class_weight": mg.training.deferred([1.0, 2.0, 3.0], after=3),
    } | arguments  # fmt: skip
    history = fit(
        model, cross_entropy, epochs=epochs, optimizer=optimizer, checkpoint=path, rng=rng, progress=False, **arguments
    )
    return model, history


def same(a, b):
    (model_a, history_a), (model_b, history_b) = a, b
    states = model_a.state_dict(), model_b.state_dict()
    return all(np.array_equal(states[0][name].data, states[1][name].data) for name in states[0]) and (
        str(history_a.to_dict()) == str(history_b.to_dict())
    )


class CtrlCAtStep:
    """Presses Ctrl-C in the middle of the n-th step."""

    def __init__(self, model, step):
        self.left = step
        self.handle = model.register_forward_hook(self)

    def __call__(self, module, *_):
        if module.training:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGINT)
                self.handle.remove()


VARIANTS = {
    "as it is": {},
    "one generator for everything": {"rng": None},
    "a schedule of batches": {"schedule_every": "batch", "schedule": mg.optim.one_cycle(30)},
    "early stopping": {"early_stopping": EarlyStopping(patience=4)},
    "sampled and augmented": {
        "sampler": partial(mg.data.oversample, Y),
        "augment": lambda X, y, rng: X + rng.normal(size=X.shape, scale=0.1).astype(X.dtype),
    },
    "micro-batches, clipped": {"micro_batch_size": 8, "clip_norm": 0.1},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_resumed_run_is_the_uninterrupted_one(tmp_path, name):
    path = tmp_path / "run.ckpt"
    whole = run(7, **VARIANTS[name])
    run(3, path, **VARIANTS[name])
    resumed = run(7, path, seed=99, **VARIANTS[name])
    assert same(whole, resumed)
    assert same(whole, run(7, path, seed=98, **VARIANTS[name]))  # nothing is left to do


@pytest.mark.parametrize("step", [1, 6, 8])
@pytest.mark.parametrize("name", VARIANTS)
def test_ctrl_c_keeps_what_was_learned_and_can_be_resumed(tmp_path, name, step):
    path = tmp_path / "run.ckpt"
    whole = run(4, **VARIANTS[name])
    model = network()
    if "micro_batch_size" in VARIANTS[name]:
        step = 2 * step
    CtrlCAtStep(model, step)
    broken, history = run(4, path, model=model, **VARIANTS[name])
    assert history.interrupted
    assert "interrupted" in repr(history)
    saved = mg.load(path)
    assert all(np.array_equal(saved["model"][n], value.numpy()) for n, value in broken.state_dict().items())
    assert not np.array_equal(broken[0].weight.data, network()[0].weight.data)
    resumed = run(4, path, seed=99, **VARIANTS[name])
    assert not resumed[1].interrupted
    assert same(whole, resumed)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_second_ctrl_c_stops_at_once():
    def press(_):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(2, callbacks=[press])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


SCRIPT = """
    import os, signal, sys
    import conftest  # the device of these tests
    import minigrad as mg
    from minigrad.training import checkpoint
    from tests.training.test_resume import network, run

    path, result, moment = sys.argv[1:]
    model = network()
    left = 14 if moment == "step" else 7

    def count(*_):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted_replace(*arguments):
        count()
        replace(*arguments)

    if moment == "step":
        model.register_forward_hook(lambda module, *_: count() if module.training else None)
    if moment == "renaming":
        replace, os.replace = os.replace, counted_replace
    history = run(6, path, model=model)[1]
    mg.save(result, {"model": model.state_dict(), "history": history.to_dict()})
"""


@pytest.mark.parametrize("moment", ["step", "renaming"])
def test_kill_9_and_resume_give_the_weights_of_the_uninterrupted_run(tmp_path, moment):
    path, result = tmp_path / "run.ckpt", tmp_path / "result"
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(path), str(result)]
    killed = subprocess.run([*command, moment], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.exists()
    assert not result.exists()

    subprocess.run([*command, "never"], check=True)
    found = mg.load(result)
    model, history = run(6)
    assert all(np.array_equal(found["model"][name], value.numpy()) for name, value in model.state_dict().items())
    assert str(found["history"]) == str(history.to_dict())


def test_killed_at_any_moment_of_writing_there_is_a_whole_checkpoint(tmp_path):
    path = tmp_path / "run.ckpt"
    run(2, path)
    previous = tmp_path / "run.ckpt.previous"
    assert previous.exists()
    os.remove(path)  # between the two renamings
    assert same(run(4), run(4, path, seed=9))


def test_checkpoints_every_k_epochs_and_at_the_end(tmp_path):
    path, times = tmp_path / "run.ckpt", []

    def look(_):
        times.append(mg.load(path)["epoch"] if path.exists() else None)

    run(5, path, checkpoint_every=2, callbacks=[look])
    assert times == [None, None, 2, 2, 4]
    assert mg.load(path)["epoch"] == 5


def test_resume_false_starts_afresh(tmp_path):
    path = tmp_path / "run.ckpt"
    run(2, path)
    assert len(run(1, path, resume=False)[1]) == 1
    assert mg.load(path)["epoch"] == 1


@pytest.mark.parametrize("after_the_best", [0, 1, 9])
def test_a_run_of_early_stopping_has_the_best_weights_after_a_resume_too(tmp_path, after_the_best):
    path = tmp_path / "run.ckpt"
    arguments = {"early_stopping": EarlyStopping(patience=3), "validation": (X[:20], (Y[:20] + 1) % K)}
    whole = run(9, **arguments)
    assert whole[1].stopped_early
    assert whole[1].best_epoch < len(whole[1]) < 9
    run(whole[1].best_epoch + after_the_best, path, **arguments)
    assert same(whole, run(9, path, **arguments))


# --- Files that are not what they should be


def truncated(path):
    path.write_bytes(path.read_bytes()[:-100])


def test_a_truncated_checkpoint_names_the_one_before(tmp_path):
    path = tmp_path / "run.ckpt"
    previous = f"{path}.previous"
    run(3, path)
    truncated(path)
    with pytest.raises(mg.CheckpointError) as error:
        run(4, path)
    for part in ("is damaged", f"whole, after epoch 2: {previous}", f"os.replace('{previous}', '{path}')"):
        assert part in str(error.value)
    os.replace(previous, path)  # as it says
    assert same(run(4), run(4, path, seed=9))


def test_without_one_before_the_message_says_so(tmp_path):
    path = tmp_path / "run.ckpt"
    run(1, path)
    truncated(path)
    with pytest.raises(mg.CheckpointError, match=r"There is no checkpoint before it.*resume=False"):
        run(2, path)
    os.replace(path, f"{path}.previous")
    with pytest.raises(mg.CheckpointError, match=r"is damaged.*No other is left: to start afresh pass resume=False"):
        run(2, path)


def test_a_file_that_is_no_run_is_refused(tmp_path):
    mg.save(tmp_path / "model", network())
    with pytest.raises(mg.CheckpointError, match=r"something else than a training run.*load_state_dict"):
        run(2, tmp_path / "model")


OTHERS = {
    "sizes": ({"model": network(9)}, ["its 0.weight has shape (8, 4), this model's (9, 4)"]),
    "layers": (
        {"model": mg.nn.Sequential(mg.nn.Linear(D, K))}, ["its model has 5.weight (3, 8), this one has not"],
    ),
    "more": (
        {"model": mg.nn.Sequential(*network(), mg.nn.Linear(K, K))}, ["its model has no 6.weight, this one has (3, 3)"],
    ),
    "settings": (
        {"batch_size": 8, "data": (X[:50], Y[:50])},
        ["its batch size is 16, this run's 8", "its number of samples is 60, this run's 50"],
    ),
    "generators": ({"rng": np.random.Generator(np.random.MT19937(0))}, ["MT19937"]),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_a_checkpoint_of_another_run_is_refused_with_the_differences(tmp_path, name):
    path = tmp_path / "run.ckpt"
    run(1, path)
    content = path.read_bytes()
    changed, messages = OTHERS[name]
    with pytest.raises(mg.CheckpointError, match="checkpoint of another run") as error:
        run(2, path, **changed)
    for message in messages:
        assert message in str(error.value)
    assert path.read_bytes() == content


def test_a_mersenne_twister_is_resumed_too(tmp_path):
    path = tmp_path / "run.ckpt"

    def twister():
        return np.random.Generator(np.random.MT19937(0))

    run(2, path, rng=twister())
    assert same(run(4, rng=twister()), run(4, path, rng=twister()))


def test_history_survives_the_file(tmp_path):
    history = run(2)[1]
    mg.save(tmp_path / "history", history.to_dict())
    assert str(History.from_dict(mg.load(tmp_path / "history")).to_dict()) == str(history.to_dict())
