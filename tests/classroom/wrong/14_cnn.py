"""Wrong answers to exercise 14. The format: tests/classroom/test_exercises.py."""

DX = 'dx[met] += np.einsum("nkhv,kc->nchv", g, w[:, :, i, j])'
DW = 'dw[:, :, i, j] = np.einsum("nkhv,nchv->kc", g, x[met])'
CONV = "return dx, dw, g.sum(axis=(0, 2, 3))"
POOL = "dx[n, c, 2 * h + i, 2 * v + j] += g[n, c, h, v]"
EVERY = """part = np.s_[n, c, 2 * h : 2 * h + 3, 2 * v : 2 * v + 3]
        dx[part] += g[n, c, h, v] * (x[part] == x[part].max())"""
NORM = "dx = (u - u.mean(axis=0) - xhat * (u * xhat).mean(axis=0)) / x.std(axis=0)"
OUT = "return dx, np.sum(g * xhat, axis=0), g.sum(axis=0)"

WRONG = [
    (1, "kernel_not_flipped", (DX, 'dx[met] += np.einsum("nkhv,kc->nchv", g, w[:, :, -1 - i, -1 - j])')),
    (1, "kernel_not_flipped", (DW, 'dw[:, :, -1 - i, -1 - j] = np.einsum("nkhv,nchv->kc", g, x[met])')),
    (1, "patches_overwritten", (DX, DX.replace("+=", "="))),
    (1, "bias_not_summed", (CONV, "return dx, dw, g.mean(axis=(0, 2, 3))")),
    (1, "bias_not_summed", (CONV, "return dx, dw, g.sum(axis=0)")),
    (1, "bias_not_summed", (CONV, "return dx, dw, g.sum(axis=(2, 3))[0]")),
    (1, "kept_dims", (CONV, "return dx, dw, g.sum(axis=(0, 2, 3), keepdims=True)")),
    (1, "missing_sum", (DW, 'dw[:, :, i, j] = np.einsum("khv,chv->kc", g[0], x[met][0])')),
    (1, "factor", (DW, DW + " / len(x)")),
    (1, "sign", (DX, DX.replace("+=", "-="))),
    (1, "zero", (DX, "pass")),
    (1, "count", (CONV, "return dx, dw")),
    (1, "swapped", (CONV, "return dw, dx, g.sum(axis=(0, 2, 3))")),
    (1, "permutation", (DX, 'dx[met] += np.einsum("nkhv,kc->nchv", g, w[:, ::-1, i, j])')),
    (2, "pool_every_tie", (POOL, EVERY)),
    (2, "patches_overwritten", (POOL, POOL.replace("+=", "="))),
    (2, "pool_wrong_corner", (POOL, "dx[n, c, 2 * h, 2 * v] += g[n, c, h, v]")),
    (2, "pool_wrong_corner", (POOL, "dx[n, c, 2 * h + j, 2 * v + i] += g[n, c, h, v]")),
    (2, "permutation", (POOL, "dx[n, c, h + i, v + j] += g[n, c, h, v]")),
    (2, "factor", (POOL, "dx[n, c, 2 * h + i, 2 * v + j] += g[n, c, h, v] / 9")),
    (2, "pool_wrong_corner", (".argmax(axis=-1)", ".argmin(axis=-1)")),
    (2, "cotangent", (POOL, "dx[n, c, 2 * h + i, 2 * v + j] += 1")),
    (2, "shape", ("    return dx\n", "    return dx[:, :, ::2, ::2]\n")),
    (3, "mean_constant", (NORM, "dx = (u - xhat * (u * xhat).mean(axis=0)) / x.std(axis=0)")),
    (3, "variance_constant", (NORM, "dx = (u - u.mean(axis=0)) / x.std(axis=0)")),
    (3, "mean_constant", (NORM, "dx = u / x.std(axis=0)")),
    (3, "forward_value", (OUT, "return dx, np.sum(g * x, axis=0), g.sum(axis=0)")),
    (3, "factor", (OUT, "return dx, np.sum(g * xhat, axis=0), g.mean(axis=0)")),
    (3, "missing_sum", (OUT, "return dx, g * xhat, g.sum(axis=0)")),
    (3, "No known mistake fits", (NORM, NORM.replace("/ x.std(axis=0)", "/ x.var(axis=0)"))),
    (3, "factor", (OUT, "return dx, np.mean(g * xhat, axis=0), g.sum(axis=0)")),
    (3, "No known mistake fits", ("/ x.std(axis=0), g * gamma", "/ x.std(axis=0), g")),
    (3, "No known mistake fits", (NORM, NORM.replace("- xhat", "+ xhat"))),
    (3, "unknown", (OUT, "return dx, np.sum(g * xhat * gamma, axis=0), g.sum(axis=0)")),
    (3, "swapped", (OUT, "return dx, g.sum(axis=0), np.sum(g * xhat, axis=0)")),
]
