"""Statistics of wall-bounded turbulence: profiles in wall units, spectra, structures, distributions, correlations."""

from __future__ import annotations

from sciflow.evaluation.turbulence.correlations import two_point_correlation
from sciflow.evaluation.turbulence.densities import increments, probability_density
from sciflow.evaluation.turbulence.profiles import frame_profiles, friction_velocity, wall_profiles
from sciflow.evaluation.turbulence.published import compare, jackknife, published_profiles
from sciflow.evaluation.turbulence.spectra import energy_spectrum, statistics_spectrum
from sciflow.evaluation.turbulence.stress import total_stress
from sciflow.evaluation.turbulence.structures import q_criterion

__all__ = [
    "compare",
    "energy_spectrum",
    "frame_profiles",
    "friction_velocity",
    "increments",
    "jackknife",
    "probability_density",
    "published_profiles",
    "q_criterion",
    "statistics_spectrum",
    "total_stress",
    "two_point_correlation",
    "wall_profiles",
]
