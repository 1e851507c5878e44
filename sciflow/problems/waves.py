"""Starts that a number names: random-looking waves as an expression, equal for all cases of equal number."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import sympy

from sciflow.core.errors import InputError
from sciflow.problems.symbols import plain


def numbered_waves(
    number: Any, periods: Mapping[Any, Any], *, modes: int = 5, amplitude: Any = 1, decay: int = 1
) -> sympy.Expr:
    """Sum of cosines with wave numbers 0 < |k| <= `modes`, whose phases follow from a number.

    u(x) = sum_k a_k cos(2 pi (k.x / L + number sqrt(p_k))), with a_k = a |k|^-decay, a so that the root mean square is
    `amplitude`, and p_k the primes 2, 3, 5, ... Roots of primes are independent over the rational numbers, so that the
    phases of the numbers 0, 1, 2, ... fill all combinations evenly (Weyl, 1916, Math. Ann. 77, 313-352). Unlike
    `random_fourier`, which follows the seed of a case, cases can share a start and differ in all else.

    Args:
        number: a `Parameter` or a number; whole numbers up to a few thousand work well.
        periods: period along each coordinate, as in ``{x: length}``.
        modes: largest wave number.

    Raises:
        InputError: there is no period, or no mode.
    """
    if not periods or modes < 1:
        raise InputError(f"numbered_waves needs a period along some axis and modes of at least 1, not {modes}.")
    waves = [
        wave
        for wave in itertools.product(range(-modes, modes + 1), repeat=len(periods))
        if wave > (0,) * len(wave) and sum(k**2 for k in wave) <= modes**2
    ]
    sizes = [sympy.Integer(sum(k**2 for k in wave)) ** sympy.Rational(-decay, 2) for wave in waves]
    scale = plain(amplitude) / sympy.sqrt(sum(size**2 for size in sizes) / 2)
    total: sympy.Expr = sympy.Integer(0)
    for index, (wave, size) in enumerate(zip(waves, sizes, strict=True), 1):
        turns = sum(k * plain(axis) / plain(period) for k, (axis, period) in zip(wave, periods.items(), strict=True))
        total += scale * size * sympy.cos(2 * sympy.pi * (turns + plain(number) * sympy.sqrt(sympy.prime(index))))
    return total
