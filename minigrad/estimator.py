"""Networks with weighted losses as a scikit-learn classifier. The one module here that needs scikit-learn."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.model_selection import train_test_split
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        f"mg.estimator needs scikit-learn 1.6 or newer ({error}): from the checkout, pip install -e '.[lessons]'"
    ) from error

from . import decisions, losses, optim, training, weighting
from .models import MLP
from .nn import Module
from .nn.functional import softmax
from .training.predict import predict
from .training.samples import whole
from .weighting import check_cost_matrix, check_finite_weights, to_numpy

__all__ = ["NeuralClassifier", "expected_failed_checks"]

# What our losses take: logits (N, K) with labels, or of two classes the one logit z_1 - z_0, with 0 and 1.
MULTICLASS = (
    "cdt", "cost_penalty", "cost_weighted_cross_entropy", "cross_entropy", "expected_cost", "focal",
    "generalized_cross_entropy", "influence_balanced", "ldam", "log_cost", "logit_adjusted", "multiclass_hinge",
    "softmax_margin", "vector_scaling", "weston_watkins",
)  # fmt: skip
TWO_CLASSES = (
    "asymmetric", "binary_cross_entropy", "binary_focal", "example_cost", "ghm", "hinge", "soft_f1", "tversky",
)  # fmt: skip
OTHERS = {
    "distribution_balanced": "samples that have several labels",
    "huber": "numbers",
    "mse": "numbers",
}
OPTIMIZERS = {"adam": optim.Adam, "adamw": optim.AdamW, "rmsprop": optim.RMSprop, "sgd": optim.SGD}
GIVEN_BY_FIT = ("sample_weight", "class_weight", "reduction")

FULL_BATCH = 1000  # batch_size="auto": up to so many samples all of them at once, beyond that mini-batches of
MINI_BATCH = 128
# The precision of X is kept, as scikit-learn's own classifiers do: what is equal in theory (weight 2 and two samples)
# agrees to 1e-7 only in float64. All else becomes float32.
FLOATS = (np.float32, np.float64)


class NeuralClassifier(ClassifierMixin, BaseEstimator):
    """A network under any loss of ours, with weights and costs, as a scikit-learn classifier.

    Parameters
    ----------
    hidden : sequence of int, default (64,)
        Sizes of the hidden layers of ``mg.models.MLP``; () is a linear model.
    module : function (n_features, n_classes, rng) -> Module, optional
        Makes the network, instead of `hidden`; its outputs are logits (N, n_classes). X may then have more than two
        axes, n_features is X.shape[1].
    loss : str or callable, default "cross_entropy"
        A loss of ``mg.losses`` by name, or a function as ``mg.training.fit`` takes it. Losses of one logit ("hinge",
        "binary_cross_entropy", ...) get z_1 - z_0 and are for two classes.
    loss_options : dict, optional
        Its settings, e.g. ``{"gamma": 1.0}``; searches set single ones as ``loss_options__gamma``. ``counts`` of the
        classes, where a loss wants them, are those of the training data (sums of `sample_weight`) unless given.
    class_weight : dict {label: weight} or "balanced", optional
        Multiplies `sample_weight`. Labels that do not occur, in a fold for instance, do no harm.
    cost_matrix : (K, K), optional
        C[truth, prediction], in the order of ``classes_``.
    use_costs : {"training", "decision", "both"}, default "training"
        Where the costs are spent. "training": handed to the loss if it takes a `cost_matrix`, otherwise samples are
        weighted with sum_j (C[y, j] - C[y, y]). "decision": ``predict`` takes the class of least expected cost. Weights
        in training, `class_weight` included, and costs in the decision count twice; "both" is for who means it.
    reduction : {"mean", "weighted_mean", "sum"} or a number D > 0, default "mean"
        See ``mg.losses.reduce``. For "mean" the weights are first divided by their mean over the training set, so that
        a weight of k is k samples, and mini-batches stay unbiased; "weighted_mean" divides each by its own sum.
    optimizer : {"adam", "adamw", "sgd", "rmsprop"} or function of parameters -> Optimizer, default "adam"
        A function, e.g. ``partial(mg.optim.SGD, lr=0.1, momentum=0.9)``, has its own `lr` and `weight_decay`.
    lr : float, default 0.01
    weight_decay : float, default 0
        Does not scale with weights.
    batch_size : int or "auto", default "auto"
        "auto": all samples at once up to 1000, beyond that 128.
    epochs : int, default 100
    early_stopping : int or EarlyStopping, optional
        As for ``mg.training.fit``, on a stratified share of the training data, weighted as in training.
    validation_fraction : float, default 0.1
        That share.
    device : {"cpu", "cuda"}, optional
    warm_start : bool, default False
        ``fit`` goes on with the network and the optimiser of the fit before.
    random_state : int, RandomState or None, default None
    verbose : bool, default False
        Show progress.

    Attributes
    ----------
    classes_ : (K,)
        Labels of any type, sorted.
    n_features_in_ : int
    model_ : Module
    optimizer_ : Optimizer
    history_ : History
        Of the last ``fit``.
    n_iter_ : int
        Its epochs.

    Raises
    ------
    TypeError, ValueError
        From ``fit``: for settings, labels or weights that do not fit; a class that is missing from a fold and has a row
        in `cost_matrix`.

    Notes
    -----
    The precision is that of X, float32 or float64; integers become float32. Networks need features of like
    scale: standardise X, in a Pipeline.

    Examples
    --------
    >>> X, y = mg.data.load_breast_cancer()
    >>> X = (X - X.mean(axis=0)) / X.std(axis=0)
    >>> C = [[0, 10], [1, 0]]  # 0 is malignant: to miss it costs 10
    >>> model = mg.estimator.NeuralClassifier(
    ...     loss="cost_penalty", loss_options={"lam": 0.5}, cost_matrix=C, epochs=50, random_state=0)
    >>> model.fit(X, y).predict(X[:3])
    array([0, 0, 0])
    """

    classes_: np.ndarray
    model_: Module
    optimizer_: optim.Optimizer
    history_: training.History
    n_iter_: int

    def __init__(
        self,
        hidden: Iterable[int] = (64,),
        *,
        module: Callable[..., Module] | None = None,
        loss: str | Callable[..., Any] = "cross_entropy",
        loss_options: Mapping[str, Any] | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
        cost_matrix: Any = None,
        use_costs: str = "training",
        reduction: str | float = "mean",
        optimizer: str | Callable[..., optim.Optimizer] = "adam",
        lr: float = 0.01,
        weight_decay: float = 0.0,
        batch_size: int | str = "auto",
        epochs: int = 100,
        early_stopping: int | training.EarlyStopping | None = None,
        validation_fraction: float = 0.1,
        device: str | None = None,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.hidden = hidden
        self.module = module
        self.loss = loss
        self.loss_options = loss_options
        self.class_weight = class_weight
        self.cost_matrix = cost_matrix
        self.use_costs = use_costs
        self.reduction = reduction
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.epochs = epochs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.device = device
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def set_params(self, **params: Any) -> NeuralClassifier:
        """Set parameters; ``loss_options__gamma`` is one setting of the loss, so that a search can go through numbers.

        Examples
        --------
        >>> model = mg.estimator.NeuralClassifier(loss="focal", loss_options={"gamma": 2.0})
        >>> model.set_params(loss_options__gamma=0.5).loss_options
        {'gamma': 0.5}
        """
        prefix = "loss_options__"
        options = {name.removeprefix(prefix): params.pop(name) for name in list(params) if name.startswith(prefix)}
        super().set_params(**params)
        if options:
            self.loss_options = {**(self.loss_options or {}), **options}
        return self

    # --- Training

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NeuralClassifier:
        """Train on X (N, n_features), labels y (N,) of any type, and weights (N,); returns the estimator."""
        again = self.warm_start and hasattr(self, "model_")
        X, y = self._checked(X, y, reset=not again)
        classes, labels = np.unique(y, return_inverse=True)
        if again and not np.array_equal(classes, self.classes_):
            raise ValueError(f"warm_start: y has classes {_listed(classes)}, trained were {_listed(self.classes_)}")
        if len(classes) == 1:
            raise ValueError(f"y has only one class, {classes[0]!r}: there is nothing to tell apart")
        self.classes_ = classes
        w = _sample_weights(sample_weight, len(y))
        loss = self._loss(np.bincount(labels, w, len(classes)))
        data: Any = (X, labels, self._weights(labels, w))
        validation = None
        if not again:
            self._build(X)
        if self.early_stopping is not None:
            kept, held_out = train_test_split(
                np.arange(len(y)),
                test_size=max(math.ceil(self.validation_fraction * len(y)), len(classes)),  # at least one of each class
                stratify=labels,
                random_state=int(self._rng.integers(2**31)),
            )
            data, validation = (tuple(array[rows] for array in data) for rows in (kept, held_out))
        self.history_ = training.fit(
            self.model_,
            loss,
            data,
            epochs=self.epochs,
            batch_size=self._batch_size(len(data[1])),
            optimizer=self.optimizer_,
            reduction=self.reduction,
            validation=validation,
            early_stopping=self.early_stopping,
            rng=self._rng,
            progress=self.verbose,
        )
        self.n_iter_ = len(self.history_)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> NeuralClassifier:
        """One pass over new samples; the first call needs all `classes` that will ever come. Returns the estimator.

        Weights are taken as they are, since their mean over all that will come is not known.
        """
        first = not hasattr(self, "model_")
        X, y = self._checked(X, y, reset=first)
        if first and classes is None:
            raise ValueError("the first call of partial_fit needs classes=, all labels that will ever come")
        if classes is not None and not first and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(f"classes are {_listed(classes)}, in the first call they were {_listed(self.classes_)}")
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"class_weight={self.class_weight!r} needs all labels at once: for partial_fit give {{label: weight}}"
            )
        known = np.unique(classes) if first else self.classes_
        unknown = np.setdiff1d(y, known)
        if len(unknown):
            raise ValueError(f"y has labels {_listed(unknown)}, which are not among the classes {_listed(known)}")
        self.classes_ = known
        labels = np.searchsorted(known, y)
        loss = self._loss(None)
        w = self._weights(labels, _sample_weights(sample_weight, len(y)), scaled=False)
        if first:
            self._build(X)
        training.partial_fit(
            self.model_,
            loss,
            X,
            labels,
            self.optimizer_,
            sample_weight=w,
            batch_size=self._batch_size(len(y)),
            reduction=self.reduction,
            rng=self._rng,
        )
        return self

    def _checked(self, X: Any, y: Any, reset: bool) -> tuple[Any, Any]:
        X, y = validate_data(self, X, y, dtype=FLOATS, allow_nd=self.module is not None, reset=reset)
        check_classification_targets(y)
        return X, y

    def _build(self, X: np.ndarray) -> None:
        """A network and its optimiser, made anew."""
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        self._rng = np.random.default_rng(seed)
        n, k = self.n_features_in_, len(self.classes_)
        if self.module is None:
            model: Any = MLP((n, *self.hidden, k), rng=self._rng)
        elif callable(self.module) and not isinstance(self.module, Module):
            model = self.module(n, k, self._rng)
        else:
            raise TypeError(
                "module is a function that makes the network anew for each fit: "
                "lambda n_features, n_classes, rng: mg.models.MLP((n_features, 32, n_classes), rng=rng)"
            )
        model = model.astype(X.dtype)
        if self.device is not None:
            model.to(self.device)
        made = predict(model, X[:1]).shape
        if made != (1, k):
            raise ValueError(
                f"of 1 sample the network of module= made {made}; expected (1, {k}), a logit for each class"
            )
        if callable(self.optimizer):
            self.optimizer_ = self.optimizer(model.parameters())
        else:
            kind = OPTIMIZERS[_known(self.optimizer, OPTIMIZERS, "optimizer")]
            self.optimizer_ = kind(model.parameters(), lr=self.lr, weight_decay=self.weight_decay)
        self.model_ = model

    def _batch_size(self, n: int) -> int:
        if self.batch_size == "auto":
            return n if n <= FULL_BATCH else MINI_BATCH
        return min(whole(self.batch_size, "batch_size"), n)

    # --- Weights and costs

    def _weights(self, labels: np.ndarray, w: np.ndarray, scaled: bool = True) -> np.ndarray:
        """sample weight * class weight * costs, if the loss does not take these; divided by their mean for "mean"."""
        if self.class_weight is not None:
            w = w * self._class_weights(np.bincount(labels, w, len(self.classes_)))[labels]
        C = self._costs("training")
        if C is not None and "cost_matrix" not in inspect.signature(self._function()).parameters:
            w = w * weighting.from_costs(C - np.diag(C)[:, None])[labels]
        if not w.any():
            raise ValueError("the weight of every sample is zero: there is nothing to learn from")
        return w / w.mean() if scaled and self.reduction == "mean" else w

    def _class_weights(self, counts: np.ndarray) -> np.ndarray:
        given = self.class_weight
        if given == "balanced":
            return np.divide(counts.sum(), len(counts) * counts, out=np.zeros(len(counts)), where=counts > 0)
        if not isinstance(given, Mapping):
            raise ValueError(f"class_weight must be a dict {{label: weight}}, 'balanced' or None, got {given!r}")
        missing = [label for label in self.classes_.tolist() if label not in given]
        if missing:
            raise ValueError(f"class_weight has no entry for class {_listed(missing)}: give every class a weight")
        return check_finite_weights([given[label] for label in self.classes_.tolist()], "class_weight")

    def _costs(self, where: str) -> Any:
        """The cost matrix, if it is spent there; otherwise None."""
        if self.use_costs not in ("training", "decision", "both"):
            raise ValueError(f"use_costs={self.use_costs!r}; expected 'training', 'decision' or 'both'")
        if self.cost_matrix is None:
            return None
        k, given = len(self.classes_), np.shape(self.cost_matrix)
        if given != (k, k):
            raise ValueError(
                f"cost_matrix has shape {given}, but y has {k} classes, {_listed(self.classes_)}: expected ({k}, {k}), "
                "C[truth, prediction]. If a class is missing from a fold, use StratifiedKFold"
            )
        return to_numpy(check_cost_matrix(self.cost_matrix, k), "C") if self.use_costs in (where, "both") else None

    # --- The loss

    def _function(self) -> Callable[..., Any]:
        if callable(self.loss):
            return self.loss
        if self.loss in OTHERS:
            raise ValueError(f"loss {self.loss!r} is for {OTHERS[self.loss]}, not for classes: take 'cross_entropy'")
        return getattr(losses, _known(self.loss, (*MULTICLASS, *TWO_CLASSES), "loss"))

    def _loss(self, counts: np.ndarray | None) -> Callable[..., Any]:
        """The loss with its settings, of logits (N, K) and labels; without `counts` it must have been given them."""
        function, options = self._function(), dict(self.loss_options or {})
        accepted = inspect.signature(function).parameters
        if not any(p.kind is p.VAR_KEYWORD for p in accepted.values()):
            for name in options:
                _known(name, [a for a in list(accepted)[2:] if a not in GIVEN_BY_FIT], f"loss_options of {self.loss}:")
        if counts is not None and "counts" in accepted and "prior" not in options:
            options.setdefault("counts", counts)
        C = self._costs("training")
        if C is not None and "cost_matrix" in accepted:
            if "cost_matrix" in options:
                raise ValueError("the costs are given twice, as cost_matrix= and in loss_options: give them once")
            options["cost_matrix"] = C
        missing = [
            name
            for name, p in list(accepted.items())[2:]
            if p.default is p.empty and p.kind is p.KEYWORD_ONLY and name not in (*options, *GIVEN_BY_FIT)
        ]
        if missing:
            raise ValueError(
                f"loss {self.loss!r} needs {', '.join(missing)}: give them in loss_options"
                + (", or the costs as cost_matrix= with use_costs='training'" if "cost_matrix" in missing else "")
            )
        if self.loss not in TWO_CLASSES:
            return partial(function, **options)
        if len(self.classes_) > 2:
            raise ValueError(
                f"loss {self.loss!r} is for two classes, but y has {len(self.classes_)}: take another, or "
                "sklearn.multiclass.OneVsRestClassifier around this classifier"
            )
        return partial(_of_difference, function, options)

    # --- Prediction

    def decision_function(self, X: Any) -> np.ndarray:
        """Logits (N, K), or of two classes z_1 - z_0, (N,). Costs play no part."""
        z = self._predicted(X)
        return z[:, 1] - z[:, 0] if z.shape[1] == 2 else z

    def predict_proba(self, X: Any) -> np.ndarray:
        """softmax(logits), (N, K): probabilities if the loss is one for them and nothing was weighted.

        Otherwise scores: see ``mg.decisions.correct_prior``, or scikit-learn's CalibratedClassifierCV.
        """
        return softmax(self._predicted(X))

    def predict(self, X: Any) -> np.ndarray:
        """Labels (N,): the likeliest, or with costs in the decision those of least expected cost."""
        z = self._predicted(X)
        C = self._costs("decision")
        return self.classes_[z.argmax(axis=1) if C is None else decisions.bayes(softmax(z), C)]

    def _predicted(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, allow_nd=self.module is not None, reset=False)
        return predict(self.model_, X)


def expected_failed_checks(estimator: NeuralClassifier) -> dict[str, str]:
    """Which checks of ``sklearn.utils.estimator_checks`` cannot hold for these settings, and why; {} by default.

    Examples
    --------
    >>> mg.estimator.expected_failed_checks(mg.estimator.NeuralClassifier())
    {}
    >>> list(mg.estimator.expected_failed_checks(mg.estimator.NeuralClassifier(batch_size=8)))
    ['check_sample_weight_equivalence_on_dense_data']
    """
    if estimator.batch_size == "auto" and estimator.early_stopping is None:
        return {}
    reason = (
        "a sample of weight 2 is in one mini-batch (or on one side of the split for early stopping), the same sample "
        "twice is in two: equal in expectation only. With batch_size='auto' it holds up to 1000 samples"
    )
    return {"check_sample_weight_equivalence_on_dense_data": reason}


def _of_difference(
    function: Callable[..., Any], options: Mapping[str, Any], prediction: Any, target: Any, **weights: Any
) -> Any:
    """A loss of one logit, on the difference of two: softmax of the two is the sigmoid of it."""
    return function(prediction[:, 1] - prediction[:, 0], target, **options, **weights)


def _sample_weights(sample_weight: Any, n: int) -> np.ndarray:
    if sample_weight is None:
        return np.ones(n)
    w = check_finite_weights(np.asarray(sample_weight), "sample_weight")
    if len(w) != n:
        raise ValueError(f"sample_weight has shape {w.shape}, expected ({n},): one weight per sample")
    return w


def _known(name: Any, names: Iterable[str], what: str) -> str:
    """`name`, if there is such a thing; otherwise an error with those that look alike."""
    names = sorted(names)
    if name in names:
        return name
    near = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {', '.join(names) or 'none'}"
    raise ValueError(f"unknown {what} {name!r}: {hint}")


def _listed(labels: Any) -> str:
    return ", ".join(map(repr, np.asarray(labels).tolist()))
