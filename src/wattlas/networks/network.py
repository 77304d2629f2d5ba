"""A fully connected network as built."""

from dataclasses import dataclass

from wattlas.core.errors import UsageError


@dataclass(frozen=True)
class Network:
    """A fully connected network: `widths` of its layers, output included, after `n_inputs` inputs.

    `residual` networks add the input of each hidden layer after the first to its output (no parameters).
    """

    shape: str
    n_inputs: int
    widths: tuple[int, ...]
    residual: bool = False

    def __post_init__(self) -> None:
        if self.n_inputs < 1 or not self.widths or min(self.widths) < 1:
            raise UsageError(
                f"a network of {self.n_inputs} inputs and widths {self.widths} has an empty layer"
            )

    @property
    def depth(self) -> int:
        """Number of weight layers, output included."""
        return len(self.widths)

    @property
    def n_outputs(self) -> int:
        """Width of the last layer."""
        return self.widths[-1]

    @property
    def n_parameters(self) -> int:
        """Number of trainable parameters: sum of (w[i-1] + 1) w[i]."""
        before = (self.n_inputs, *self.widths[:-1])
        return sum((a + 1) * b for a, b in zip(before, self.widths, strict=True))
