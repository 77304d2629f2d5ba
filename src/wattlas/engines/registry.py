"""Engines by name: the built-in ones, and those of installed packages (entry points `wattlas.engines`)."""

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from wattlas.core.errors import EngineError, UnknownNameError
from wattlas.engines.base import Engine

GROUP = "wattlas.engines"
# Name: module, class, and the library that it needs with the way to install it.
_BUILT_IN = {
    "jax": ("wattlas.engines.jax", "JaxEngine", "jax", "pip install 'wattlas[train]'"),
    "numpy": ("wattlas.engines.numpy", "NumpyEngine", "numpy", "pip install numpy"),
    "torch": ("wattlas.engines.torch", "TorchEngine", "torch", "pip install 'wattlas[torch]'"),
}


def engine_names() -> tuple[str, ...]:
    """Every engine that can be asked for, installed or not, without importing any."""
    return tuple(sorted({*_BUILT_IN, *_plugins()}))


def load_engine(name: str) -> Engine:
    """Import and make an engine.

    Raises:
        UnknownNameError: no engine has this name.
        EngineError: the library it stands on is not installed, or a plugin makes no engine.
    """
    if name in _BUILT_IN:
        module, attribute, library, install = _BUILT_IN[name]
        try:
            engine: Engine = getattr(import_module(module), attribute)()
        except ModuleNotFoundError as error:
            if error.name != library:
                raise
            raise EngineError(
                f"engine {name!r} needs {library}, which is not installed; {install}"
            ) from error
        return engine
    plugins = _plugins()
    if name not in plugins:
        raise UnknownNameError("engine", name, engine_names())
    made: Engine = plugins[name].load()()
    if not callable(getattr(made, "compile", None)):
        raise EngineError(f"plugin {plugins[name].value!r} makes no engine; it must have a `compile` method")
    return made


def _plugins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
