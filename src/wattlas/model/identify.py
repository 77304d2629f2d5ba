"""What data cannot tell of coefficients: which are the prior's, which are loose, which go together."""

import math
from typing import Any

import numpy as np

from wattlas.model.fit import Fit
from wattlas.model.law import SHAPES, Columns, evaluate_law

# A coefficient whose log standard deviation stays above this share of its prior's is the prior's.
PRIORS_SHARE = 0.5
# One known less well than this relative standard uncertainty is called loose.
LOOSE = 0.5
# A pair with a larger correlation is told apart poorly.
CORRELATED = 0.9


def undetermined(fit: Fit) -> tuple[str, ...]:
    """Coefficients of which the data say next to nothing; their value is the prior's."""
    sd = np.sqrt(np.diag(fit.covariance))
    return tuple(
        n for n, s, prior in zip(fit.law.free, sd, fit.prior.sd, strict=True) if s > PRIORS_SHARE * prior
    )


def findings(fit: Fit, c: Columns) -> list[dict[str, Any]]:
    """What the data cannot tell, each with the `coefficients` that it is about."""
    names, result = fit.law.free, []
    sd = np.sqrt(np.diag(fit.covariance))
    open_ = undetermined(fit)
    for k, name in enumerate(names):
        if name in open_:
            result.append(
                {"coefficients": [name], "finding": "not determined by these data; its value is the prior's"}
            )
        elif sd[k] > LOOSE:
            factor = math.exp(1.96 * sd[k])
            result.append(
                {"coefficients": [name], "finding": f"known within a factor of {factor:.2g} only (95 %)"}
            )
    energy, gradient = evaluate_law(fit.law, fit.x, c)
    correlation = fit.covariance / np.outer(sd, sd)
    for j in range(len(names)):
        for i in range(j):
            if abs(correlation[i, j]) <= CORRELATED:
                continue
            finding: dict[str, Any] = {
                "coefficients": [names[i], names[j]],
                "finding": "told apart poorly",
                "correlation": round(float(correlation[i, j]), 3),
            }
            if names[i] not in SHAPES and names[j] not in SHAPES:
                # ln of the sum of both, where that is the largest part of an energy: its slopes are shares.
                parts = gradient[:, [i, j]]
                row = parts[np.argmax(parts.sum(axis=1) / energy)]
                share = row / row.sum()
                variance = share @ fit.covariance[np.ix_([i, j], [i, j])] @ share
                finding["together_relative_u"] = round(float(np.sqrt(variance)), 4)
                finding["finding"] += "; what they cost together is known better than either"
            result.append(finding)
    return result
