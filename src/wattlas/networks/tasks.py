"""Tasks: what a dataset asks of a network, and the thirteen of BUTTER-E."""

import math
from dataclasses import dataclass
from typing import Literal

from wattlas.core.errors import UsageError

Loss = Literal["mean_squared_error", "binary_crossentropy", "categorical_crossentropy"]


@dataclass(frozen=True)
class Task:
    """A dataset as training sees it, after encoding.

    Attributes:
        name: of the dataset.
        n_observations: rows of both splits.
        n_inputs, n_outputs: after encoding: a feature of one value is dropped, of two is one binary column,
            of 3 to 20 is one-hot, of more is one column scaled to [0, 1].
        loss: mean squared error, or cross-entropy for two or for more classes.
        image: rows are images.
        verified: `n_inputs` and `n_outputs` follow from published parameter counts, exactly; else inferred.
    """

    name: str
    n_observations: int
    n_inputs: int
    n_outputs: int
    loss: Loss
    image: bool = False
    verified: bool = False

    def __post_init__(self) -> None:
        if min(self.n_observations, self.n_inputs, self.n_outputs) < 1:
            raise UsageError(
                f"task {self.name!r} has {self.n_observations} rows, {self.n_inputs} inputs and "
                f"{self.n_outputs} outputs; each must be at least 1"
            )

    def n_test(self, test_fraction: float = 0.2) -> int:
        """Rows of the test split: the fraction, rounded up."""
        return n_test(self.n_observations, test_fraction)

    def n_train(self, test_fraction: float = 0.2) -> int:
        """Rows of the training split."""
        return self.n_observations - self.n_test(test_fraction)

    def n_train_batches(self, batch_size: int = 256, test_fraction: float = 0.2) -> int:
        """Training steps of an epoch, the last one possibly partial."""
        return n_batches(self.n_observations, batch_size, test_fraction)[0]

    def n_test_batches(self, batch_size: int = 256, test_fraction: float = 0.2) -> int:
        """Test batches of an epoch, the last one possibly partial."""
        return n_batches(self.n_observations, batch_size, test_fraction)[1]


def n_test(n_observations: int, test_fraction: float = 0.2) -> int:
    """Rows of the test split: the fraction, rounded up.

    Raises:
        UsageError: a fraction outside [0, 1).
    """
    if not 0 <= test_fraction < 1:
        raise UsageError(f"test fraction {test_fraction} is not in [0, 1); give for example 0.2")
    # A product such as 0.2 · 15 = 3.0000000000000004 is not a fourth row.
    return math.ceil(round(n_observations * test_fraction, 9))


def n_batches(n_observations: int, batch_size: int = 256, test_fraction: float = 0.2) -> tuple[int, int]:
    """Training steps and test batches of an epoch, the last of each possibly partial.

    Raises:
        UsageError: a batch size below 1, no row to train on, or a fraction outside [0, 1).

    >>> n_batches(15000)
    (47, 12)
    """
    held_out = n_test(n_observations, test_fraction)
    if batch_size < 1 or n_observations - held_out < 1:
        raise UsageError(
            f"{n_observations} observations, {held_out} of them for testing, make no batch of {batch_size}; "
            "give more observations and a batch size of at least 1"
        )
    return -(-(n_observations - held_out) // batch_size), -(-held_out // batch_size)


# Rows, features and classes: PMLB. Verified input and output counts: 65 exact parameter counts in the
# published figures. The others follow from the encoding rule and the known value counts of the features:
#   adult               9 + 16 + 16 + 7 + 15 + 6 + 5 one-hot, 1 binary, 6 scaled (42 countries: scaled)
#   nursery             3 + 5 + 4 + 4 + 3 + 3 + 3 one-hot, 1 binary
#   splice              60 nucleotide positions of 4 to 6 letters; 287 in one-hot copies of the same data
#   294_satellite_image six target values: the rule that gave 201_pol its eleven outputs gives six,
#                       though BUTTER's documentation calls both a regression
#   banana              two target values: one output; BUTTER's documentation calls it a regression
#   the rest            continuous features only
PAPER_TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("201_pol", 15000, 26, 11, "categorical_crossentropy", verified=True),
        Task("294_satellite_image", 6435, 36, 6, "categorical_crossentropy"),
        Task("505_tecator", 240, 124, 1, "mean_squared_error"),
        Task("529_pollen", 3848, 4, 1, "mean_squared_error"),
        Task("537_houses", 20640, 8, 1, "mean_squared_error"),
        Task("adult", 48842, 81, 1, "binary_crossentropy"),
        Task("banana", 5300, 2, 1, "binary_crossentropy"),
        Task("connect_4", 67557, 126, 3, "categorical_crossentropy", verified=True),
        Task("mnist", 70000, 784, 10, "categorical_crossentropy", image=True, verified=True),
        Task("nursery", 12958, 26, 4, "categorical_crossentropy"),
        Task("sleep", 105908, 141, 5, "categorical_crossentropy", verified=True),
        Task("splice", 3188, 287, 3, "categorical_crossentropy"),
        Task("wine_quality_white", 4898, 11, 7, "categorical_crossentropy"),
    )
}
