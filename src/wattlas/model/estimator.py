"""The energy model with scikit-learn's conventions, and the learned baseline: the one module that imports it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor

# Below this, binned trees have too few rows in a bin.
SMALL = 500


def boosted(
    train: NDArray[np.float64], log_energy: NDArray[np.float64], test: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Log energies of `test` by gradient-boosted trees fitted to `train`."""
    if len(train) < SMALL:
        model: Any = GradientBoostingRegressor(
            random_state=0, n_estimators=300, max_depth=3, learning_rate=0.05
        )
    else:
        model = HistGradientBoostingRegressor(random_state=0)
    predicted: NDArray[np.float64] = model.fit(train, log_energy).predict(test)
    return predicted
