from functools import partial

import numpy as np
import pytest

from minigrad.data import augment
from minigrad.data.augmentation import brightness, crop, flip, noise, rotate, scale, shift

RNG = np.random.default_rng(0)
IMAGES = RNG.random((12, 3, 9, 7)).astype(np.float32)
GEOMETRIC = [shift, partial(crop, size=(5, 4)), flip, rotate, scale]
STEPS = [*GEOMETRIC, noise, brightness]


def name(step):
    return getattr(step, "func", step).__name__


@pytest.mark.parametrize("step", STEPS, ids=name)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtype_and_number_are_kept_and_the_argument_is_not_changed(step, dtype):
    images = IMAGES.astype(dtype)
    before = images.copy()
    changed = step(images, rng=0)
    assert changed.dtype == dtype
    assert changed.shape == (12, 3, *((5, 4) if name(step) == "crop" else (9, 7)))
    changed[:] = -1
    assert np.array_equal(images, before)


@pytest.mark.parametrize("step", STEPS, ids=name)
def test_draws(step):
    """The same seed draws the same, another or none something else, and each image has draws of its own."""
    images = np.repeat(IMAGES[:1], 20, axis=0)
    first = step(images, rng=3)
    assert np.array_equal(first, step(images, rng=np.random.default_rng(3)))
    for rng in 4, None:
        assert not np.array_equal(first, step(images, rng=rng))
    assert len(np.unique(first.reshape(20, -1), axis=0)) > 1


@pytest.mark.parametrize("step", GEOMETRIC, ids=name)
def test_the_channels_of_an_image_change_alike(step):
    images = np.repeat(IMAGES[:, :1], 3, axis=1)
    changed = step(images, rng=0)
    assert np.array_equal(changed[:, 0], changed[:, 1])
    assert np.array_equal(changed[:, 0], changed[:, 2])


@pytest.mark.parametrize("step", STEPS, ids=name)
def test_no_images_and_lists_of_images(step):
    assert len(step(IMAGES[:0])) == 0
    assert np.array_equal(step(IMAGES.tolist(), rng=0), step(IMAGES.astype(np.float64), rng=0))


@pytest.mark.parametrize(
    "step",
    [
        partial(shift, pixels=0),
        partial(crop, size=(9, 7)),
        partial(flip, probability=0),
        partial(rotate, degrees=0),
        partial(scale, amount=0),
        partial(noise, std=0),
        partial(brightness, amount=0),
    ],
    ids=name,
)
def test_nothing_asked_nothing_changed(step):
    assert np.allclose(step(IMAGES, rng=0), IMAGES, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_shift_moves_by_every_step_up_to_the_limit_and_fills_in(dtype):
    dot = np.full((600, 1, 5, 7), 9, dtype)
    dot[:, 0, 2, 3] = 1
    changed = shift(dot, pixels=2, fill=9, rng=0)
    assert changed.dtype == dtype
    _, _, rows, columns = np.nonzero(changed == 1)
    assert len(rows) == 600  # each dot is still there
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == {(r, c) for r in range(5) for c in range(1, 6)}
    assert set(np.unique(changed)) == {1, 9}


def test_crop_takes_every_window():
    images = np.tile(np.arange(12).reshape(3, 4), (300, 1, 1, 1))
    windows = crop(images, 2, rng=0)
    assert {tuple(window.ravel().tolist()) for window in windows} == {
        (i, i + 1, i + 4, i + 5) for i in (0, 1, 2, 4, 5, 6)
    }


def test_crop_with_padding():
    windows = crop(np.ones((400, 1, 2, 2)), 2, padding=1, fill=7.0, rng=0)
    ones = np.count_nonzero(windows == 1, axis=(1, 2, 3))
    assert set(ones.tolist()) == {1, 2, 4}
    assert set(np.unique(windows)) == {1, 7}


@pytest.mark.parametrize(("vertical", "axis"), [(False, 3), (True, 2)])
def test_flip_mirrors_that_share_of_the_images(vertical, axis):
    images = RNG.random((1000, 1, 3, 4))
    flipped = flip(images, probability=0.3, vertical=vertical, rng=0)
    changed = (flipped != images).any(axis=(1, 2, 3))
    assert 250 < changed.sum() < 350
    assert np.array_equal(flipped[changed], np.flip(images[changed], axis))


class Draws(np.random.Generator):
    """A generator whose uniform numbers are given."""

    def __init__(self, *values):
        super().__init__(np.random.PCG64(0))
        self.values = np.array(values, float)

    def uniform(self, low, high, _):
        assert (low <= self.values).all()
        assert (self.values <= high).all()
        return self.values


def test_rotate_by_right_angles_is_rot90():
    square = IMAGES[:5, :, :7, :7]
    turned = rotate(square, degrees=180, rng=Draws(0, 90, 180, -90, -180))
    for image, result, quarters in zip(square, turned, [0, 1, 2, 3, 2], strict=True):
        assert np.allclose(result, np.rot90(image, quarters, axes=(1, 2)), atol=1e-5)


@pytest.mark.parametrize("fill", [0.0, 0.7])
@pytest.mark.parametrize("shape", [(7, 7), (8, 5)])
def test_rotate_and_scale_are_scipys(shape, fill):
    ndimage = pytest.importorskip("scipy.ndimage")
    images = RNG.random((6, 2, *shape))
    centre = (np.array(shape) - 1) / 2
    angles = np.array([-170.0, -33, -1, 0, 10, 75])
    factors = np.array([0.4, 0.8, 1, 1.1, 1.5, 1.6])
    for step, draws, matrices in [
        (
            partial(rotate, degrees=180),
            angles,
            [np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) for a in np.deg2rad(angles)],
        ),
        (partial(scale, amount=0.6), factors, [np.eye(2) / f for f in factors]),
    ]:
        changed = step(images, fill=fill, rng=Draws(*draws))
        for image, result, matrix in zip(images, changed, matrices, strict=True):
            for channel, got in zip(image, result, strict=True):
                expected = ndimage.affine_transform(
                    channel, matrix, centre - matrix @ centre, order=1, mode="grid-constant", cval=fill
                )
                assert np.allclose(got, expected, atol=1e-12)


@pytest.mark.parametrize("step", [partial(rotate, degrees=180), partial(scale, amount=0.9)], ids=name)
def test_interpolation_stays_within_what_was_there(step):
    changed = step(np.repeat(IMAGES, 20, axis=0), fill=0.5, rng=0)
    assert IMAGES.min() <= changed.min()
    assert changed.max() <= IMAGES.max()


def test_noise_is_normal_and_of_that_size():
    added = noise(np.full((10, 1, 50, 50), 3.0, np.float32), std=0.5, rng=0) - 3
    assert added.mean() == pytest.approx(0, abs=0.02)
    assert added.std() == pytest.approx(0.5, rel=0.02)
    assert np.mean(np.abs(added) < 0.5) == pytest.approx(0.683, abs=0.02)  # within one sigma


def test_brightness_is_one_uniform_factor_for_an_image():
    factors = brightness(np.ones((2000, 3, 2, 2)), amount=0.2, rng=0)
    assert (factors == factors[:, :1, :1, :1]).all()
    assert 0.8 <= factors.min() < 0.801
    assert 1.199 < factors.max() <= 1.2
    assert factors.mean() == pytest.approx(1, abs=0.01)


# --- Composition


def test_augment_applies_the_steps_in_turn_with_one_generator():
    steps = [partial(shift, pixels=1), rotate, partial(noise, std=0.1)]
    rng = np.random.default_rng(5)
    expected = IMAGES
    for step in steps:
        expected = step(expected, rng=rng)
    assert np.array_equal(augment(IMAGES, *steps, rng=5), expected)


def test_augment_without_steps_is_a_copy():
    copy = augment(IMAGES)
    assert np.array_equal(copy, IMAGES)
    assert not np.shares_memory(copy, IMAGES)


def test_a_step_of_ones_own():
    negative = augment(IMAGES, lambda images, rng: 1 - images)
    assert np.array_equal(negative, 1 - IMAGES)


def test_a_generator_goes_on_from_batch_to_batch():
    rng = np.random.default_rng(0)
    assert not np.array_equal(augment(IMAGES, shift, rng=rng), augment(IMAGES, shift, rng=rng))


LABELS = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 5])


@pytest.mark.parametrize(("only", "classes"), [([0, 5], {0, 5}), (2, {2}), ([7], set()), ([], set()), ([5, 9], {5})])
@pytest.mark.parametrize("step", [step for step in STEPS if name(step) != "crop"], ids=name)
def test_only_changes_the_images_of_those_classes(step, only, classes):
    chosen = np.isin(LABELS, list(classes))
    labels = LABELS.copy()
    changed = augment(IMAGES, step, step, y=labels, only=only, rng=4)
    assert changed.dtype == IMAGES.dtype
    assert np.array_equal(changed[~chosen], IMAGES[~chosen])
    assert np.array_equal(changed[chosen], augment(IMAGES[chosen], step, step, rng=4))
    assert np.array_equal(labels, LABELS)


def test_steps_of_each_classs_own():
    changed = IMAGES
    for only, value in [(0, 10), (1, 20)]:
        changed = augment(changed, lambda images, rng, value=value: images + value, y=LABELS, only=only)
    assert (changed - IMAGES).mean(axis=(1, 2, 3)).round().tolist() == [
        {0: 10, 1: 20}.get(label, 0) for label in LABELS.tolist()
    ]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: augment(IMAGES, shift, y=LABELS), TypeError, r"got y= without only=; expected neither, or both: aug"),
        (lambda: augment(IMAGES, shift, only=[1]), TypeError, r"got only= without y=; expected neither, or both"),
        (
            lambda: augment(IMAGES, shift, y=LABELS[:3], only=1),
            ValueError,
            "12 images and 3 labels; expected one label",
        ),
        (lambda: augment(IMAGES, shift, y=LABELS, only="1"), TypeError, r"only='1' holds <U1 values; expected integer"),
        (lambda: augment(IMAGES, shift, y=LABELS * 1.0, only=1), TypeError, "y has dtype float64"),
        (
            lambda: augment(IMAGES, partial(crop, size=5), y=LABELS, only=1),
            ValueError,
            r"step 0 of augment\(\), crop, made images \(3, 5, 5\) of images \(3, 9, 7\); with only=1 they must keep",
        ),
        (
            lambda: shift(np.zeros((5, 784))),
            ValueError,
            r"shift got .* \(5, 784\), expected images \(N, C, H, W\); rows",
        ),
        (lambda: flip(np.zeros((5, 8, 8))), ValueError, r"flip got .* \(5, 8, 8\), .* by images\[:, None\], a single"),
        (
            lambda: rotate(np.zeros(5)),
            ValueError,
            r"rotate got an array of shape \(5,\), expected images \(N, C, H, W\)$",
        ),
        (lambda: augment(np.zeros((5, 8, 8)), shift), ValueError, r"augment got .* \(5, 8, 8\)"),
        *[
            (
                lambda step=step: step(np.zeros((1, 1, 4, 4), np.uint8)),
                TypeError,
                rf"{step.__name__} got uint8 images, expected floating.* images\.astype\(np\.float32\) / 255",
            )
            for step in (rotate, scale, noise, brightness)
        ],
        (lambda: shift(IMAGES, pixels=-1), ValueError, "pixels=-1; expected an int of 0 or more"),
        (lambda: shift(IMAGES, pixels=0.1), TypeError, "pixels=0.1 is a float; expected an int of 0 or more"),
        (lambda: crop(IMAGES, 0), ValueError, "size=0; expected an int of 1 or more"),
        (lambda: crop(IMAGES, (3, 2.0)), TypeError, "size=2.0 is a float; expected an int"),
        (
            lambda: crop(IMAGES, (3, 2, 1)),
            ValueError,
            r"size=\(3, 2, 1\); expected an int, or the height and the width",
        ),
        (lambda: crop(IMAGES, 3, padding=-1), ValueError, "padding=-1; expected an int of 0"),
        (
            lambda: crop(IMAGES, 10, padding=1),
            ValueError,
            "cannot cut 10 x 10 out of images of 9 x 7 with padding=1; expected a size of at most 11 x 9",
        ),
        (lambda: flip(IMAGES, probability=1.5), ValueError, "probability=1.5; expected a number from 0 to 1"),
        (lambda: rotate(IMAGES, degrees=-5), ValueError, "degrees=-5; expected a number from 0 to 180"),
        (lambda: rotate(IMAGES, degrees=np.nan), ValueError, "degrees=nan; expected"),
        (lambda: scale(IMAGES, amount=1), ValueError, r"amount=1; expected a number from 0 to 0\.9"),
        (lambda: noise(IMAGES, std=-1), ValueError, "std=-1; expected a number >= 0"),
        (lambda: noise(IMAGES, std=np.inf), ValueError, "std=inf; expected a number >= 0"),
        (lambda: brightness(IMAGES, amount=2), ValueError, "amount=2; expected a number from 0 to 1"),
        (lambda: augment(IMAGES, shift(IMAGES)), TypeError, r"step 0 of augment\(\) is a ndarray; .*partial\(shift"),
        (
            lambda: augment(IMAGES, shift, partial(lambda images, rng: images[1:])),
            ValueError,
            r"step 1 of augment\(\), <lambda>, made \(11, 3, 9, 7\) of images \(12, 3, 9, 7\); expected 12 images",
        ),
        (lambda: augment(IMAGES, lambda images, rng: images[:, 0]), ValueError, r"made \(12, 9, 7\) of"),
        (lambda: augment(IMAGES, shift, rng="0"), TypeError, "rng is a str; expected None, an int seed"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
