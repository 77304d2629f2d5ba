"""How often the interval of `wattlas compare` holds the true ratio, beside other intervals one might choose.

Each row: a scenario, blocks, and for each method the share of trials whose interval holds the true ratio
of mean energies (nominal 95 %) and, in brackets, its median width as a share of the ratio. `chosen` is
the code that ships, with its level of 0.975; `paired` is the same with a level of 0.95; `unpaired`
ignores blocks; `log t` is a t interval of paired log ratios; `bootstrap` is the percentile interval of
resampled blocks; `signed rank` is Hodges and Lehmann's of log ratios, which does not exist below 6
blocks. Then: how often a true ratio of 1.03 is told from 1, how often 1 is, and how many more runs are
asked for where 1.03 is not.

    python bench/measure_compare.py [--trials 2000] [--seed 1]
"""

import argparse
import itertools

import numpy as np

from wattlas.power import comparison
from wattlas.power.student import two_sided_t
from wattlas.power.uncertainty import Energy

BLOCKS = (5, 10, 20)
RATIO = 1.03
N_RESAMPLED = 999


def scenarios(rng, shape):
    """Name -> energies of A and B with equal true means, each [trial, block]."""

    def normal(sd):
        return 100 * (1 + sd * rng.standard_normal(shape))

    def log_normal(sd):
        return 100 * np.exp(sd * rng.standard_normal(shape) - sd**2 / 2)

    def outlying(p):
        return normal(0.01) * (1 + 0.3 * (rng.random(shape) < p)) / (1 + 0.3 * p)

    drift = 1 + np.linspace(0, 0.1, shape[1]) + np.cumsum(0.01 * rng.standard_normal(shape), axis=1)
    order = np.where(rng.random(shape) < 0.5, 1, -1)
    return {
        "normal, sd 2 %": (normal(0.02), normal(0.02)),
        "log-normal, sd 0.2": (log_normal(0.2), log_normal(0.2)),
        "log-normal, sd 0.5": (log_normal(0.5), log_normal(0.5)),
        "drift of 10 % and a walk, sd 1 %": (drift * normal(0.01), drift * normal(0.01)),
        "second run 1 % up, sd 1 %": (normal(0.01) * (1 - 0.005 * order), normal(0.01) * (1 + 0.005 * order)),
        "1 run in 10 is 30 % up, sd 1 %": (outlying(0.1), outlying(0.1)),
        "A sd 1 %, B log-normal 0.2": (normal(0.01), log_normal(0.2)),
        "A sd 1 %, B log-normal 0.5": (normal(0.01), log_normal(0.5)),
        "A sd 1 %, 1 of B in 10 is 30 % up": (normal(0.01), outlying(0.1)),
    }


def fieller(mean_a, mean_b, var_a, cov, var_b):
    """Both ends, whose covariances are times t² already; NaN where there are none."""
    s_aa, s_ab, s_bb = mean_a**2 - var_a, mean_a * mean_b - cov, mean_b**2 - var_b
    root = np.sqrt(np.maximum(s_ab**2 - s_aa * s_bb, 0))
    s_aa = np.where(s_aa > 0, s_aa, np.nan)
    return (s_ab - root) / s_aa, (s_ab + root) / s_aa


def paired(a, b, level=0.95):
    n = a.shape[1]
    scale = two_sided_t(level, n - 1) ** 2 / n
    cov = ((a - a.mean(1, keepdims=True)) * (b - b.mean(1, keepdims=True))).sum(1) / (n - 1)
    return fieller(a.mean(1), b.mean(1), scale * a.var(1, ddof=1), scale * cov, scale * b.var(1, ddof=1))


def unpaired(a, b):
    n = a.shape[1]
    scale = two_sided_t(0.95, n - 1) ** 2 / n
    return fieller(a.mean(1), b.mean(1), scale * a.var(1, ddof=1), 0.0, scale * b.var(1, ddof=1))


def log_t(a, b):
    n = a.shape[1]
    log = np.log(b / a)
    half = two_sided_t(0.95, n - 1) * log.std(1, ddof=1) / np.sqrt(n)
    return np.exp(log.mean(1) - half), np.exp(log.mean(1) + half)


def bootstrap(a, b, rng):
    n = a.shape[1]
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=N_RESAMPLED) / n
    return np.quantile((b @ drawn.T) / (a @ drawn.T), (0.025, 0.975), axis=1)


def signed_rank(a, b):
    n = a.shape[1]
    log = np.log(b / a)
    first, second = np.triu_indices(n)
    walsh = np.sort((log[:, first] + log[:, second]) / 2, axis=1)
    # How many of the 2^n sign patterns give each rank sum.
    ways = np.ones(1)
    for rank in range(1, n + 1):
        ways = np.convolve(ways, np.r_[1, np.zeros(rank - 1), 1])
    cut = int(np.searchsorted(np.cumsum(ways) / 2**n, 0.025, side="right"))
    if cut == 0:
        return np.full(len(a), np.nan), np.full(len(a), np.nan)
    return np.exp(walsh[:, cut - 1]), np.exp(walsh[:, -cut])


def shipped(a, b):
    told = [
        comparison.compare(*([Energy(e) for e in row] for row in pair)) for pair in zip(a, b, strict=True)
    ]
    ends = ((t.lower, t.upper) for t in told)
    return np.array([[np.nan if x is None else x for x in pair] for pair in ends]).T


def coverage(rng, trials):
    print(f"coverage (width) of a true ratio of {RATIO}; {trials} trials, ± {(0.0475 / trials) ** 0.5:.1%}")
    names = ("chosen", "paired", "unpaired", "log t", "bootstrap", "signed rank")
    print(f"{'':34s}  n " + "".join(f"{name:>17s}" for name in names))
    for n in BLOCKS:
        for scenario, (a, b) in scenarios(rng, (trials, n)).items():
            b = RATIO * b
            intervals = (
                shipped(a, b),
                paired(a, b),
                unpaired(a, b),
                log_t(a, b),
                bootstrap(a, b, rng),
                signed_rank(a, b),
            )
            cells = []
            for low, high in intervals:
                if np.isnan(low).all():
                    cells.append("–")
                    continue
                # An interval without ends holds everything.
                holds = np.mean(~((low > RATIO) | (high < RATIO)))
                cells.append(f"{holds:.1%} ({np.nanmedian(high - low) / RATIO:.1%})")
            print(f"{scenario:34s} {n:2d} " + "".join(f"{cell:>17s}" for cell in cells))


def decisions(rng, trials):
    print("\ntold from 1 by the interval that ships, and the median of more_runs_needed where 1.03 is not")
    print(f"{'normal scatter':34s}  n   true ratio 1   true ratio 1.03   more runs")
    for sd, n in itertools.product((0.01, 0.02, 0.05), BLOCKS):
        row = []
        for ratio in (1.0, RATIO):
            a, b = 100 * (1 + sd * rng.standard_normal((2, trials, n)))
            told = [
                comparison.compare([Energy(e) for e in x], [Energy(ratio * e) for e in y])
                for x, y in zip(a, b, strict=True)
            ]
            row.append(np.mean([t.differs for t in told]))
        open_ones = [
            np.inf if t.more_blocks_needed is None else t.more_blocks_needed for t in told if not t.differs
        ]
        more = f"{np.median(open_ones):.0f}" if open_ones else "—"
        print(f"sd {sd:<31.0%} {n:2d} {row[0]:14.1%} {row[1]:17.1%} {more:>11s}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    rng = np.random.default_rng(asked.seed)
    coverage(rng, asked.trials)
    decisions(rng, min(asked.trials, 1000))


if __name__ == "__main__":
    main()
