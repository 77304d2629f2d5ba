"""Offset and scale of each node's power, fitted to repetitions of an experiment on different nodes.

For a run r of experiment e on node i of type t, with the power P above the idle power of the reference type,

    P[r] = μ[e] + o[i] + s[i] x[e] + ε,   o[i] = q (idle[i] - reference) + a[t] + b[i],   s[i] = c[t] + d[i]

where x[e] is the experiment's mean power above idle. μ goes by taking each run from its experiment's mean.
The effects of types (a, c) and nodes (b, d) are drawn towards 0 (ridge), so that what the readings of idle
power say stands until repetitions say otherwise. The penalties are chosen by leaving out experiments (a fifth
at a time), and so is the spread that is reported. The standard power is (P - o) / (1 + s).

Reference: Hoerl and Kennard, Ridge Regression, Technometrics 12 (1970) 55.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator, cg

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FOLDS = 5
# Prior standard deviations to choose from: of a node's offset (W) and of scales; and those of the rest.
_NODE_OFFSETS_W = (0.3, 1.0, 3.0)
_SCALES = (0.001, 0.01, 0.03)
_TYPE_OFFSET_W = 3.0
# A reading of idle power is a whole watt, and a low percentile of two months; its slope is believed to 0.1.
_U_IDLE_W = 0.6
_IDLE_PRIOR = 0.1


@dataclass(frozen=True)
class NodeEffects:
    """Of one kind of node; arrays by node.

    Attributes:
        offset_w, u_offset_w: to take from the node's power.
        scale, u_scale: of the node's power above idle; 1 if it is like the reference.
        n_repeats: runs of it that have a repetition on another node.
        prior_sd: the prior standard deviations that were chosen: node offset (W), scale.
        spread_w: spread of repetitions about their experiment's mean, by held-out experiments: raw, published
            (idle of the type), and ours.
        n_experiments: with repetitions on different nodes.
    """

    offset_w: Floats
    u_offset_w: Floats
    scale: Floats
    u_scale: Floats
    n_repeats: Ints
    prior_sd: tuple[float, float]
    spread_w: dict[str, float]
    n_experiments: int


@dataclass(frozen=True)
class _Fit:
    """Runs with a repetition on another node ([n]), and what is known of the nodes ([nodes])."""

    power_w: Floats
    weight: Floats
    group: Ints
    node: Ints
    x: Floats
    idle_w: Floats
    node_type: Ints
    reference_w: float

    @property
    def known_w(self) -> Floats:
        """[nodes] idle power above that of the reference type."""
        return self.idle_w - self.reference_w

    @property
    def n_types(self) -> int:
        return int(self.node_type.max(initial=0)) + 1

    def design(self) -> csr_array:
        """[n, 1 + 2 types + 2 nodes] idle, offset and scale by type, offset and scale by node."""
        n, nodes, types = len(self.power_w), len(self.idle_w), self.n_types
        of_type, one = self.node_type[self.node], np.ones(n)
        columns = (0 * of_type, 1 + of_type, 1 + types + of_type, 1 + 2 * types + self.node,
                   1 + 2 * types + nodes + self.node)  # fmt: skip
        values = (self.known_w[self.node], one, self.x, one, self.x)
        shape = (n, 1 + 2 * types + 2 * nodes)
        rows = np.tile(np.arange(n), 5)
        return csr_array((np.concatenate(values), (rows, np.concatenate(columns))), shape=shape)

    def prior(self, sd: tuple[float, float]) -> Floats:
        """1 / sd² of every coefficient."""
        nodes, types = len(self.idle_w), self.n_types
        parts = ([_IDLE_PRIOR], [_TYPE_OFFSET_W] * types, [sd[1]] * types, [sd[0]] * nodes, [sd[1]] * nodes)
        return 1 / np.square(np.concatenate(parts))

    def effects(self, coefficients: Floats) -> tuple[Floats, Floats]:
        """[nodes] offset and scale - 1."""
        types, nodes = self.n_types, len(self.idle_w)
        q, a, c, b, d = np.split(coefficients, np.cumsum([1, types, types, nodes]))
        return self.known_w * (1 + q[0]) + a[self.node_type] + b, c[self.node_type] + d


def fit_node_effects(
    power_w: Floats, u_power_w: Floats, experiment: Ints, node: Ints,
    idle_w: Floats, type_idle_w: Floats, node_type: Ints, reference_w: float,
) -> NodeEffects:  # fmt: skip
    """Fit the runs (`power_w`, `u_power_w`, `experiment`, `node`, each [n]) of one kind of node.

    `idle_w`, `type_idle_w` and `node_type` are by node; `reference_w` is idle power of the reference type.
    """
    shared = _shared(experiment, node)
    y, i, u = power_w[shared], node[shared], u_power_w[shared]
    group = np.unique(experiment[shared], return_inverse=True)[1]
    n_experiments = int(group.max(initial=-1)) + 1
    weight = 1 / (u**2 + _scatter_w2(y - type_idle_w[i], group, u))
    x = np.maximum(_mean(y - idle_w[i], group, n_experiments)[group], 0.0)
    fit = _Fit(y, weight, group, i, x, idle_w, node_type, reference_w)
    design = fit.design()
    fold = (group * 7919) % FOLDS
    choices = list(product(_NODE_OFFSETS_W, _SCALES))
    spreads = []
    for choice in choices:
        left = np.zeros(len(y))
        for k in range(FOLDS):
            offset, change = fit.effects(_solve(fit, design, fold != k, choice))
            standard = reference_w + (y - offset[i] - reference_w) / (1 + change[i])
            left[fold == k] = standard[fold == k]
        spreads.append(_within(left, group, weight))
    best = choices[int(np.argmin(spreads))] if n_experiments >= 2 * FOLDS else choices[0]
    everything = np.ones(len(y), dtype=bool)
    offset, change = fit.effects(_solve(fit, design, everything, best))
    u_offset, u_scale = _uncertainties(fit, best)
    return NodeEffects(
        offset_w=offset,
        u_offset_w=u_offset,
        scale=1 + change,
        u_scale=u_scale,
        n_repeats=np.bincount(i, minlength=len(idle_w)),
        prior_sd=best,
        spread_w={
            "raw": _within(y, group, weight),
            "published": _within(y - type_idle_w[i], group, weight),
            "ours": float(min(spreads)),
        },
        n_experiments=n_experiments,
    )


def _solve(fit: _Fit, design: csr_array, use: NDArray[np.bool_], sd: tuple[float, float]) -> Floats:
    """Ridge coefficients by conjugate gradients: a run touches five of them, whatever the number of nodes."""
    prior = fit.prior(sd)
    a, w, g = design[use], fit.weight[use], fit.group[use]
    if a.shape[0] == 0:
        return np.zeros(design.shape[1])
    n = int(g.max()) + 1
    total = np.maximum(np.bincount(g, w, n), 1e-300)

    def centred(values: Floats) -> Floats:
        return w * (values - (np.bincount(g, w * values, n) / total)[g])

    target = (fit.power_w - fit.known_w[fit.node])[use]
    transposed = a.T.tocsr()
    operator = LinearOperator(
        (a.shape[1], a.shape[1]), matvec=lambda v: prior * v + transposed @ centred(a @ v), dtype=float
    )
    diagonal = prior + a.multiply(a).T @ w
    scale = LinearOperator(operator.shape, matvec=lambda v: v / diagonal, dtype=float)
    found, _ = cg(operator, transposed @ centred(target), rtol=1e-6, maxiter=500, M=scale)
    return np.asarray(found, dtype=np.float64)


def _uncertainties(fit: _Fit, sd: tuple[float, float]) -> tuple[Floats, Floats]:
    """[nodes] of offset and scale, each node by itself: its prior and its runs, the others taken as known."""
    nodes, w = len(fit.idle_w), fit.weight
    n = np.bincount(fit.group)[fit.group]
    # The mean that a run is taken from holds the run itself.
    w = w * (n - 1) / np.maximum(n, 1)
    aa = np.bincount(fit.node, w, nodes) + 1 / sd[0] ** 2
    ax = np.bincount(fit.node, w * fit.x, nodes)
    xx = np.bincount(fit.node, w * fit.x**2, nodes) + 1 / sd[1] ** 2
    determinant = aa * xx - ax**2
    return np.hypot(np.sqrt(xx / determinant), _U_IDLE_W), np.sqrt(aa / determinant)


def _shared(experiment: Ints, node: Ints) -> NDArray[np.bool_]:
    """Runs whose experiment ran on more than one node."""
    pairs = np.unique(np.column_stack((experiment, node)), axis=0)
    names, counts = np.unique(pairs[:, 0], return_counts=True)
    return np.isin(experiment, names[counts > 1])


def _mean(values: Floats, group: Ints, n: int, weight: Floats | None = None) -> Floats:
    w = np.ones(len(values)) if weight is None else weight
    return np.bincount(group, values * w, n) / np.maximum(np.bincount(group, w, n), 1e-300)


def _scatter_w2(values: Floats, group: Ints, u: Floats) -> float:
    """Variance between repetitions that their own uncertainties do not explain (robust)."""
    away = np.abs(values - _mean(values, group, int(group.max(initial=-1)) + 1)[group])
    return float(max((1.4826 * np.median(away)) ** 2 * 2 - np.median(u) ** 2, 0.25)) if len(values) else 1.0


def _within(values: Floats, group: Ints, weight: Floats) -> float:
    """Weighted standard deviation of runs about their experiment's mean."""
    n = int(group.max(initial=-1)) + 1
    if n == 0:
        return float("nan")
    away = values - _mean(values, group, n, weight)[group]
    return float(np.sqrt(np.sum(weight * away**2) / np.sum(weight) * len(values) / max(1, len(values) - n)))
