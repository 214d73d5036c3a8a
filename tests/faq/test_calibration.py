"""Scores become probabilities that hold."""

import numpy as np
import pytest

from faq.calibration import Calibration, Evidence


def chances(examples, seed=1):
    """Draw evidence for three entries and for none, and what is right by weights 3 and 2 with a bias of -1."""
    random = np.random.default_rng(seed)
    evidence = Evidence(random.normal(size=(examples, 3, 1)), np.ones((examples, 1)))
    true = Calibration(np.array([3.0]), np.array([-1.0]))
    drawn = [random.choice(4, p=each) for each in true.probabilities(evidence)]
    return evidence, np.array(drawn), true


def test_the_weights_behind_the_data_are_found():
    evidence, right, true = chances(20_000)
    fitted = Calibration.fit(evidence, right, np.ones(len(right)))
    assert fitted.entry_weights == pytest.approx(true.entry_weights, abs=0.1)
    assert fitted.none_weights == pytest.approx(true.none_weights, abs=0.1)


def test_what_is_given_a_probability_of_70_percent_is_right_in_70_percent():
    evidence, right, _ = chances(20_000)
    fitted = Calibration.fit(evidence, right, np.ones(len(right)))
    unseen, answers, _ = chances(20_000, seed=2)
    probability = fitted.probabilities(unseen)
    best = probability.max(axis=1)
    near = (best > 0.65) & (best < 0.75)
    assert (probability.argmax(axis=1) == answers)[near].mean() == pytest.approx(0.7, abs=0.04)


def test_what_can_be_told_apart_for_certain_still_has_finite_weights():
    evidence = Evidence(np.array([[[1.0], [0.0]], [[0.0], [1.0]]] * 50), np.zeros((100, 1)))
    fitted = Calibration.fit(evidence, np.array([0, 1] * 50), np.ones(100))
    assert np.isfinite(fitted.entry_weights).all()
    assert fitted.probabilities(evidence)[0, 0] > 0.99
