"""PyTorch's operations (ATen) by name: those that are counted and how, and those that are free.

A tensor is asked for its shape and number of elements only.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


def _names(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text))


# Only move, make or name tensors.
QUIET = _names(
    """
    _fused_sdp_choice _local_scalar_dense _to_copy _unsafe_view arange bernoulli bernoulli_ cat clone
    contiguous copy_ empty empty_like empty_strided eye fill_ full full_like gather index index_select
    lift_fresh new_empty new_full new_ones new_zeros normal_ ones ones_like rand rand_like randint randn
    randn_like randperm repeat scalar_tensor scatter select_scatter slice_scatter split_with_sizes_copy stack
    uniform_ unsafe_split unsafe_split_with_sizes zero_ zeros zeros_like
    """
)
# Copies of a parameter stand for it.
COPIES = frozenset(("_to_copy", "clone", "repeat"))
# No work of their own beside the layer that they follow; elementwise operations are so as well.
FREE = _names(
    """
    _adaptive_avg_pool2d _adaptive_avg_pool3d _log_softmax _safe_softmax _softmax adaptive_max_pool2d
    adaptive_max_pool3d all amax amin any argmax argmin avg_pool2d avg_pool3d constant_pad_nd cumsum flip glu
    linalg_vector_norm masked_fill max max_pool2d_with_indices max_pool3d_with_indices mean min
    native_dropout pixel_shuffle pixel_unshuffle prod reflection_pad1d reflection_pad2d reflection_pad3d
    replication_pad1d replication_pad2d replication_pad3d roll sort std sum topk tril triu upsample_bicubic2d
    upsample_bilinear2d upsample_linear1d upsample_nearest1d upsample_nearest2d upsample_nearest3d
    upsample_trilinear3d var var_mean
    """
)


@dataclass(frozen=True)
class Work:
    """A counted operation on a batch: its multiply-accumulates, its factors, and the bias that it adds."""

    kind: str
    macs: int
    factors: tuple[Any, ...]
    bias: Any = None


def _product(left: int, bias: int | None = None) -> Callable[[Sequence[Any], Any], Work]:
    """Work of a matrix product whose factors stand at `left` and after it in the arguments."""

    def work(args: Sequence[Any], made: Any) -> Work:
        a, b = args[left], args[left + 1]
        return Work("matmul", made.numel() * a.shape[-1], (a, b), None if bias is None else args[bias])

    return work


def _convolution(args: Sequence[Any], made: Any) -> Work:
    x, weight, bias, transposed = args[0], args[1], args[2], args[6]
    # Of each output position a product with a filter; transposed, of each input position.
    positions = x if transposed else made
    return Work("convolution", positions.numel() * weight[0].numel(), (x, weight), bias)


def _normalisation(weight: int) -> Callable[[Sequence[Any], Any], Work]:
    def work(args: Sequence[Any], made: Any) -> Work:
        return Work("normalisation", made.numel(), (args[0], args[weight]), args[weight + 1])

    return work


def _embedding(args: Sequence[Any], made: Any) -> Work:
    return Work("embedding", 0, (args[0], args[1]))


def _attention(args: Sequence[Any], made: Any) -> Work:
    query, key, value = args[:3]
    # Queries times keys, and their weights times values.
    scores = query.numel() // query.shape[-1] * key.shape[-2]
    return Work("attention", scores * (query.shape[-1] + value.shape[-1]), (query, key, value))


COUNTED: Mapping[str, Callable[[Sequence[Any], Any], Work]] = {
    **dict.fromkeys(("mm", "bmm", "mv", "dot", "vdot"), _product(0)),
    **dict.fromkeys(("addmm", "baddbmm", "addmv"), _product(1, bias=0)),
    "convolution": _convolution,
    "native_layer_norm": _normalisation(2),
    **dict.fromkeys(
        (
            "native_batch_norm",
            "_native_batch_norm_legit",
            "_native_batch_norm_legit_no_training",
            "_batch_norm_with_update",
            "cudnn_batch_norm",
            "miopen_batch_norm",
            "native_group_norm",
        ),
        _normalisation(1),
    ),
    "embedding": _embedding,
    **dict.fromkeys(
        (
            "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_efficient_attention",
            "_scaled_dot_product_cudnn_attention",
        ),
        _attention,
    ),
}
