"""PyTorch modules as layers: published counts, hand-written products, and the names of what is unknown."""

from typing import Any

import pytest

from wattlas.core.errors import DataError, UsageError
from wattlas.networks.layers import dense_layers
from wattlas.readers.read import read_made

torch = pytest.importorskip("torch", reason="torch is an extra: pip install torch==2.13.0")
nn = torch.nn


def convolution(*args: int, **options: Any) -> Any:
    return nn.Conv2d(*args, bias=False, **options)


class Block(nn.Module):  # type: ignore[name-defined,misc]
    """The basic block of He et al. 2015."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(before, width, 3, stride=stride, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            convolution(width, width, 3, padding=1),
            nn.BatchNorm2d(width),
        )
        self.side: Any = None
        if stride > 1:
            self.side = nn.Sequential(convolution(before, width, 1, stride=stride), nn.BatchNorm2d(width))

    def forward(self, x: Any) -> Any:
        return torch.relu(self.body(x) + (x if self.side is None else self.side(x)))


def resnet18() -> Any:
    blocks = [Block(b, w, s) for b, w, s in ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2))]
    rest = [Block(w, w, 1) for w in (64, 128, 256, 512)]
    stages = [each for pair in zip(blocks, rest, strict=True) for each in pair]
    stem = [convolution(3, 64, 7, stride=2, padding=3), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    return nn.Sequential(*stem, *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))


def vgg16() -> Any:
    layers: list[Any] = []
    before = 3
    for times, width in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        for _ in range(times):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
            before = width
        layers.append(nn.MaxPool2d(2))
    ends = [nn.Linear(25088, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000)]
    return nn.Sequential(*layers, nn.Flatten(), *ends)


def alexnet() -> Any:
    """Krizhevsky et al. 2012, with their two groups."""
    features = [
        *(nn.Conv2d(3, 96, 11, stride=4), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(96, 256, 5, padding=2, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(256, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 384, 3, padding=1, groups=2), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
    ]
    ends = [nn.Flatten(), nn.Linear(9216, 4096), nn.Linear(4096, 4096), nn.Linear(4096, 1000)]
    return nn.Sequential(*features, *ends)


@pytest.mark.parametrize(
    ("make", "side", "parameters", "macs", "counted"),
    [
        (vgg16, 224, 138_357_544, 15_470_264_320, {"convolution": 13, "linear": 3}),
        (alexnet, 227, 60_965_224, 724_406_816, {"convolution": 5, "linear": 3}),
    ],
)
def test_published_counts(make: Any, side: int, parameters: int, macs: int, counted: dict[str, int]) -> None:
    with torch.device("meta"):
        reading = read_made(make(), (3, side, side))
    assert reading.network.n_parameters == parameters
    assert reading.network.macs == macs
    kinds = [layer.kind for layer in reading.network.layers]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == counted
    assert reading.unknown_layers == ()
    assert reading.free_layers["MaxPool2d"] >= 3


def test_resnet_18() -> None:
    with torch.device("meta"):
        reading = read_made(resnet18(), (3, 224, 224))
    assert reading.network.n_parameters == 11_689_512
    layers = reading.network.layers
    assert sum(layer.macs for layer in layers if layer.kind != "normalisation") == 1_814_073_344
    assert [layer.kind for layer in layers].count("normalisation") == 20
    assert reading.free_layers["add"] == 8
    assert reading.unknown_layers == ()
    # The first convolution passes no gradient on; all others do.
    assert [layer.gradients for layer in layers] == [1] + [2] * (len(layers) - 1)


def test_a_fully_connected_network_has_the_layers_of_its_widths() -> None:
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10)
    )
    found = read_made((model, torch.zeros(5, 28, 28))).network
    for layer, wanted in zip(found.layers, dense_layers(784, (64, 32, 10)), strict=True):
        assert (layer.kind, layer.macs, layer.inputs) == (wanted.kind, wanted.macs, wanted.inputs)
        assert (layer.outputs, layer.biases, layer.gradients) == (
            wanted.outputs,
            wanted.biases,
            wanted.gradients,
        )
    assert (found.n_inputs, found.n_outputs, found.n_parameters) == (784, 10, 52_650)


class HandWritten(nn.Module):  # type: ignore[name-defined,misc]
    """Products without modules: of weights, and of data with data."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(6, 4))
        self.filters = nn.Parameter(torch.zeros(8, 3))

    def forward(self, x: Any) -> Any:
        y = x @ self.weight
        return torch.matmul(y, y.transpose(1, 2)), nn.functional.linear(x.mean(1)[:, :3], self.filters)


def test_products_in_a_hand_written_forward_count() -> None:
    network = read_made((HandWritten(), torch.zeros(2, 5, 6))).network
    assert [(layer.kind, layer.macs) for layer in network.layers] == [
        ("linear", 5 * 6 * 4),
        ("matmul", 5 * 4 * 5),
        ("linear", 3 * 8),
    ]
    assert [layer.gradients for layer in network.layers] == [1, 2, 1]
    assert network.n_outputs == 25 + 8


class Odd(nn.Module):  # type: ignore[name-defined,misc]
    def __init__(self, odd: Any, run: Any) -> None:
        super().__init__()
        self.first, self.odd, self.run = nn.Linear(8, 8), odd, run

    def forward(self, x: Any) -> Any:
        return self.run(self, self.first(x))


@pytest.mark.parametrize(
    ("odd", "run", "named"),
    [
        (None, lambda m, x: torch.fft.fft(x).real, "(model) (Odd): _fft_r2c"),
        (None, lambda m, x: torch.linalg.inv(x[:, :1, None]), "(model) (Odd): linalg_inv_ex"),
        (nn.RMSNorm(8), lambda m, x: m.odd(x), "odd (RMSNorm): its parameters are counted"),
        (nn.PReLU(), lambda m, x: m.odd(x), "odd (PReLU): _prelu_kernel"),
        (nn.Linear(8, 3), lambda m, x: x, "odd (Linear): its parameters are counted"),
        (nn.Parameter(torch.zeros(8)), lambda m, x: x * m.odd, "(model) (Odd): its parameters are counted"),
        (nn.LSTM(8, 3), lambda m, x: m.odd(x)[0], "odd (LSTM)"),
    ],
)
def test_what_is_unknown_is_named(odd: Any, run: Any, named: str) -> None:
    reading = read_made((Odd(odd, run), torch.zeros(1, 8)))
    if isinstance(odd, nn.LSTM) and not reading.unknown_layers:
        # Where this PyTorch takes it apart, its products are counted instead.
        assert any(layer.name == "odd" for layer in reading.network.layers)
        return
    assert [each[: len(named)] for each in reading.unknown_layers] == [named]
    assert type(odd).__name__ not in reading.free_layers


def test_attention_embedding_and_layer_norm() -> None:
    class Attends(nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(50, 16)
            self.block = nn.TransformerEncoderLayer(16, 4, dim_feedforward=32, batch_first=True)

        def forward(self, tokens: Any) -> Any:
            return self.block(self.embed(tokens))

    reading = read_made((Attends(), torch.zeros(3, 7, dtype=torch.long)))
    by_kind: dict[str, int] = {}
    for layer in reading.network.layers:
        # With dropout in it PyTorch takes attention apart into its two products.
        kind = "attention" if layer.kind == "matmul" else layer.kind
        by_kind[kind] = by_kind.get(kind, 0) + layer.macs
    assert by_kind == {
        "embedding": 0,
        "linear": 7 * (16 * 48 + 16 * 16 + 2 * 16 * 32),
        "attention": 2 * 7 * 7 * 16,
        "normalisation": 2 * 7 * 16,
    }
    assert reading.unknown_layers == ()
    # Every linear layer has a bias, also where PyTorch adds it apart.
    assert all(layer.biases == layer.outputs for layer in reading.network.layers if layer.kind == "linear")


def test_frozen_layers_get_no_gradient() -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 6), nn.Linear(6, 2))
    for p in model[2].parameters():
        p.requires_grad = False
    reading = read_made(model, (4,))
    assert [layer.gradients for layer in reading.network.layers] == [1, 1, 2]
    assert (reading.network.n_parameters, reading.n_frozen_parameters) == (25 + 14, 36)


def test_a_model_is_left_as_it_was() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2), nn.Flatten())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    read_made(model, (1, 2, 2))
    assert model[1].training
    assert not model[1]._forward_hooks
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_lazy_layers_and_shared_parameters() -> None:
    lazy = read_made(nn.Sequential(nn.Flatten(), nn.LazyLinear(3)), (2, 2)).network
    assert (lazy.n_parameters, lazy.macs) == (15, 12)
    once = nn.Linear(4, 4)
    twice = read_made(nn.Sequential(once, once), (4,)).network
    assert (twice.n_parameters, twice.macs) == (20, 32)


@pytest.mark.parametrize(
    ("made", "shape", "error", "said"),
    [
        (lambda: nn.Linear(4, 2), None, UsageError, "give --input-shape"),
        (lambda: nn.Linear(4, 2), (5,), DataError, r"forward pass failed on an input of shape \(1, 5\)"),
        (lambda: (nn.Linear(4, 2), torch.zeros(3, 4)), (4,), UsageError, "leave out --input-shape"),
        (lambda: (nn.Linear(4, 2), torch.tensor(1.0)), None, UsageError, "batch dimension"),
        (lambda: nn.ReLU(), (4,), DataError, "no trainable parameters"),
        (lambda: nn.PReLU(), (4,), DataError, "no layer of the model is known"),
        (lambda: nn.Linear(4, 2).requires_grad_(False), (4,), DataError, "no trainable parameters"),
    ],
)
def test_what_cannot_be_read(
    made: Any, shape: tuple[int, ...] | None, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said) as raised:
        read_made(made(), shape)
    assert "\n" not in str(raised.value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_torchscript_is_refused() -> None:
    with pytest.raises(DataError, match="TorchScript"):
        read_made(torch.jit.script(nn.Linear(4, 2)), (4,))
