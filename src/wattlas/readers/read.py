"""Reads a person's own model with the reader of its framework."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from wattlas.core.errors import UsageError
from wattlas.readers.reading import Reading
from wattlas.readers.source import framework_of, make_model


def read_own_model(target: str, input_shape: Sequence[int] | None = None) -> Reading:
    """The model that MODULE.py:FUNCTION returns: a module, (module, example input), or a Keras model.

    Arguments:
        target: MODULE.py:FUNCTION.
        input_shape: of one datum, for a module that comes without an example.

    Raises:
        UsageError, DataError: it cannot be made or read; the message says why.
    """
    return read_made(make_model(target), input_shape)


def read_made(made: Any, input_shape: Sequence[int] | None = None) -> Reading:
    """`read_own_model` of a model that is made already.

    Raises:
        UsageError: it is no model, or its input is not known or said twice.
        DataError: it cannot be read.
    """
    model, example = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    framework = framework_of(model)
    if framework is None:
        raise UsageError(
            f"the function returned a {type(made).__name__}; return a torch.nn.Module, a pair (module, "
            "example batch), or a Keras model"
        )
    if example is not None and input_shape is not None:
        raise UsageError("the function returns an example input; leave out --input-shape")
    reading: Reading = import_module(f"wattlas.readers.{framework}").read(model, example, input_shape)
    return reading
