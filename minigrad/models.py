"""The networks of the class-imbalance literature, ready to train: MLP, LeNet-5, All-CNN, ResNet-10.

The three convolutional ones are those of Buda et al. (2018), section 3.3: LeNet-5 for MNIST, All-CNN for CIFAR-10,
ResNet-10 for ImageNet, the last here with the first layers that CIFAR's small images need. All take images
(N, channels, H, W) and return logits (N, classes).

References
----------
Buda, Maki & Mazurowski, "A systematic study of the class imbalance problem in convolutional neural networks", Neural
Networks 106 (2018), arXiv:1710.05381.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from . import nn
from .nn import functional as F
from .random import Rng, generator


class MLP(nn.Sequential):
    """A multilayer perceptron: Linear layers with an activation, and dropout if asked for, after each but the last.

    Parameters
    ----------
    sizes : sequence of int
        Inputs, hidden layers, outputs, e.g. ``(784, 256, 128, 10)``.
    activation : callable, default ``nn.ReLU``
        Makes an activation module.
    dropout : float, default 0
        The probability of dropping a hidden unit.
    rng : int or numpy.random.Generator, optional
        For starting values and dropout. Default: ``mg.manual_seed``'s.

    Raises
    ------
    ValueError
        If there are fewer than two sizes.

    Examples
    --------
    >>> model = mg.models.MLP((784, 256, 10))
    >>> model
    MLP(  # 203,530 parameters
      (0): Linear(784 -> 256)  # 200,960 parameters
      (1): ReLU()
      (2): Linear(256 -> 10)  # 2,570 parameters
    )
    >>> model(mg.zeros(8, 784)).shape
    (8, 10)
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: Callable[[], nn.Module] = nn.ReLU,
        dropout: float = 0.0,
        *,
        rng: Rng = None,
    ) -> None:
        super().__init__(*_dense(sizes, activation, dropout, generator(rng)))


def _dense(sizes: Sequence[int], activation: Callable[[], nn.Module], dropout: float, rng: Rng) -> list[nn.Module]:
    if len(sizes) < 2:
        raise ValueError(f"MLP needs the numbers of inputs and of outputs at least, got sizes={sizes}: e.g. (784, 10)")
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        if layers:
            layers += [activation(), nn.Dropout(dropout, rng=rng)] if dropout else [activation()]
        layers.append(nn.Linear(inputs, outputs, rng=rng))
    return layers


class LeNet5(nn.Sequential):
    """LeNet-5 in today's form: ReLU and max pooling instead of the sigmoids and averages of LeCun et al. (1998).

    ========================  ================================  ==========================
    layer                     default                           result, of (1, 28, 28)
    ========================  ================================  ==========================
    Conv2d 5x5, ReLU          1 -> 6                            (6, 24, 24)
    MaxPool2d 2                                                 (6, 12, 12)
    Conv2d 5x5, ReLU          6 -> 16                           (16, 8, 8)
    MaxPool2d 2, Flatten                                        256
    Linear, ReLU              256 -> 120                        120
    Linear, ReLU              120 -> 84                         84
    Linear                    84 -> 10                          10
    ========================  ================================  ==========================

    The larger one of Caffe, on which Buda et al. build theirs, is ``LeNet5(channels=(20, 50), hidden=(500,))``.

    Parameters
    ----------
    channels : (int, int), default (6, 16)
        Of the two convolutions.
    hidden : sequence of int, default (120, 84)
        The Linear layers between images and logits.
    classes : int, default 10
    in_channels : int, default 1
    image_size : int, default 28
        Height and width of the images, 16 at least.
    activation : callable, default ``nn.ReLU``
        Makes an activation module.
    rng : int or numpy.random.Generator, optional
        For the starting values. Default: ``mg.manual_seed``'s.

    Raises
    ------
    ValueError
        If the images are too small for two convolutions and poolings.

    Examples
    --------
    >>> model = mg.models.LeNet5()
    >>> model(mg.zeros(8, 1, 28, 28)).shape
    (8, 10)
    >>> sum(p.size for p in model.parameters())
    44426

    References
    ----------
    LeCun, Bottou, Bengio & Haffner, "Gradient-based learning applied to document recognition", Proc. IEEE 86 (1998).
    """

    def __init__(
        self,
        channels: tuple[int, int] = (6, 16),
        hidden: Sequence[int] = (120, 84),
        classes: int = 10,
        in_channels: int = 1,
        image_size: int = 28,
        activation: Callable[[], nn.Module] = nn.ReLU,
        *,
        rng: Rng = None,
    ) -> None:
        rng = generator(rng)
        first, second = channels
        size = ((image_size - 4) // 2 - 4) // 2
        if size < 1:
            raise ValueError(f"LeNet5 needs images of 16 x 16 at least, got image_size={image_size}")
        super().__init__(
            nn.Conv2d(in_channels, first, 5, rng=rng),
            activation(),
            nn.MaxPool2d(2),
            nn.Conv2d(first, second, 5, rng=rng),
            activation(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            *_dense((second * size * size, *hidden, classes), activation, 0.0, rng),
        )
        self.image_size = image_size

    def forward(self, x: Any) -> Any:
        size = self.image_size
        shape = np.shape(x)
        if len(shape) == 4 and shape[2:] != (size, size):
            raise ValueError(
                f"this LeNet5 is for images (N, C, {size}, {size}), got shape {shape}: pass image_size= "
                "when it is made, or resize the images"
            )
        return super().forward(x)


class GlobalAvgPool2d(nn.Module):
    """(N, C, H, W) to the mean of every channel, (N, C)."""

    def forward(self, x: Any) -> Any:
        return F.avg_pool2d(x, x.shape[2:]).reshape(x.shape[:2])


class AllCNN(nn.Sequential):
    """All-CNN-C: convolutions only, those of stride 2 in the place of pooling (Springenberg et al. 2015, table 1).

    ==============================  ==============  ======================
    layer                           default         result, of (3, 32, 32)
    ==============================  ==============  ======================
    Dropout 0.2
    Conv2d 3x3, ReLU                3 -> 96         (96, 32, 32)
    Conv2d 3x3, ReLU                96 -> 96        (96, 32, 32)
    Conv2d 3x3, stride 2, ReLU      96 -> 96        (96, 16, 16)
    Dropout 0.5
    Conv2d 3x3, ReLU                96 -> 192       (192, 16, 16)
    Conv2d 3x3, ReLU                192 -> 192      (192, 16, 16)
    Conv2d 3x3, stride 2, ReLU      192 -> 192      (192, 8, 8)
    Dropout 0.5
    Conv2d 3x3, no padding, ReLU    192 -> 192      (192, 6, 6)
    Conv2d 1x1, ReLU                192 -> 192      (192, 6, 6)
    Conv2d 1x1                      192 -> 10       (10, 6, 6)
    GlobalAvgPool2d                                 10
    ==============================  ==============  ======================

    All other 3x3 convolutions pad by 1. The paper's table has a ReLU behind the last convolution as well; as it would
    keep logits from being negative, we leave it out.

    Parameters
    ----------
    channels : (int, int), default (96, 192)
        Before and after the first stride of 2.
    classes : int, default 10
    in_channels : int, default 3
    activation : callable, default ``nn.ReLU``
        Makes an activation module.
    dropout : (float, float), default (0.2, 0.5)
        Of the image, and behind each convolution of stride 2.
    rng : int or numpy.random.Generator, optional
        For starting values (He et al. 2015: nine layers need it) and dropout. Default: ``mg.manual_seed``'s.

    Examples
    --------
    >>> model = mg.models.AllCNN()
    >>> sum(p.size for p in model.parameters())
    1369738
    >>> model = mg.models.AllCNN(channels=(8, 16))
    >>> model(mg.zeros(2, 3, 32, 32)).shape
    (2, 10)

    References
    ----------
    Springenberg, Dosovitskiy, Brox & Riedmiller, "Striving for simplicity: the all convolutional net", ICLR workshop
    (2015), arXiv:1412.6806.
    """

    def __init__(
        self,
        channels: tuple[int, int] = (96, 192),
        classes: int = 10,
        in_channels: int = 3,
        activation: Callable[[], nn.Module] = nn.ReLU,
        dropout: tuple[float, float] = (0.2, 0.5),
        *,
        rng: Rng = None,
    ) -> None:
        rng = generator(rng)
        few, many = channels
        of_image, inside = dropout

        def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0) -> list[nn.Module]:
            return [_he(nn.Conv2d(inputs, outputs, kernel, stride, padding, rng=rng), rng), activation()]

        super().__init__(
            nn.Dropout(of_image, rng=rng),
            *conv(in_channels, few, 3, padding=1),
            *conv(few, few, 3, padding=1),
            *conv(few, few, 3, stride=2, padding=1),
            nn.Dropout(inside, rng=rng),
            *conv(few, many, 3, padding=1),
            *conv(many, many, 3, padding=1),
            *conv(many, many, 3, stride=2, padding=1),
            nn.Dropout(inside, rng=rng),
            *conv(many, many, 3),
            *conv(many, many, 1),
            nn.Conv2d(many, classes, 1, rng=rng),
            GlobalAvgPool2d(),
        )


def _he(conv: nn.Conv2d, rng: Rng) -> nn.Conv2d:
    """The same layer with He et al.'s starting values: each layer then keeps the variance of its ReLU's input."""
    conv.weight.data[...] = nn.init.kaiming_normal(conv.weight.shape, rng=rng)
    if conv.bias is not None:
        conv.bias.data[...] = 0
    return conv


class ResidualBlock(nn.Module):
    """ReLU(x + f(x)), f two 3x3 convolutions, each with batch normalization (He et al. 2016, figure 2).

    Where the sizes of x and f(x) differ, x goes through a 1x1 convolution and batch normalization first.

    Parameters
    ----------
    in_channels, out_channels : int
    stride : int, default 1
        Of the first convolution.
    activation : callable, default ``nn.ReLU``
        Makes an activation module.
    rng : int or numpy.random.Generator, optional

    Examples
    --------
    >>> mg.models.ResidualBlock(8, 16, stride=2)(mg.zeros(2, 8, 6, 6)).shape
    (2, 16, 3, 3)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        activation: Callable[[], nn.Module] = nn.ReLU,
        *,
        rng: Rng = None,
    ) -> None:
        super().__init__()
        rng = generator(rng)
        self.conv1 = _he(nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False, rng=rng), rng)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.activation = activation()
        self.conv2 = _he(nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False, rng=rng), rng)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                _he(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False, rng=rng), rng),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Any) -> Any:
        y = self.activation(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.activation(y + (x if self.downsample is None else self.downsample(x)))


class ResNet10(nn.Module):
    """The smallest residual network of the ImageNet family, one block per stage, at CIFAR size.

    ==============================  ==============  ======================
    layer                           default         result, of (3, 32, 32)
    ==============================  ==============  ======================
    Conv2d 3x3, BatchNorm2d, ReLU   3 -> 64         (64, 32, 32)
    ResidualBlock                   64 -> 64        (64, 32, 32)
    ResidualBlock, stride 2         64 -> 128       (128, 16, 16)
    ResidualBlock, stride 2         128 -> 256      (256, 8, 8)
    ResidualBlock, stride 2         256 -> 512      (512, 4, 4)
    GlobalAvgPool2d                                 512
    Linear                          512 -> 10       10
    ==============================  ==============  ======================

    ImageNet's version begins with a 7x7 convolution of stride 2 and a pooling, which would leave 8x8 of a 32x32 image.
    The names in ``state_dict`` are those of torchvision's ResNets.

    Parameters
    ----------
    channels : sequence of int, default (64, 128, 256, 512)
        One block for each; the stride is 2 from the second on.
    classes : int, default 10
    in_channels : int, default 3
    activation : callable, default ``nn.ReLU``
        Makes an activation module.
    rng : int or numpy.random.Generator, optional
        For the starting values (He et al. 2015). Default: ``mg.manual_seed``'s.

    Examples
    --------
    >>> model = mg.models.ResNet10()
    >>> sum(p.size for p in model.parameters())
    4903242
    >>> model = mg.models.ResNet10(channels=(8, 16), classes=5)
    >>> model(mg.zeros(2, 3, 32, 32)).shape
    (2, 5)

    References
    ----------
    He, Zhang, Ren & Sun, "Deep residual learning for image recognition", CVPR (2016), arXiv:1512.03385.
    Simon, Rodner & Denzler, "ImageNet pre-trained models with batch normalization" (2016), arXiv:1612.01452: the
    ResNet-10 that Buda et al. train.
    """

    def __init__(
        self,
        channels: Sequence[int] = (64, 128, 256, 512),
        classes: int = 10,
        in_channels: int = 3,
        activation: Callable[[], nn.Module] = nn.ReLU,
        *,
        rng: Rng = None,
    ) -> None:
        super().__init__()
        rng = generator(rng)
        self.conv1 = _he(nn.Conv2d(in_channels, channels[0], 3, padding=1, bias=False, rng=rng), rng)
        self.bn1 = nn.BatchNorm2d(channels[0])
        self.activation = activation()
        self.stages = len(channels)
        for i, (inputs, outputs) in enumerate(pairwise((channels[0], *channels)), 1):
            block = ResidualBlock(inputs, outputs, 1 if i == 1 else 2, activation, rng=rng)
            setattr(self, f"layer{i}", nn.Sequential(block))
        self.avgpool = GlobalAvgPool2d()
        self.fc = nn.Linear(channels[-1], classes, rng=rng)

    def forward(self, x: Any) -> Any:
        x = self.activation(self.bn1(self.conv1(x)))
        for i in range(1, self.stages + 1):
            x = getattr(self, f"layer{i}")(x)
        return self.fc(self.avgpool(x))
