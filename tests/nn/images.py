"""What the tests of convolution, pooling and normalization share: memory orders of images, and gradients."""

import numpy as np

import minigrad as mg


def batch_innermost(x):
    """The order in which our convolution leaves its results, (H, C, W, N)."""
    return x.transpose(2, 1, 3, 0).copy(order="C").transpose(3, 1, 0, 2)


def strided(x):
    whole = np.full((*x.shape[:-1], 2 * x.shape[-1]), np.nan, x.dtype)
    whole[..., ::2] = x
    return whole[..., ::2]


LAYOUTS = {"C": np.ascontiguousarray, "batch-innermost": batch_innermost, "strided": strided}


def is_batch_innermost(x):
    return x.transpose(2, 1, 3, 0).flags.c_contiguous


def gradients(f, arrays, g):
    """The value of f and its gradients with respect to `arrays`, from the cotangent g."""
    leaves = [mg.Tensor(a, requires_grad=True) for a in arrays]
    y = f(*leaves)
    return [y.data, *(gradient.data for gradient in mg.grad(y, leaves, g))]


def of_torch(torch, f, arrays, g):
    """The same, by PyTorch."""
    leaves = [torch.tensor(a, requires_grad=True) for a in arrays]
    y = f(*leaves)
    y.backward(torch.tensor(g))
    return [y.detach().numpy(), *(leaf.grad.numpy() for leaf in leaves)]


def assert_close(found, expected, rtol=1e-10):
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol, rtol)
