"""Weights, batches and step sizes: what every engine starts from."""

import math

import numpy as np
import pytest

from wattlas.engines.base import EpsilonConvention, TrainingConfig
from wattlas.engines.start import Batches, adam_steps, initial_weights, shuffle_generator
from wattlas.networks.network import Network

NETWORK = Network("rectangle", 30, (50, 20, 3))


def test_weights_are_glorot_uniform_and_biases_zero() -> None:
    for (kernel, bias), (n_in, n_out) in zip(
        initial_weights(NETWORK, 7), [(30, 50), (50, 20), (20, 3)], strict=True
    ):
        limit = math.sqrt(6 / (n_in + n_out))
        assert kernel.shape == (n_in, n_out)
        assert kernel.dtype == bias.dtype == np.float32
        assert not bias.any()
        assert 0.9 * limit < np.abs(kernel).max() <= limit * (1 + 1e-7)
        assert kernel.std() == pytest.approx(limit / math.sqrt(3), rel=0.15)
        assert abs(kernel.mean()) < 4 * limit / math.sqrt(3 * kernel.size)


def test_weights_and_shuffles_follow_the_seed() -> None:
    first, again, other = (initial_weights(NETWORK, seed)[0][0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    batches = Batches(100, 32)
    orders = [batches.shuffled(shuffle_generator(seed), 2) for seed in (1, 1, 2)]
    assert np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])
    # The two streams of a seed are apart.
    assert shuffle_generator(0).random() != np.random.default_rng([0, 0]).random()


@pytest.mark.parametrize(
    ("rows", "size", "steps", "padding"),
    [(74, 16, 5, 6), (64, 16, 4, 0), (10, 256, 1, 0), (257, 256, 2, 255), (1, 1, 1, 0)],
)
def test_every_row_is_seen_once_an_epoch(rows: int, size: int, steps: int, padding: int) -> None:
    batches = Batches(rows, size)
    assert (batches.steps, batches.padding) == (steps, padding)
    assert batches.weights.shape == (steps, min(size, rows))
    assert batches.counts.sum() == rows
    assert batches.weights.sum(axis=1) == pytest.approx(np.ones(steps), abs=1e-6)
    assert batches.shares.sum() == pytest.approx(1)
    real = batches.weights > 0
    assert real.sum() == rows
    # The share of a batch and the weight of a row in it make 1 / rows of each row.
    assert (batches.weights * batches.shares[:, None])[real] == pytest.approx(np.full(rows, 1 / rows))
    assert batches.in_order()[real].tolist() == list(range(rows))
    epochs = batches.shuffled(np.random.default_rng(0), 3)
    for epoch in epochs:
        assert sorted(epoch[real].tolist()) == list(range(rows))
        assert not epoch[~real].any()
    if rows > 10:
        assert not np.array_equal(epochs[0], epochs[1])


def test_epochs_are_drawn_one_after_the_other_however_many_at_a_time() -> None:
    batches, one, many = Batches(50, 16), shuffle_generator(3), shuffle_generator(3)
    singly = np.concatenate([batches.shuffled(one, 1) for _ in range(6)])
    together = np.concatenate([batches.shuffled(many, 4), batches.shuffled(many, 2)])
    assert np.array_equal(singly, together)


@pytest.mark.parametrize("convention", ["keras", "standard"])
def test_steps_are_adam_as_published(convention: EpsilonConvention) -> None:
    """Kingma and Ba, algorithm 1, and the order of Keras: epsilon added to the uncorrected root."""
    config = TrainingConfig(1, learning_rate=0.01, epsilon=1e-3, epsilon_convention=convention)
    gradients = np.random.default_rng(0).normal(size=12) * 0.01
    sizes, epsilons = adam_steps(config, 0, 12)
    ours = theirs = m = v = 0.0
    for t, gradient in enumerate(gradients, start=1):
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        ours -= sizes[t - 1] * m / (math.sqrt(v) + epsilons[t - 1])
        if convention == "standard":
            theirs -= 0.01 * (m / (1 - 0.9**t)) / (math.sqrt(v / (1 - 0.999**t)) + 1e-3)
        else:
            theirs -= 0.01 * math.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (math.sqrt(v) + 1e-3)
        assert ours == pytest.approx(theirs, rel=1e-6)


def test_steps_go_on_where_they_stopped() -> None:
    config = TrainingConfig(1, epsilon_convention="standard")
    whole, tail = adam_steps(config, 0, 30), adam_steps(config, 10, 20)
    assert np.array_equal(whole[0][10:], tail[0])
    assert np.array_equal(whole[1][10:], tail[1])
