"""Wrong answers to exercise 16. The format: tests/classroom/test_exercises.py."""

EACH = "return dz[:, :, None] * X[:, None, :], dz"
HELP = "u = np.maximum(G @ h, 0)"
SHARE = "return u / (u.sum() or 1)"
GRAPH = "mg.grad(training, theta, create_graph=True)"
DETACHED = ".detach(), 0)"

WRONG = [
    (1, "Your dl_i/dW has shape (3, 4)", (EACH, "return dz.T @ X, dz.sum(axis=0)")),
    (1, "Your dl_i/dW has shape (5, 4, 3)", (EACH, "return X[:, :, None] * dz[:, None, :], dz")),
    (1, "Your dl_i/db has shape (3,)", (EACH, "return dz[:, :, None] * X[:, None, :], dz.sum(axis=0)")),
    (1, "factor", (EACH, "return dz[:, :, None] * X[:, None, :] / len(X), dz / len(X)")),
    (1, "sign", (EACH, "return -dz[:, :, None] * X[:, None, :], -dz")),
    (1, "factor", (EACH, "return 2 * dz[:, :, None] * X[:, None, :], dz")),
    (1, "zero", (EACH, "return dz[:, :, None] * X[:, None, :], 0 * dz")),
    (1, "unknown", (EACH, "return np.ones((len(X), 1, 1)) * (dz.T @ X), dz")),
    (1, "unknown", (EACH, "return dz[:, :, None] * X.mean(axis=0), dz")),
    (1, "type", (EACH, "return dz[:, :, None] * X[:, None, :]")),
    (2, "negative_weight", (HELP, "u = G @ h")),
    (2, "The array w is wrong in", (HELP, "u = np.abs(G @ h)")),
    (2, "The array w is wrong in", (HELP, "u = np.maximum(-G @ h, 0)")),
    (2, "factor", (SHARE, "return u / len(u)")),
    (2, "factor", (SHARE, "return u")),
    (2, "The array w is wrong in", (HELP, "u = np.maximum(G @ h / np.linalg.norm(G, axis=1), 0)")),
    (2, "The array w is wrong in", (SHARE, "return np.exp(u) / np.exp(u).sum()")),
    (2, "nonfinite", (SHARE, "return u / u.sum()")),
    (2, "where no sample helps", (SHARE, "return u / u.sum() if u.any() else np.ones(len(u)) / len(u)")),
    (2, "shape", (SHARE, "return u[:, None] / (u.sum() or 1)")),
    (3, "create_graph", (GRAPH, "mg.grad(training, theta, create_graph=False)")),
    (3, "create_graph", (GRAPH, "mg.grad(training, theta, create_graph=True).detach()")),
    (3, "create_graph", ("-mg.grad(after, eps, create_graph=True)", "mg.grad(after, eps) * 0")),
    (3, "not_detached", (DETACHED, ", 0) * 1")),
    (3, "The vector theta after the step", ("return -mg.grad(after", "return mg.grad(after")),
    (3, "The vector theta after the step", ("return values - mg.grad", "return values + mg.grad")),
    (3, "The vector theta after the step", ("w = helps / (np.sum(helps) + 1e-12)", "w = helps / len(t)")),
    (3, "The vector theta after the step", ("w = helps / (np.sum(helps) + 1e-12)", "w = helps")),
    (3, "create_graph", ("theta, create_graph=True)\n", "theta, create_graph=True).numpy()\n")),
]
