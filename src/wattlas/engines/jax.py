"""Trains with JAX: feature-major, shuffled on the host, many epochs in a call.

Activations are (features, rows), so that the rows of a batch are the minor axis and `W @ x` streams through
them.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np
from jax import lax
from numpy.typing import NDArray

from wattlas.core.errors import EngineError
from wattlas.engines.base import Loss, TrainingConfig, TrainingData, TrainingResult, Weights
from wattlas.engines.numpy import initial_losses
from wattlas.engines.recorder import Recorder, check_training
from wattlas.engines.start import (
    Batches,
    adam_steps,
    initial_weights,
    shuffle_generator,
    tests_per_epoch,
)
from wattlas.networks.network import Network

# A call should last about this long: long against its overhead, short against a run.
_CALL_S = 0.1
_MAX_EPOCHS_PER_CALL = 100
# Permutations held for one call, in entries.
_MAX_ROWS_PER_CALL = 1 << 24
# Of an epoch, roughly: only to choose how many epochs go into a call.
_STEP_S, _LAYER_S, _FLOPS_PER_S = 10e-6, 5e-6, 1e11

_Parameters = Sequence[tuple[Any, Any]]


def epochs_per_call(network: Network, steps: int, rows: int, epochs: int) -> int:
    """Epochs in a call: as many as fit a tenth of a second by a rough estimate, at least 1, at most 100."""
    estimate_s = steps * (_STEP_S + network.depth * _LAYER_S) + 6 * network.n_parameters * rows / _FLOPS_PER_S
    fitting = min(int(_CALL_S / estimate_s), _MAX_ROWS_PER_CALL // max(rows, 1), _MAX_EPOCHS_PER_CALL, epochs)
    return max(fitting, 1)


def _logits(parameters: _Parameters, x: Any, residual: bool) -> Any:
    last = len(parameters) - 1
    for index, (kernel, bias) in enumerate(parameters):
        z = kernel @ x + bias[:, None]
        if index < last:
            # Not jnp.maximum, whose slope at 0 is a half: dead layers have zeros throughout.
            z = jax.nn.relu(z)
            if residual and index > 0:
                z = z + x
        x = z
    return x


def _row_losses(loss: Loss, logits: Any, y: Any) -> Any:
    if loss == "categorical_crossentropy":
        return jax.nn.logsumexp(logits, axis=0) - (y * logits).sum(axis=0)
    if loss == "binary_crossentropy":
        return (jnp.maximum(logits, 0) - logits * y + jnp.log1p(jnp.exp(-jnp.abs(logits)))).mean(axis=0)
    return jnp.square(logits - y).mean(axis=0)


def _correct(loss: Loss, logits: Any, y: Any) -> Any:
    if loss == "categorical_crossentropy":
        return logits.argmax(axis=0) == y.argmax(axis=0)
    if loss == "binary_crossentropy":
        return ((logits > 0) == (y > 0.5)).all(axis=0)
    return jnp.full(logits.shape[1], jnp.nan)


def _program(
    network: Network, config: TrainingConfig, loss: Loss, test: bool, calls: int
) -> Callable[..., Any]:
    """The function that trains up to `calls` epochs and returns the new state and the epochs' losses."""
    beta_1, beta_2 = config.beta_1, config.beta_2

    def batch_loss(parameters: Any, x: Any, y: Any, weights: Any) -> Any:
        return (_row_losses(loss, _logits(parameters, x, network.residual), y) * weights).sum()

    def train_step(state: Any, step: Any, x: Any, y: Any) -> Any:
        rows, weights, size, epsilon = step
        parameters, first, second = state
        value, gradient = jax.value_and_grad(batch_loss)(parameters, x[rows].T, y[rows].T, weights)
        first = jax.tree.map(lambda m, g: m + (g - m) * (1 - beta_1), first, gradient)
        second = jax.tree.map(lambda v, g: v + (g * g - v) * (1 - beta_2), second, gradient)
        parameters = jax.tree.map(
            lambda w, m, v: w - size * m / (jnp.sqrt(v) + epsilon), parameters, first, second
        )
        return (parameters, first, second), value

    def evaluate(parameters: Any, x: Any, y: Any, share: Any) -> Any:
        def batch(_: None, part: Any) -> Any:
            xs, ys, shares = part
            logits = _logits(parameters, xs, network.residual)
            values = (_row_losses(loss, logits, ys) * shares).sum()
            return None, (values, (_correct(loss, logits, ys) * shares).sum())

        _, (values, right) = lax.scan(batch, None, (x, y, share))
        return values.sum(), right.sum()

    def train(state: Any, x: Any, y: Any, tests: Any, shuffles: Any, plan: Any, count: Any) -> Any:
        weights, shares, sizes, epsilons = plan

        def epoch(index: Any, carry: Any) -> Any:
            state, losses = carry
            steps = (shuffles[index], weights, sizes[index], epsilons[index])
            state, values = lax.scan(lambda s, step: train_step(s, step, x, y), state, steps)
            row = [(values * shares).sum()]
            if test:
                row += evaluate(state[0], *tests)
            return state, losses.at[index].set(jnp.stack(row))

        losses = jnp.full((calls, 3 if test else 1), jnp.nan, jnp.float32)
        return lax.fori_loop(0, count, epoch, (state, losses))

    return train


class JaxTraining:
    """A training whose program is compiled and whose data are on the device."""

    def __init__(
        self, network: Network, data: TrainingData, config: TrainingConfig, calls: int | None = None
    ) -> None:
        check_training(network, data)
        self._network, self._data, self._config = network, data, config
        self._batches = Batches(len(data.x_train), config.batch_size)
        rows, steps = len(data.x_train), self._batches.steps
        self._calls = calls or epochs_per_call(network, steps, rows, config.epochs)
        tests = tests_per_epoch(data, config)
        arrays = (jnp.asarray(data.x_train), jnp.asarray(data.y_train), _test_arrays(data, tests))
        self._arrays = jax.block_until_ready(arrays)
        self._parameters: Any = ()
        self._evaluates = tests is not None
        program = _program(network, config, data.loss, self._evaluates, self._calls)
        state = self._state(initial_weights(network, 0))
        shuffles = np.zeros((self._calls, steps, self._batches.size), np.int32)
        hits = _cache_hits()
        self.compile_start_s = time.monotonic()
        jitted = jax.jit(program, donate_argnums=0)
        lowered = jitted.lower(state, *self._arrays, shuffles, self._plan(0), np.int32(1))
        self._train = lowered.compile()
        self.compile_end_s = time.monotonic()
        self.compile_cached = _cache_hits() > hits

    def run(self, seed: int, on_epochs: Callable[[int], None] | None = None) -> TrainingResult:
        """Train from the weights of `seed`; see `CompiledTraining`."""
        config = self._config
        self._parameters = ()
        host = initial_weights(self._network, seed)
        initial = initial_losses(self._network, self._data, config, host)
        state = jax.block_until_ready(self._state(host))
        del host
        rng = shuffle_generator(seed)
        recorder = Recorder(config.epochs, initial)
        recorder.start()
        count = min(self._calls, config.epochs)
        shuffles = self._shuffles(rng, count)
        while count and not recorder.diverged:
            plan, start = self._plan(recorder.done), recorder.done
            state, losses = self._train(state, *self._arrays, shuffles, plan, np.int32(count))
            # The next call's are drawn while this one runs.
            following = min(self._calls, config.epochs - start - count)
            shuffles = self._shuffles(rng, following)
            columns = np.asarray(losses, dtype=np.float64)[:count].T
            count = following
            accuracy = columns[2] if self._evaluates else None
            recorder.add(columns[0], columns[1] if self._evaluates else None, accuracy)
            if on_epochs:
                on_epochs(recorder.done)
        self._parameters = state[0]
        return recorder.result(self._calls, self._batches.padding, self.compile_cached)

    def trained_weights(self) -> Weights:
        """Weights at the end of the last run."""
        return [(np.asarray(kernel).T, np.asarray(bias)) for kernel, bias in self._parameters]

    @staticmethod
    def _state(weights: Weights) -> Any:
        parameters = [(jnp.asarray(kernel.T), jnp.asarray(bias)) for kernel, bias in weights]
        return parameters, jax.tree.map(jnp.zeros_like, parameters), jax.tree.map(jnp.zeros_like, parameters)

    def _shuffles(self, rng: np.random.Generator, epochs: int) -> NDArray[np.int32]:
        """The rows of a call, of which it uses `epochs`: no more are drawn."""
        if epochs == self._calls:
            return self._batches.shuffled(rng, epochs)
        rows = np.zeros((self._calls, self._batches.steps, self._batches.size), np.int32)
        if epochs:
            rows[:epochs] = self._batches.shuffled(rng, epochs)
        return rows

    def _plan(self, epochs_done: int) -> tuple[NDArray[np.float32], ...]:
        shape = self._calls, self._batches.steps
        sizes, epsilons = adam_steps(self._config, epochs_done * self._batches.steps, shape[0] * shape[1])
        shares = self._batches.shares.astype(np.float32)
        return self._batches.weights, shares, sizes.reshape(shape), epsilons.reshape(shape)


def _test_arrays(data: TrainingData, tests: Batches | None) -> Any:
    """(batches, features, rows) of inputs and targets, and each row's share of the mean; padding has none."""
    if tests is None:
        return ()
    rows = tests.in_order()
    share = (tests.weights * tests.shares[:, None]).astype(np.float32)
    x, y = data.x_test[rows].transpose(0, 2, 1), data.y_test[rows].transpose(0, 2, 1)
    return jnp.asarray(x), jnp.asarray(y), jnp.asarray(share)


_cache_events: list[str] = []


def _listen(event: str, **_: object) -> None:
    if event == "/jax/compilation_cache/cache_hits":
        _cache_events.append(event)


jax.monitoring.register_event_listener(_listen)


def _cache_hits() -> int:
    """Programs that this process has read from JAX's persistent cache."""
    return len(_cache_events)


class JaxEngine:
    """JAX on the CPU or whatever device JAX finds first.

    Compiled programs are kept on disk where JAX_COMPILATION_CACHE_DIR or `cache_directory` says. A call into
    JAX trains `epochs_per_call` epochs; None chooses by the size of the work.
    """

    name = "jax"

    def __init__(self, cache_directory: str | None = None, epochs_per_call: int | None = None) -> None:
        if epochs_per_call is not None and epochs_per_call < 1:
            raise EngineError(f"epochs_per_call is {epochs_per_call}; it must be at least 1, or None")
        self._calls = epochs_per_call
        if cache_directory is not None:
            jax.config.update("jax_compilation_cache_dir", cache_directory)
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
            jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

    def versions(self) -> Mapping[str, str]:
        """Versions, device, layout, and what else changes the energy of the same training."""
        device = jax.devices()[0]
        return {
            "jax": jax.__version__,
            "jaxlib": jaxlib.__version__,
            "numpy": np.__version__,
            "platform": device.platform,
            "device": device.device_kind,
            "layout": "feature-major",
            "weights": "glorot_uniform",
            "shuffle": "host",
            "denormals": "flushed to zero",
            "xla_flags": os.environ.get("XLA_FLAGS", ""),
        }

    def compile(self, network: Network, data: TrainingData, config: TrainingConfig) -> JaxTraining:
        """Compile the program and place the data."""
        return JaxTraining(network, data, config, self._calls)
