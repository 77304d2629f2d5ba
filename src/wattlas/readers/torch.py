"""Reads a PyTorch module: one forward pass, and every operation in it seen as it is dispatched.

So a product in a hand-written `forward` counts like one in `nn.Linear`, and what is not known is named. Sizes
are the example's over its first dimension, the batch. Modules stay in the mode that they are in, except
that batch norms, which would refuse a batch of one, use their running statistics meanwhile.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from wattlas.core.errors import DataError, UsageError
from wattlas.networks.layers import Layer, LayeredNetwork
from wattlas.readers.aten import COPIES, COUNTED, FREE, QUIET, Work
from wattlas.readers.reading import UNNAMED, Reading, check_known
from wattlas.readers.source import explain


@dataclass
class _Frame:
    """A module that is being run."""

    name: str
    module: Any
    counted: bool = False
    free: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return f"{self.name} ({type(self.module).__name__})"


class _Watch(TorchDispatchMode):  # type: ignore[misc,unused-ignore]
    """Sees every operation of a forward pass over `batch` data."""

    def __init__(self, model: Any, batch: int) -> None:
        super().__init__()
        self.layers: list[Layer] = []
        self.free: Counter[str] = Counter()
        self.unknown: dict[str, str] = {}
        self._batch = batch
        self._frames = [_Frame(UNNAMED, model)]
        self._owners = {_storage(p): (n.rpartition(".")[0], p) for n, p in model.named_parameters()}
        self._used: set[int] = set()
        # Held, so that no other tensor gets their memory.
        self._copies: list[Any] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operation, then take note of it."""
        result = func(*args, **(kwargs or {}))
        name, frame = func.overloadpacket.__name__, self._frames[-1]
        made = result[0] if isinstance(result, (tuple, list)) and result else result
        if name in COUNTED:
            self._count(COUNTED[name](args, made), made, frame)
        elif self._is_bias(name, args, frame):
            self._add_bias(args, made)
        elif func.is_view or name in QUIET:
            if name in COPIES and (known := self._owners.get(_storage(args[0]))):
                self._copies.append(made)
                self._owners[_storage(made)] = known
        elif name in FREE or torch.Tag.pointwise in func.tags:
            frame.free[name.strip("_")] += 1
        else:
            self.unknown.setdefault(str(frame), f"{name} is not counted")
        return result

    @contextmanager
    def modules(self, model: Any) -> Iterator[None]:
        """Know which module runs."""
        handles = []
        for name, module in model.named_modules():
            if name:
                handles.append(module.register_forward_pre_hook(self._enter(name)))
                handles.append(module.register_forward_hook(self._leave, always_call=True))
        try:
            yield
            self.free.update(self._frames[0].free)
        finally:
            for handle in handles:
                handle.remove()

    def name_unused(self, model: Any) -> None:
        """Name the modules with trained parameters that no counted operation uses."""
        modules = dict(model.named_modules())
        for owner, p in self._owners.values():
            if p.requires_grad and id(p) not in self._used:
                where = str(_Frame(owner or UNNAMED, modules[owner]))
                self.unknown.setdefault(where, "its parameters are counted, what is done with them is not")

    def _enter(self, name: str) -> Callable[[Any, Any], None]:
        return lambda module, _inputs: self._frames.append(_Frame(name, module))

    def _leave(self, module: Any, _inputs: Any, _output: Any) -> None:
        frame = self._frames.pop()
        if frame.counted or any(True for _ in module.children()):
            self.free.update(frame.free)
        elif str(frame) not in self.unknown and not any(True for _ in module.parameters()):
            self.free[type(module).__name__] += 1

    def _count(self, work: Work, made: Any, frame: _Frame) -> None:
        frame.counted = True
        factors = [each for each in work.factors if each is not None]
        data = [each for each in factors if _storage(each) not in self._owners]
        for each in (*factors, *([] if work.bias is None else [work.bias])):
            self._use(each)
        if not data:
            self.unknown.setdefault(str(frame), "a product of parameters alone is not counted")
            return
        kind = "linear" if work.kind == "matmul" and len(data) < len(factors) else work.kind
        self.layers.append(
            Layer(
                name=frame.name,
                kind=kind,
                macs=self._each(work.macs),
                inputs=self._each(sum(each.numel() for each in data)),
                outputs=self._each(made.numel()),
                biases=0 if work.bias is None else self._each(made.numel()),
                gradients=min(2, sum(each.requires_grad for each in factors)),
            )
        )

    def _is_bias(self, name: str, args: Sequence[Any], frame: _Frame) -> bool:
        """Whether a parameter of the module is added to what its product has just made."""
        if name not in ("add", "add_") or not frame.counted or not self.layers or self.layers[-1].biases:
            return False
        owners = [self._owners[_storage(a)][0] for a in args if _is_tensor(a) and _storage(a) in self._owners]
        return len(owners) == 1 and (owners[0] or UNNAMED) == frame.name == self.layers[-1].name

    def _add_bias(self, args: Sequence[Any], made: Any) -> None:
        for each in args:
            self._use(each)
        self.layers[-1] = replace(self.layers[-1], biases=self._each(made.numel()))

    def _use(self, tensor: Any) -> None:
        if _is_tensor(tensor) and (known := self._owners.get(_storage(tensor))):
            self._used.add(id(known[1]))

    def _each(self, of_batch: int) -> int:
        """Per datum, rounded up."""
        return -(-of_batch // self._batch)


def read(model: Any, example: Any, input_shape: Sequence[int] | None) -> Reading:
    """The layers of a module, from one forward pass of `example`, or of a datum of `input_shape`.

    Arguments:
        example: a batch, as a tensor, a tuple of arguments or a dict of named ones; its first dimension is
            the batch.

    Raises:
        UsageError: neither an example nor a shape.
        DataError: TorchScript, nothing to train, or a forward pass that fails.
    """
    model = getattr(model, "_orig_mod", model)  # what torch.compile wraps
    if any(isinstance(each, torch.jit.ScriptModule) for each in model.modules()):
        raise DataError(
            "the model is TorchScript, which hides its layers; return the module that was scripted"
        )
    if example is None:
        example = _example(model, input_shape)
    args, kwargs = _arguments(example)
    inputs = list(_tensors((args, kwargs)))
    if not inputs or any(each.dim() == 0 for each in inputs):
        raise UsageError(
            "the example input has no tensor with a batch dimension; return (module, example batch)"
        )
    batch = inputs[0].shape[0]
    with _readable(model), torch.enable_grad():
        try:
            if any(torch.nn.parameter.is_lazy(p) for p in model.parameters()):
                model(*args, **kwargs)  # its parameters get their sizes
            watch = _Watch(model, batch)
            with watch.modules(model), watch:
                outputs = list(_tensors(model(*args, **kwargs)))
        except Exception as error:
            shapes = ", ".join(str(tuple(each.shape)) for each in inputs)
            raise DataError(
                f"the forward pass failed on an input of shape {shapes}: {explain(error)}; give the right "
                "--input-shape (without the batch), or return (module, example batch)"
            ) from error
    watch.name_unused(model)
    unknown = tuple(f"{where}: {why}" for where, why in watch.unknown.items())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    check_known(len(watch.layers), trained, unknown)
    network = LayeredNetwork(
        n_inputs=-(-sum(each.numel() for each in inputs) // batch),
        n_outputs=max(1, -(-sum(each.numel() for each in outputs) // batch)),
        n_parameters=trained,
        layers=tuple(watch.layers),
    )
    frozen = sum(p.numel() for p in model.parameters()) - trained
    return Reading("torch", network, frozen, dict(watch.free), unknown)


def _example(model: Any, input_shape: Sequence[int] | None) -> Any:
    if input_shape is None:
        raise UsageError(
            "a PyTorch module does not say what its input is; give --input-shape, such as 3,224,224, or "
            "return (module, example batch)"
        )
    like = next((p for p in model.parameters() if p.is_floating_point()), None)
    where = {} if like is None else {"dtype": like.dtype, "device": like.device}
    return torch.zeros((1, *input_shape), **where)


def _arguments(example: Any) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    if isinstance(example, Mapping):
        return (), example
    return (tuple(example), {}) if isinstance(example, (tuple, list)) else ((example,), {})


def _tensors(value: Any) -> Iterator[Any]:
    """Tensors in nested tuples, lists and dicts."""
    if _is_tensor(value):
        yield value
    elif isinstance(value, (Mapping, tuple, list)):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _tensors(each)


@contextmanager
def _readable(model: Any) -> Iterator[None]:
    """Batch norms use their running statistics, and are as they were afterwards."""
    norms = [
        m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm) and m.training
    ]
    try:
        for norm in norms:
            norm.eval()
        yield
    finally:
        for norm in norms:
            norm.train()


def _is_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor)


def _storage(tensor: Any) -> int:
    """What views of a tensor share."""
    return int(tensor.untyped_storage()._cdata)
