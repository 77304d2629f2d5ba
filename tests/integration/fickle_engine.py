"""An engine for tests, installed as a plugin: trains nothing, and fails where it is told to."""

import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from wattlas.engines.base import TrainingConfig, TrainingData, TrainingResult
from wattlas.networks.network import Network

EPOCH_S = 0.002


def now_s() -> float:
    return time.clock_gettime(time.CLOCK_MONOTONIC)


class FickleTraining:
    """Sleeps for its epochs; `FICKLE` names a directory of orders: a file `<n_parameters>` holds one."""

    def __init__(self, network: Network, config: TrainingConfig) -> None:
        self.compile_start_s = self.compile_end_s = now_s()
        self.network, self.config = network, config

    def run(self, seed: int, on_epochs: Callable[[int], None] | None = None) -> TrainingResult:
        order = Path(os.environ.get("FICKLE", "/nonexistent")) / str(self.network.n_parameters)
        wish = order.read_text() if order.exists() else ""
        if wish == "killed once":
            order.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        if wish == "raise":
            raise ValueError("this network is not to my taste")
        loss = np.linspace(1.0, 0.1, self.config.epochs + 1) + (seed % 1000) * 1e-6
        start_s = now_s()
        times = [start_s]
        for _ in range(self.config.epochs):
            time.sleep(EPOCH_S)
            times.append(now_s())
        end_s = np.array(times)
        if wish == "diverge":
            loss[1:] = np.nan
            end_s[2:] = np.nan
        return TrainingResult(loss, loss, 1 - loss, end_s, start_s, now_s(), wish == "diverge", 1, 0)


class FickleEngine:
    name = "fickle"

    def versions(self) -> Mapping[str, str]:
        return {"fickle": "1"}

    def compile(self, network: Network, data: TrainingData, config: TrainingConfig) -> FickleTraining:
        return FickleTraining(network, config)
