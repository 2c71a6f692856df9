"""The methods for imbalanced classes, each as what it changes in one and the same training.

Settings are those of the papers; none was tuned, least of all on the test set. Every method takes the same number of
steps: a sampler draws as many rows for an epoch as there are samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from minigrad import data, decisions, losses, training, weighting

DEFERRED_AFTER = 0.8  # of the epochs, when the learning rate falls, as in Cao et al. 2019
BETA = 0.9999  # Cui et al. 2019
MARGIN, SCALE = 0.5, 30.0  # Cao et al. 2019
GAMMA_FOCAL, GAMMA_CDT, TAU = 2.0, 0.3, 1.0  # Lin et al. 2017, Ye et al. 2020, Menon et al. 2021

Weights = Callable[[np.ndarray, int], Any]  # of the class counts and the number of epochs, for fit(class_weight=)


def no_weights(_counts: np.ndarray, _epochs: int) -> None:
    return None


def inverse(counts: np.ndarray, _epochs: int) -> np.ndarray:
    return counts.sum() / (len(counts) * counts)


def effective(counts: np.ndarray, _epochs: int) -> np.ndarray:
    w = weighting.effective_number(counts, BETA)
    return w * len(w) / w.sum()


def square_root(counts: np.ndarray, _epochs: int) -> np.ndarray:
    w = 1 / np.sqrt(counts)
    return w * len(w) / w.sum()


def deferred(counts: np.ndarray, epochs: int) -> Any:
    return training.deferred(effective(counts, epochs), after=round(DEFERRED_AFTER * epochs))


def oversampled(y: np.ndarray, _seed: int) -> Any:
    return lambda rng: data.oversample(y, rng)[: len(y)]


def undersampled(y: np.ndarray, seed: int) -> Any:
    """Drawn once, as Buda et al. do, and then shuffled again and again: drawn anew, it would be oversampling."""
    kept = data.undersample(y, seed)
    return lambda rng: np.concatenate([rng.permutation(kept) for _ in range(-(-len(y) // len(kept)))])[: len(y)]


def as_they_are(z: np.ndarray, _counts: np.ndarray) -> np.ndarray:
    return z


def adjusted(z: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return decisions.logit_adjust(z, counts / counts.sum(), tau=TAU)


@dataclass(frozen=True)
class Method:
    """What differs from plain training. `cosine`: the last layer's inputs and rows have length 1. `decide` makes
    scores of logits; `trained_as` names the method whose network is taken where only that differs."""

    title: str
    loss: Callable[..., Any] = losses.cross_entropy
    takes_counts: bool = False
    class_weight: Weights = no_weights
    reduction: str = "mean"
    sampler: Callable[[np.ndarray, int], Any] | None = None
    cosine: bool = False
    decide: Callable[[np.ndarray, np.ndarray], np.ndarray] = as_they_are
    trained_as: str = ""
    settings: dict[str, float] = field(default_factory=dict)


_ldam = partial(losses.ldam, max_margin=MARGIN, scale=SCALE)
_drw = {"beta": BETA, "after": DEFERRED_AFTER}

METHODS = {
    "none": Method("plain cross-entropy"),
    "post-hoc": Method(
        "logit adjustment post hoc = thresholding by prior", decide=adjusted, trained_as="none", settings={"tau": TAU}
    ),
    "over": Method("oversampling", sampler=oversampled),
    "under": Method("undersampling", sampler=undersampled),
    "inverse": Method("1/n_c weights, mean", class_weight=inverse),
    "inverse-wm": Method("1/n_c weights, weighted mean", class_weight=inverse, reduction="weighted_mean"),
    "effective": Method("effective number, mean", class_weight=effective, settings={"beta": BETA}),
    "effective-wm": Method(
        "effective number, weighted mean", class_weight=effective, reduction="weighted_mean", settings={"beta": BETA}
    ),
    "sqrt": Method("1/sqrt(n_c) weights, mean", class_weight=square_root),
    "focal": Method("focal", loss=partial(losses.focal, gamma=GAMMA_FOCAL), settings={"gamma": GAMMA_FOCAL}),
    "drw": Method("deferred re-weighting", class_weight=deferred, settings=_drw),
    "ldam": Method("LDAM", loss=_ldam, takes_counts=True, cosine=True, settings={"margin": MARGIN, "scale": SCALE}),
    "ldam-drw": Method(
        "LDAM, deferred re-weighting",
        loss=_ldam,
        takes_counts=True,
        cosine=True,
        class_weight=deferred,
        settings={"margin": MARGIN, "scale": SCALE, **_drw},
    ),
    # Divided by the weights of the batch, as in the code of Cao et al. (PyTorch's weight=).
    "drw-wm": Method(
        "deferred re-weighting, weighted mean", class_weight=deferred, reduction="weighted_mean", settings=_drw
    ),
    "ldam-drw-wm": Method(
        "LDAM, deferred re-weighting, weighted mean",
        loss=_ldam,
        takes_counts=True,
        cosine=True,
        class_weight=deferred,
        reduction="weighted_mean",
        settings={"margin": MARGIN, "scale": SCALE, **_drw},
    ),
    "cdt": Method(
        "CDT", loss=partial(losses.cdt, gamma=GAMMA_CDT), takes_counts=True, settings={"gamma": GAMMA_CDT}
    ),
    "la": Method(
        "logit adjustment, loss", loss=partial(losses.logit_adjusted, tau=TAU), takes_counts=True, settings={"tau": TAU}
    ),
    "vs": Method(
        "vector scaling",
        loss=partial(losses.vector_scaling, gamma=GAMMA_CDT, tau=TAU),
        takes_counts=True,
        settings={"gamma": GAMMA_CDT, "tau": TAU},
    ),
}  # fmt: skip
