"""The networks of minigrad.models: shapes, sizes, names, seeds, training; and the same numbers as PyTorch's."""

import copy

import numpy as np
import pytest

import minigrad as mg
from minigrad import models, nn
from minigrad.tensor import as_array
from tests.devices import on_device
from tests.nn.images import batch_innermost, is_batch_innermost, of_torch

# name: a small one, the shape of an input
SMALL = {
    "MLP": (lambda rng: models.MLP((6, 5, 4, 3), dropout=0.2, rng=rng), (6,)),
    "LeNet5": (lambda rng: models.LeNet5((2, 3), (5,), 3, 2, 16, nn.LeakyReLU, rng=rng), (2, 16, 16)),
    "AllCNN": (lambda rng: models.AllCNN((3, 4), 3, 2, rng=rng), (2, 12, 12)),
    "ResNet10": (lambda rng: models.ResNet10((3, 4, 5), 3, 2, nn.Tanh, rng=rng), (2, 8, 8)),
}
every_model = pytest.mark.parametrize("name", SMALL)


def batch(name, n=6):
    rng = np.random.default_rng(0)
    return on_device(rng.normal(size=(n, *SMALL[name][1])).astype(np.float32)), np.arange(n) % 3


@every_model
def test_gradients_flow_to_every_parameter(name):
    model = SMALL[name][0](0)
    X, y = batch(name)
    logits = model(X)
    assert (logits.shape, logits.dtype) == ((6, 3), np.float32)
    mg.losses.cross_entropy(logits, y).backward()
    for parameter_name, p in model.named_parameters():
        assert p.grad is not None, parameter_name
        assert p.grad.data.any(), parameter_name


@every_model
def test_the_seed_decides_everything(name):
    make, _ = SMALL[name]
    X, _ = batch(name)
    first, again, other = make(0), make(0), make(1)
    np.testing.assert_array_equal(first(X).data, again(X).data)  # dropout included
    assert not np.allclose(first.eval()(X).numpy(), other.eval()(X).numpy())
    mg.manual_seed(5)
    unseeded = make(None)
    mg.manual_seed(5)
    np.testing.assert_array_equal(make(None).eval()(X).data, unseeded.eval()(X).data)


@every_model
def test_no_two_layers_start_from_the_same_numbers(name):
    numbers = np.concatenate([p.data.ravel() for p in SMALL[name][0](0).parameters()])
    drawn = numbers[~np.isin(numbers, (0, 1))]  # biases and scales that start at 0 and 1
    assert len(np.unique(drawn)) > 0.99 * len(drawn)


@every_model
def test_a_few_steps_learn_a_batch(name):
    model = SMALL[name][0](0)
    X, y = batch(name)
    model.train()
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    optimiser = mg.optim.Adam(list(model.parameters()), lr=0.02)
    losses = []
    for _ in range(40):
        model.zero_grad()
        loss = mg.losses.cross_entropy(model(X), y)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("name", ["LeNet5", "AllCNN", "ResNet10"])
def test_no_convolution_gets_images_or_gradients_in_another_order(name):
    """All between two convolutions keeps the batch innermost in memory, so nothing is copied into order."""
    model = SMALL[name][0](0)
    seen, results = [], []

    def watch(_module, inputs, y):
        seen.append(inputs[0])
        results.append(y)

    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(watch)
    X, y = batch(name)
    loss = mg.losses.cross_entropy(model(batch_innermost(X)), y)
    assert all(is_batch_innermost(as_array(x)) for x in seen)
    assert all(is_batch_innermost(g.data) for g in mg.grad(loss, results))


@every_model
def test_state_goes_from_one_to_another(name):
    make, _ = SMALL[name]
    X, _ = batch(name)
    first, second = make(0), make(1)
    first(X)  # running statistics
    second.load_state_dict(first.state_dict())
    np.testing.assert_array_equal(first.eval()(X).data, second.eval()(X).data)
    np.testing.assert_array_equal(copy.deepcopy(first)(X).data, second(X).data)


@pytest.mark.parametrize(
    ("model", "shape", "classes", "size"),
    [
        (models.MLP((784, 256, 128, 10)), (784,), 10, 256 * 785 + 128 * 257 + 10 * 129),
        (models.LeNet5(), (1, 28, 28), 10, 6 * 26 + 16 * 151 + 120 * 257 + 84 * 121 + 10 * 85),
        (models.LeNet5((20, 50), (500,)), (1, 28, 28), 10, 431_080),  # as Caffe counts its LeNet
        (
            models.LeNet5(in_channels=3, image_size=32, classes=5),
            (3, 32, 32),
            5,
            6 * 76 + 16 * 151 + 120 * 401 + 84 * 121 + 5 * 85,
        ),
        (models.AllCNN(), (3, 32, 32), 10, 1_369_738),
        (models.ResNet10(), (3, 32, 32), 10, 4_903_242),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_full_size(model, shape, classes, size):
    assert sum(p.size for p in model.parameters()) == size
    with mg.no_grad():
        assert model.eval()(mg.zeros(1, *shape)).shape == (1, classes)


def test_a_network_reads_as_its_table():
    assert repr(models.LeNet5()).splitlines() == [
        "LeNet5(  # 44,426 parameters",
        "  (0): Conv2d(1 -> 6, 5x5)  # 156 parameters",
        "  (1): ReLU()",
        "  (2): MaxPool2d(2)",
        "  (3): Conv2d(6 -> 16, 5x5)  # 2,416 parameters",
        "  (4): ReLU()",
        "  (5): MaxPool2d(2)",
        "  (6): Flatten()",
        "  (7): Linear(256 -> 120)  # 30,840 parameters",
        "  (8): ReLU()",
        "  (9): Linear(120 -> 84)  # 10,164 parameters",
        "  (10): ReLU()",
        "  (11): Linear(84 -> 10)  # 850 parameters",
        ")",
    ]
    block = repr(models.ResidualBlock(4, 8, 2))
    assert "(downsample): Sequential(  # 48 parameters" in block
    assert "(activation): ReLU()" in block


def test_mlp_puts_dropout_behind_hidden_layers_only():
    kinds = [type(layer).__name__ for layer in models.MLP((4, 3, 3, 2), nn.GELU, 0.5)]
    assert kinds == ["Linear", "GELU", "Dropout", "Linear", "GELU", "Dropout", "Linear"]
    assert [type(layer).__name__ for layer in models.MLP((4, 2))] == ["Linear"]


def test_resnet_names_are_torchvisions():
    names = list(models.ResNet10((3, 4)).state_dict())
    norm = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    block = ["conv1.weight", *(f"bn1.{n}" for n in norm), "conv2.weight", *(f"bn2.{n}" for n in norm)]
    assert names == [
        "conv1.weight",
        *(f"bn1.{n}" for n in norm),
        *(f"layer1.0.{n}" for n in block),
        *(f"layer2.0.{n}" for n in block),
        "layer2.0.downsample.0.weight",
        *(f"layer2.0.downsample.1.{n}" for n in norm),
        "fc.weight",
        "fc.bias",
    ]


def test_starting_values_keep_the_variance_of_deep_networks():
    x = on_device(np.random.default_rng(0).normal(size=(4, 3, 16, 16)).astype(np.float32))
    for model in (models.AllCNN((16, 32), rng=0), models.ResNet10((16, 32, 64), rng=0)):
        assert 0.05 < model.eval()(x).data.std() < 5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: models.MLP((5,)), r"needs the numbers of inputs and of outputs at least, got sizes=\(5,\)"),
        (lambda: models.LeNet5(image_size=15), "LeNet5 needs images of 16 x 16 at least, got image_size=15"),
        (lambda: models.LeNet5()(mg.ones(2, 28, 28)), r"conv2d takes images \(N, C, H, W\), got shape \(2, 28, 28\)"),
        (lambda: models.LeNet5()(mg.ones(2, 1, 32, 32)), r"LeNet5 is for images \(N, C, 28, 28\), got .*image_size="),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- PyTorch's side


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed: the comparison needs it as the other side")


def torch_lenet(torch):
    layers = torch.nn
    return layers.Sequential(
        layers.Conv2d(1, 6, 5), layers.ReLU(), layers.MaxPool2d(2),
        layers.Conv2d(6, 16, 5), layers.ReLU(), layers.MaxPool2d(2), layers.Flatten(),
        layers.Linear(256, 120), layers.ReLU(), layers.Linear(120, 84), layers.ReLU(), layers.Linear(84, 10),
    )  # fmt: skip


def torch_all_cnn(torch):
    layers = torch.nn
    conv = layers.Conv2d
    return layers.Sequential(
        layers.Dropout(0), conv(2, 3, 3, 1, 1), layers.ReLU(), conv(3, 3, 3, 1, 1), layers.ReLU(),
        conv(3, 3, 3, 2, 1), layers.ReLU(), layers.Dropout(0), conv(3, 4, 3, 1, 1), layers.ReLU(),
        conv(4, 4, 3, 1, 1), layers.ReLU(), conv(4, 4, 3, 2, 1), layers.ReLU(), layers.Dropout(0),
        conv(4, 4, 3), layers.ReLU(), conv(4, 4, 1), layers.ReLU(), conv(4, 3, 1),
        layers.AdaptiveAvgPool2d(1), layers.Flatten(),
    )  # fmt: skip


def torch_resnet(torch, channels=(3, 4), classes=3, in_channels=2):
    layers, functional = torch.nn, torch.nn.functional

    class Block(layers.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.conv1 = layers.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.bn1 = layers.BatchNorm2d(outputs)
            self.conv2 = layers.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.bn2 = layers.BatchNorm2d(outputs)
            self.downsample = layers.Sequential()
            if (inputs, stride) != (outputs, 1):
                self.downsample = layers.Sequential(
                    layers.Conv2d(inputs, outputs, 1, stride, bias=False), layers.BatchNorm2d(outputs)
                )

        def forward(self, x):
            y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
            return functional.relu(y + self.downsample(x))

    class ResNet(layers.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = layers.Conv2d(in_channels, channels[0], 3, 1, 1, bias=False)
            self.bn1 = layers.BatchNorm2d(channels[0])
            self.layer1 = layers.Sequential(Block(channels[0], channels[0], 1))
            self.layer2 = layers.Sequential(Block(channels[0], channels[1], 2))
            self.fc = layers.Linear(channels[1], classes)

        def forward(self, x):
            x = self.layer2(self.layer1(functional.relu(self.bn1(self.conv1(x)))))
            return self.fc(x.mean((2, 3)))

    return ResNet()


PAIRS = {
    "LeNet5": (models.LeNet5, torch_lenet, (1, 28, 28)),
    "AllCNN": (lambda: models.AllCNN((3, 4), 3, 2, dropout=(0, 0)), torch_all_cnn, (2, 12, 12)),
    "ResNet10": (lambda: models.ResNet10((3, 4), 3, 2), torch_resnet, (2, 8, 8)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_copied_weights_give_pytorchs_logits_and_gradients(torch, name):
    make, twin, shape = PAIRS[name]
    torch.manual_seed(0)
    theirs, ours = twin(torch).double(), make().astype(np.float64)
    with torch.no_grad():
        for p in theirs.parameters():  # batch normalization starts as the identity; that would hide a mistake
            p += 0.1 * torch.randn_like(p)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    rng = np.random.default_rng(0)
    X, y, w = rng.normal(size=(5, *shape)), rng.integers(0, 3, 5), rng.random(5)

    x = mg.tensor(X, requires_grad=True)
    logits = ours(x)
    loss = mg.losses.cross_entropy(logits, y, sample_weight=w)
    loss.backward()

    def loss_of_torch(x):
        each = torch.nn.functional.cross_entropy(theirs(x), torch.tensor(y), reduction="none")
        return (each * torch.tensor(w)).mean()

    expected_logits = copy.deepcopy(theirs)(torch.tensor(X)).detach().numpy()
    expected_loss, of_x = of_torch(torch, loss_of_torch, [X], np.ones(()))
    found = {"logits": logits, "loss": loss, "x": x.grad, **{n: p.grad for n, p in ours.named_parameters()}}
    of_parameters = {n: p.grad.numpy() for n, p in theirs.named_parameters()}
    expected = {"logits": expected_logits, "loss": expected_loss, "x": of_x, **of_parameters}
    assert list(found) == list(expected)
    for key, value in found.items():
        np.testing.assert_allclose(value.data, expected[key], 1e-10, 1e-10, err_msg=key)
    for key, value in theirs.state_dict().items():  # running statistics, after one batch each
        np.testing.assert_allclose(ours.state_dict()[key].data, value.numpy(), 1e-10, err_msg=key)
