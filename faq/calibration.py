"""From scores to probabilities: a conditional logit over the entries and over "none of them"."""

from dataclasses import dataclass

import numpy as np

from faq.arrays import Floats, Positions

# Newton's method converges in six or seven steps here; the penalty only keeps a separable FAQ's weights finite.
_STEPS = 25
_PENALTY = 1e-5
_CONVERGED = 1e-6


@dataclass(frozen=True)
class Evidence:
    """What speaks for each entry and for none of them: arrays of shape (..., entries, features) and (..., features)."""

    entries: Floats
    none: Floats


class Calibration:
    """P(entry) = exp(w . its features) / sum over all entries and "none", after McFadden's conditional logit (1974)."""

    def __init__(self, entry_weights: Floats, none_weights: Floats) -> None:
        self.entry_weights = entry_weights
        self.none_weights = none_weights

    def probabilities(self, evidence: Evidence) -> Floats:
        """Return each entry's probability along the last axis, and at its end that of "none"."""
        utilities = np.concatenate(
            [evidence.entries @ self.entry_weights, (evidence.none @ self.none_weights)[..., None]], axis=-1
        )
        odds = np.exp(utilities - utilities.max(axis=-1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=-1, keepdims=True))

    @classmethod
    def fit(cls, evidence: Evidence, right: Positions, importance: Floats) -> "Calibration":
        """Return the likeliest weights, given each example's right class ("none" is the last) and its importance."""
        examples, classes, width = evidence.entries.shape
        features = np.zeros((examples, classes + 1, width + evidence.none.shape[1]))
        features[:, :-1, :width] = evidence.entries
        features[:, -1, width:] = evidence.none
        share = importance / importance.sum()
        weights = np.zeros(features.shape[2])
        likelihood = -np.inf
        for _ in range(_STEPS):
            gain, gradient, curvature = _slope(features, right, share, weights)
            if gain - likelihood < _CONVERGED:
                break
            likelihood, step = gain, np.linalg.solve(curvature, gradient)
            while _likelihood(features, right, share, weights + step) < likelihood:
                step /= 2
            weights = weights + step
        return cls(weights[:width], weights[width:])


def _likelihood(features: Floats, right: Positions, share: Floats, weights: Floats) -> float:
    utilities = features @ weights
    highest = utilities.max(axis=1)
    total = highest + np.log(np.exp(utilities - highest[:, None]).sum(axis=1))
    return float(share @ (utilities[np.arange(len(right)), right] - total) - _PENALTY * weights @ weights)


def _slope(features: Floats, right: Positions, share: Floats, weights: Floats) -> tuple[float, Floats, Floats]:
    """Return the penalized log-likelihood, its gradient and its (negative) Hessian."""
    utilities = features @ weights
    chances = np.exp(utilities - utilities.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    expected = np.einsum("nc,ncf->nf", chances, features)
    gradient = share @ (features[np.arange(len(right)), right] - expected) - 2 * _PENALTY * weights
    spread = features - expected[:, None, :]
    curvature = np.einsum("ncf,ncg->fg", spread * (share[:, None] * chances)[..., None], spread, optimize=True)
    return (
        _likelihood(features, right, share, weights),
        gradient,
        curvature + 2 * _PENALTY * np.eye(len(weights)),
    )
