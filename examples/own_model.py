"""Two PyTorch models for `wattlas predict`; they need `pip install 'wattlas[torch]'`.

wattlas predict examples/own_model.py:digits_cnn --machine eagle-gpu
wattlas predict examples/own_model.py:mnist_mlp --machine eagle-cpu --input-shape 784 --observations 70000
"""

import torch
from torch import nn


class DigitsCnn(nn.Module):
    """A small residual network for grey images of 28 by 28."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 32, 3, padding=1)
        self.norm = nn.BatchNorm2d(32)
        self.second = nn.Conv2d(32, 32, 3, padding=1, groups=4)
        self.pool = nn.MaxPool2d(2)
        self.last = nn.Linear(32 * 14 * 14, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of ten digits."""
        x = torch.relu(self.norm(self.first(images)))
        x = x + torch.relu(self.second(x))
        return self.last(self.pool(x).flatten(1))


def digits_cnn() -> tuple[nn.Module, torch.Tensor]:
    """A model and a batch that shows what its input looks like."""
    return DigitsCnn(), torch.zeros(1, 1, 28, 28)


def mnist_mlp() -> nn.Module:
    """A fully connected network: what the energy model was fitted to."""
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 10))
