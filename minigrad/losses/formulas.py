"""The closed-form gradient of every loss, in plain NumPy: what the losses are held against.

``formulas.focal(z, y, gamma=2.0)`` is dl_i/dz_i of ``losses.focal``, in the shape of z. Each is written from the
formula of its paper and shares no code with the loss; the loss's own arguments have the same names and defaults. They
are for checking: short, not fast, and for logits of moderate size.
"""

from __future__ import annotations

import numpy as np


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def one_hot(z, y):
    """e_y, in the shape of z."""
    return np.eye(z.shape[1])[y]


def of_label(x, y):
    """x[i, y_i], shape (N, 1)."""
    return np.take_along_axis(x, y[:, None], axis=1)


# --- Basic


def cross_entropy(z, t, label_smoothing=0.0):
    """p - t, t smoothed."""
    t = one_hot(z, t) if t.ndim == 1 else t
    return softmax(z) - (1 - label_smoothing) * t - label_smoothing / z.shape[1]


def binary_cross_entropy(z, t, pos_weight=1.0):
    """(1 - t) p - b t (1 - p)."""
    p = sigmoid(z)
    return (1 - t) * p - pos_weight * t * (1 - p)


def mse(z, t):
    """2 (z - t), by the number of outputs."""
    return 2 * (z - t) / z[0].size


def huber(z, t, delta=1.0):
    """clip(z - t, -delta, delta), by the number of outputs."""
    return np.clip(z - t, -delta, delta) / z[0].size


def hinge(z, s, margin=1.0):
    """-s where s z < m_s."""
    low, high = np.broadcast_to(margin, 2)
    return np.where(s * z < np.where(s > 0, high, low), -s, 0)


def multiclass_hinge(z, y, cost_matrix=None):
    """e_j* - e_y, j* = argmax_j (z_j + C[y, j])."""
    costs = 1 - np.eye(z.shape[1]) if cost_matrix is None else cost_matrix
    return one_hot(z, np.argmax(z + costs[y], axis=1)) - one_hot(z, y)


def weston_watkins(z, y, cost_matrix=None):
    """C[y, j] for every j != y with 1 + z_j > z_y, and minus their sum at y."""
    costs = 1 - np.eye(z.shape[1]) if cost_matrix is None else cost_matrix
    g = costs[y] * (1 - one_hot(z, y)) * (1 + z > of_label(z, y))
    return g - one_hot(z, y) * g.sum(axis=1, keepdims=True)


def generalized_cross_entropy(z, y, q=0.7):
    """p_y^q (p - e_y)."""
    return of_label(softmax(z), y) ** q * cross_entropy(z, y)


def tversky(z, t, alpha=0.5, beta=0.5, smooth=0.0):
    """p (1 - p) ((alpha (1 - t) - beta t) (TP + smooth) - E t) / D^2, E = alpha FP + beta FN, D = TP + E + smooth."""
    p = sigmoid(z)
    hit, error = np.sum(p * t), alpha * np.sum(p * (1 - t)) + beta * np.sum((1 - p) * t)
    slope = (alpha * (1 - t) - beta * t) * (hit + smooth) - error * t
    return p * (1 - p) * slope / (hit + error + smooth) ** 2


def soft_f1(z, t, smooth=0.0):
    return tversky(z, t, 0.5, 0.5, smooth)


# --- Costs


def expected_cost(z, y, cost_matrix):
    """p * (C_y - c), c = sum_j p_j C[y, j]."""
    p, costs = softmax(z), cost_matrix[y]
    return p * (costs - np.sum(p * costs, axis=1, keepdims=True))


def cost_penalty(z, y, cost_matrix, lam):
    """(p - e_y) + lam p * (C_y - c)."""
    return cross_entropy(z, y) + lam * expected_cost(z, y, cost_matrix)


def cost_weighted_cross_entropy(z, y, cost_matrix):
    """w_y (p - e_y), w_y = sum_j C[y, j]."""
    return cost_matrix.sum(axis=1)[y][:, None] * cross_entropy(z, y)


def log_cost(z, y, cost_matrix):
    """sum_j C[y, j] p_j (e_j - q_j), q_j the softmax over the classes other than j."""
    pull = cost_matrix[y] * softmax(z)
    g = pull.copy()
    for j in range(z.shape[1]):
        others = np.arange(z.shape[1]) != j
        if others.any():
            g[:, others] -= pull[:, [j]] * softmax(z[:, others])
    return g if z.shape[1] > 1 else np.zeros_like(z)


def softmax_margin(z, y, cost_matrix):
    """softmax(z + C_y) - e_y."""
    return cross_entropy(z + cost_matrix[y], y)


def example_cost(z, t, cost_fp, cost_fn, cost_tp=0.0, cost_tn=0.0):
    """p (1 - p) (tp - fn) for t = 1, p (1 - p) (fp - tn) for t = 0."""
    p = sigmoid(z)
    return p * (1 - p) * np.where(t == 1, np.subtract(cost_tp, cost_fn), np.subtract(cost_fp, cost_tn))


# --- Imbalance


def focal_factor(p, gamma):
    """f = (1-p)^gamma - gamma p (1-p)^(gamma-1) log p, finite at p = 1 where gamma < 1."""
    r = 1 - p
    slope = np.where(r > 0, np.log(p) / np.where(r > 0, r, 1), -1)
    return r**gamma * (1 - gamma * p * slope)


def modulator(z, y, gamma=2.0):
    """(1 - p_y)^gamma, shape (N, 1)."""
    return (1 - of_label(softmax(z), y)) ** gamma


def focal(z, y, gamma=2.0, detach_modulator=False):
    """f (p - e_y); with the modulator detached, (1 - p_y)^gamma (p - e_y)."""
    f = modulator(z, y, gamma) if detach_modulator else focal_factor(of_label(softmax(z), y), gamma)
    return f * cross_entropy(z, y)


def binary_focal(z, t, alpha=0.25, gamma=2.0):
    """-a_t s (1 - p_t) f; t in between takes both."""
    p, (positive, negative) = sigmoid(z), (1, 1) if alpha is None else (alpha, 1 - alpha)
    return negative * (1 - t) * p * focal_factor(1 - p, gamma) - positive * t * (1 - p) * focal_factor(p, gamma)


def ldam(z, y, counts, max_margin=0.5, scale=30.0):
    """s (q - e_y), q = softmax(s (z - Delta_y e_y)), Delta_c = max_margin (n_min / n_c)^(1/4)."""
    margins = max_margin * (counts.min() / counts) ** 0.25
    return scale * cross_entropy(scale * (z - margins * one_hot(z, y)), y)


def vector_scaling(z, y, counts, gamma=0.3, tau=1.0):
    """(q - e_y) / a, q = softmax(z / a + tau log pi), a_c = (n_max / n_c)^gamma."""
    a = (counts.max() / counts) ** gamma
    return cross_entropy(z / a + tau * np.log(counts / counts.sum()), y) / a


def logit_adjusted(z, y, counts, tau=1.0):
    return vector_scaling(z, y, counts, 0.0, tau)


def cdt(z, y, counts, gamma=0.3):
    return vector_scaling(z, y, counts, gamma, 0.0)


def influence(z, y, eps=1e-3):
    """1 / (|p - e_y|_1 + eps), shape (N, 1)."""
    return 1 / (np.abs(cross_entropy(z, y)).sum(axis=1, keepdims=True) + eps)


def influence_balanced(z, y, eps=1e-3):
    """(p - e_y) / (|p - e_y|_1 + eps)."""
    return influence(z, y, eps) * cross_entropy(z, y)


def ghm(z, t, bins=30, density=None):
    """(p - t) / density(|p - t|), the density of this batch unless given."""
    g = binary_cross_entropy(z, t)
    position = np.minimum((bins * np.abs(g)).astype(int), bins - 1)
    if density is None:
        density = bins * np.bincount(position.ravel(), minlength=bins) / g.size
    return g / density[position]


def asymmetric(z, t, gamma_pos=1.0, gamma_neg=4.0, margin=0.05):
    """Positives as focal loss; negatives p (1-p) (p_m^g- / (1-p_m) - g- p_m^(g- - 1) log(1-p_m)), p_m = max(p-m, 0)."""
    p = sigmoid(z)
    p_m = np.where(p > margin, p - margin, 1)
    hard = p * (1 - p) * (p_m**gamma_neg / (1 - p + margin) - gamma_neg * p_m ** (gamma_neg - 1) * np.log1p(margin - p))
    return (1 - t) * np.where(p > margin, hard, 0) - t * (1 - p) * focal_factor(p, gamma_pos)


def distribution_balanced(z, t, counts, total, alpha=0.1, beta=10.0, mu=0.2, lam=2.0, kappa=0.05):
    """r' ((1-t) sigmoid(lam (z-v)) - t sigmoid(-(z-v))), v = kappa logit(n / total).

    r' = alpha + sigmoid(beta (r - mu)), r = (1 / n_c) / sum_j t_j / n_j; without labels r' = alpha + 1.
    """
    drawn = (t @ (1 / counts))[:, None]
    smoothed = sigmoid(beta * (1 / counts / np.where(drawn > 0, drawn, 1) - mu))
    weight = alpha + np.where(drawn > 0, smoothed, 1)
    z = z - kappa * np.log(counts / (total - counts))
    return weight * ((1 - t) * sigmoid(lam * z) - t * sigmoid(-z))
