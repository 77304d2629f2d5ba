"""MODULE.py:FUNCTION: a person's file is run, and its function makes a model."""

import importlib.util
import sys
from pathlib import Path
from traceback import walk_tb
from types import ModuleType
from typing import Any

from wattlas.core.errors import DataError, UsageError

_OURS = Path(__file__).parents[1]
_FORM = "give MODULE.py:FUNCTION, such as my_model.py:make_model"


def make_model(target: str) -> Any:
    """What the function of `target` returns, called without arguments; or the model that has that name.

    The file's directory comes first on the import path, as when Python runs the file. The file runs in this
    process, with all that this may do.

    Raises:
        UsageError: the target is not of that form, or the file has no such function.
        DataError: the file or the function fails.
    """
    path, colon, name = target.rpartition(":")
    if not colon or not path or not name:
        raise UsageError(f"{target!r} does not say which function makes the model; {_FORM}")
    module = _run(Path(path))
    if not hasattr(module, name):
        made_here = [key for key, value in vars(module).items() if _offers(module, key, value)]
        listed = f"it has {', '.join(made_here)}" if made_here else "it has no functions"
        raise UsageError(f"{path} has no {name!r}; {listed}")
    found = getattr(module, name)
    if is_model(found) or isinstance(found, tuple):
        return found
    if not callable(found):
        raise UsageError(
            f"{name!r} in {path} is a {type(found).__name__}; name a function that returns a model"
        )
    try:
        return found()
    except (Exception, SystemExit) as error:
        raise DataError(
            f"{name}() of {path} failed: {explain(error)}; it is called without arguments and must return a "
            "model"
        ) from error


def framework_of(value: Any) -> str | None:
    """`torch` or `keras` if the value is a model of it; asked of its classes, so that neither is imported."""
    for each in type(value).__mro__:
        if each.__module__ == "torch.nn.modules.module":
            return "torch"
        if each.__module__.startswith(("keras.", "tf_keras.")) and hasattr(value, "count_params"):
            return "keras"
    return None


def is_model(value: Any) -> bool:
    """Whether it is a model of a framework that can be read. A class of models is none."""
    return framework_of(value) is not None


def explain(error: BaseException) -> str:
    """An error of a person's code in one line, with the last place in that code.

    >>> explain(ValueError("too wide"))
    'ValueError: too wide'
    """
    where = ""
    for frame, line in walk_tb(error.__traceback__):
        path = Path(frame.f_code.co_filename)
        if path.is_file() and "site-packages" not in path.parts and _OURS not in path.parents:
            where = f" ({path.name}, line {line})"
    return f"{type(error).__name__}: {' '.join(str(error).split())}{where}"


def _run(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"there is no file {path}; {_FORM}")
    # A name of its own: a person's `model.py` or `torch.py` must not stand in for an imported module.
    name = f"wattlas_own_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is no Python file; {_FORM}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.absolute().parent))
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        raise DataError(f"{path} needs {error.name}, which is not installed; pip install it here") from error
    except (Exception, SystemExit) as error:
        raise DataError(f"{path} failed: {explain(error)}; mend it so that 'python {path}' runs") from error
    return module


def _offers(module: ModuleType, name: str, value: Any) -> bool:
    """Whether a name of the module may make a model: written there, and no private one."""
    own = getattr(value, "__module__", None) == module.__name__
    return not name.startswith("_") and (is_model(value) or (callable(value) and own))
