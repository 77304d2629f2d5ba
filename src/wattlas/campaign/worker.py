"""The process that trains: started by the driver, pinned to its CPUs, gone when the driver is gone.

Only the standard library is imported before the process is pinned: numeric libraries count the CPUs when they
load.
"""

import os
import signal
import sys
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from wattlas.core.parent import die_with_parent

if TYPE_CHECKING:
    from wattlas.campaign.messages import Compile, Compiled
    from wattlas.engines.base import CompiledTraining, Engine, TrainingData


def main(arguments: list[str]) -> int:
    """Serve commands from the inherited connection until the driver closes it."""
    handle, parent, engine_name, cpus = int(arguments[0]), int(arguments[1]), arguments[2], arguments[3]
    if not die_with_parent(parent):
        return 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.sched_setaffinity(0, {int(cpu) for cpu in cpus.split(",")})
    # What libraries print must not reach the stdout of `sweep run`, which may be a JSON document.
    os.dup2(2, 1)
    with Connection(handle) as connection:
        _serve(connection, engine_name)
    return 0


def _serve(connection: Connection, engine_name: str) -> None:
    from wattlas.campaign.messages import Compile, Hello, Train, Trained
    from wattlas.engines.registry import load_engine

    engine = load_engine(engine_name)
    data: dict[str, TrainingData] = {}
    compiled: CompiledTraining | None = None
    connection.send(Hello(dict(engine.versions()), tuple(sorted(os.sched_getaffinity(0)))))
    while True:
        try:
            command = connection.recv()
        except EOFError:
            return
        # Whatever an engine raises ends this process; its traceback in the log is the record of the failed
        # run, and the next run starts from a clean process.
        if isinstance(command, Compile):
            compiled, answer = _compile(engine, data, command)
            connection.send(answer)
        elif isinstance(command, Train) and compiled is not None:
            connection.send(Trained(compiled.run(command.seed)))


def _compile(
    engine: "Engine", cache: "dict[str, TrainingData]", command: "Compile"
) -> "tuple[CompiledTraining, Compiled]":
    from wattlas.campaign.facts import load_data, task_of
    from wattlas.campaign.messages import Compiled

    key = f"{command.dataset.model_dump_json()} {command.test_fraction}"
    if key not in cache:
        # One dataset at a time would reload it for almost every run of a shuffled sweep.
        cache[key] = load_data(command.dataset, command.test_fraction)
    data = cache[key]
    compiled = engine.compile(command.network, data, command.config)
    answer = Compiled(
        start_s=compiled.compile_start_s,
        end_s=compiled.compile_end_s,
        task=task_of(data),
        n_train=len(data.x_train),
        n_test=len(data.x_test),
        fingerprint=data.fingerprint,
    )
    return compiled, answer


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
