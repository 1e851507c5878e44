"""Splits of a data set by case: drawn once, named, stored in the file outside the hashed values.

A split maps parts ("train", "valid", "test", or names of your own) to indices of cases::

    data = data.with_split(random(data, counts={"train": 22, "valid": 3, "test": 7}, seed=0, interior="Re"))
    data = data.with_split(extrapolate(data, "Re", fraction=0.2), name="extrapolate")
    data.train, data.split("extrapolate")["test"]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from sciflow.core.errors import InputError, near
from sciflow.data.schema import with_role

if TYPE_CHECKING:
    from sciflow.data.reader import Dataset

Split = dict[str, list[int]]
FRACTIONS = {"train": 0.7, "valid": 0.1, "test": 0.2}
_DEDUPLICATED = {"train": 0.8, "valid": 0.1, "test": 0.1}
_OTHERS = {"train": 0.875, "valid": 0.125}
_FLOW = ("parameter", "coefficient")  # roles of the coordinates that determine a case


class CannotSplit(InputError):
    """The cases that are there do not allow the split: they lack a list, do not differ, or are too few."""


def random(
    cases: int | Dataset,
    fractions: Mapping[str, float] | None = None,
    *,
    counts: Mapping[str, int] | None = None,
    seed: int = 0,
    interior: str | Sequence[str] = (),
) -> Split:
    """Cases dealt out at random.

    Args:
        cases: their number, or a data set.
        fractions: share of each part, adding up to 1; by default 0.7 train, 0.1 valid, 0.2 test.
        counts: number of cases of each part instead, adding up to all cases.
        seed: the same seed draws the same split.
        interior: names of case parameters in which all other parts must lie inside the training range, so that testing
            interpolates: the cases with the lowest and highest value of each are put into "train". Needs a data set.

    Raises:
        InputError: a part would be empty, the numbers do not add up, or a parameter does not exist.
    """
    indices = np.arange(cases) if isinstance(cases, int) else np.asarray(cases.cases)
    sizes = _sizes(len(indices), fractions, counts)
    names = [interior] if isinstance(interior, str) else list(interior)
    fixed = np.zeros(len(indices), bool)
    if names:
        if isinstance(cases, int):
            raise InputError("The option interior needs the parameters of a data set; give the data set, not a number.")
        if sizes.get("train", 0) == 0:
            raise InputError("The option interior needs a part called 'train'.")
        for name in names:
            values = _values(cases, name)
            fixed[[int(np.argmin(values)), int(np.argmax(values))]] = True
        if fixed.sum() > sizes["train"]:
            raise InputError(
                f"The part 'train' has {sizes['train']} cases, but {int(fixed.sum())} are needed to enclose the others "
                f"in {', '.join(names)}; make it larger."
            )
    drawn = np.random.default_rng(seed).permutation(indices[~fixed])
    parts: Split = {}
    begin = 0
    for part, size in sizes.items():
        own = indices[fixed] if part == "train" else indices[:0]
        end = begin + size - len(own)
        parts[part] = sorted(int(case) for case in (*own, *drawn[begin:end]))
        begin = end
    return parts


def extrapolate(
    dataset: Dataset,
    parameter: str,
    *,
    fraction: float = 0.2,
    threshold: float | None = None,
    side: Literal["high", "low"] = "high",
    valid: float = 0.1,
    seed: int = 0,
) -> Split:
    """Test cases whose parameter lies strictly outside the range of all others; under-resolved cases are left out.

    Args:
        dataset: the cases.
        parameter: name of a case parameter, or of a dimensionless number of the problem such as "Re".
        fraction: share of the cases to test on, those with the most extreme values; cases of equal value stay together.
        threshold: test on all values beyond this one instead (above it for "high", below it for "low").
        side: which end of the parameter's range is tested.
        valid: share of the remaining cases for validation, drawn at random; 0 for no such part.
        seed: for that draw.

    Raises:
        InputError: a part would be empty, or the parameter does not exist.
    """
    if side not in ("high", "low"):
        raise InputError(f"The side of an extrapolation is {side!r}; expected 'high' or 'low'.")
    if not 0 < fraction < 1 or not 0 <= valid < 1:
        raise InputError(f"The shares must lie between 0 and 1; given are fraction={fraction} and valid={valid}.")
    dataset = _resolved(dataset)
    sign = 1.0 if side == "high" else -1.0
    values = sign * _values(dataset, parameter)
    if threshold is None:
        wanted = max(1, round(fraction * len(values)))
        limit = float(np.sort(values)[-wanted - 1]) if wanted < len(values) else float(values.max())
        if limit == values.max() > values.min():  # more cases at the end of the range than wanted: all of them
            limit = float(values[values < limit].max())
    else:
        limit = sign * threshold
    test = values > limit
    if not test.any() or test.all():
        raise CannotSplit(
            f"The split by '{parameter}' leaves no case for {'testing' if not test.any() else 'training'}; its values "
            f"run from {sign * values.min():g} to {sign * values.max():g}."
        )
    return _outside(dataset, test, valid, seed)


def where(dataset: Dataset, parameter: str, values: Sequence[float]) -> Split:
    """Test cases that have one of the listed values of a parameter; all others are for training.

    Args:
        parameter: name of a case parameter, or of a dimensionless number of the problem such as "Re".
        values: as declared; numbers that differ by less than a millionth count as equal.

    Raises:
        InputError: the parameter does not exist, no case has one of the values, or all cases have one.
    """
    known = _values(dataset, parameter)
    test = np.isclose(known[:, None], np.asarray(list(values), np.float64), rtol=1e-6, atol=0).any(axis=1)
    if not test.any() or test.all():
        raise CannotSplit(
            f"The split by '{parameter}' in {list(values)} leaves no case for "
            f"{'training' if test.any() else 'testing'}; its values run from {known.min():g} to {known.max():g}."
        )
    cases = np.asarray(dataset.cases)
    return {"train": cases[~test].tolist(), "test": cases[test].tolist()}


def listed(
    dataset: Dataset, subsets: Sequence[str], fractions: Mapping[str, float] | None = None, *, seed: int = 0
) -> Split:
    """Test cases from named lists of the problem; all others are dealt out at random to the other parts.

    Args:
        dataset: generated from several subsets, such as ``"training+published"``.
        subsets: the lists to test on.
        fractions: share of each part among the other cases, adding up to 1; by default 0.875 train, 0.125 valid.
        seed: for that draw.

    Raises:
        InputError: a list is not in the data set, no other case is left, or a part would be empty or is called "test".
    """
    test = np.concatenate(list(members(dataset, subsets).values()))
    others = np.setdiff1d(dataset.cases, test)
    shares = dict(fractions or _OTHERS)
    if "test" in shares:
        raise InputError("A split by subsets fills the part 'test' from its lists; leave it out of the fractions.")
    if not len(others):
        raise CannotSplit(f"The split by the subsets {', '.join(subsets)} leaves no case for training.")
    drawn = random(len(others), shares, seed=seed)
    parts = {part: sorted(int(others[index]) for index in own) for part, own in drawn.items()}
    return {**parts, "test": sorted(int(case) for case in test)}


def grouped(dataset: Dataset, parts: Mapping[str, Sequence[str]]) -> Split:
    """For each part, the cases of the named groups of the recipe that the data set was generated from.

    Raises:
        InputError: the data set was generated without groups, or has no case of one of them.
    """
    return {
        part: sorted(int(case) for own in _named(dataset, "group", names).values() for case in own)
        for part, names in parts.items()
    }


def outermost(
    dataset: Dataset,
    parameters: Sequence[str],
    *,
    fraction: float = 0.2,
    valid: float = 0.1,
    seed: int = 0,
) -> Split:
    """Test cases whose parameters, such as those of a geometry, lie farthest from the middle of all cases.

    Distance of a case: the largest over the parameters of |ln(value / median)|, each divided by its largest value over
    the cases. All cases that are trained on are strictly closer to the middle than those that are tested on.
    Under-resolved cases are left out.

    Args:
        dataset: the cases.
        parameters: names of positive case parameters.
        fraction: share of those cases to test on whose parameters are not all at the median (in a union of lists most
            are); cases of equal distance stay together, so that it is met as nearly as they let it.
        valid: share of the remaining cases for validation, drawn at random; 0 for no such part.
        seed: for that draw.

    Raises:
        InputError: a parameter does not exist or is not positive, no parameter varies, or a part would be empty.
    """
    if not parameters or not 0 < fraction < 1 or not 0 <= valid < 1:
        raise InputError(f"The split needs parameters, and shares between 0 and 1, not {fraction=} and {valid=}.")
    dataset = _resolved(dataset)
    columns = [_values(dataset, name) for name in parameters]
    for name, column in zip(parameters, columns, strict=True):
        if (column <= 0).any():
            raise InputError(f"The split by the parameter '{name}' needs positive values; it has {column.min():g}.")
    logs = [np.abs(np.log(column / np.median(column))) for column in columns]
    spread = [log / log.max() for log in logs if log.max() > 1e-9]
    if not spread:
        raise CannotSplit(f"The split by {', '.join(parameters)} needs cases that differ in them.")
    distance = np.max(spread, axis=0).round(9)
    varied = distance[distance > 0]
    wanted = fraction * len(varied)
    limits = np.unique(distance)[:-1]
    limit = min(limits, key=lambda level: abs(int((distance > level).sum()) - wanted))
    return _outside(dataset, distance > limit, valid, seed)


def deduplicated(
    dataset: Dataset, fractions: Mapping[str, float] | None = None, *, seed: int = 0, subsets: Sequence[str] = ()
) -> Split:
    """Cases dealt out at random, each flow once: of cases that are equal in all parameters only the first is kept.

    Two cases are the same flow if all case parameters and signal coefficients agree to 1e-9. Flows that are merely
    similar (one Reynolds number in other units) have other fields in SI units and are different cases.

    Args:
        dataset: the cases.
        fractions: share of each part, adding up to 1; by default 0.8 train, 0.1 valid, 0.1 test.
        seed: the same seed draws the same split.
        subsets: lists to take cases from; by default all cases.

    Raises:
        InputError: a part would be empty, or a list is not in the data set.
    """
    chosen = np.concatenate(list(members(dataset, subsets).values())) if subsets else dataset.cases
    part = dataset.select(chosen)
    names = [name for name in map(str, part.header.coords) if part.header[name].attrs.get("role") in _FLOW]
    values = np.stack([np.asarray(part.header[name].values, float) for name in names] or [np.arange(len(part))], axis=1)
    kept: list[int] = []
    for row in range(len(values)):
        if not kept or not np.isclose(values[kept], values[row], rtol=1e-9, atol=0.0).all(axis=1).any():
            kept.append(row)
    drawn = random(len(kept), fractions or _DEDUPLICATED, seed=seed)
    return {name: sorted(int(part.cases[kept[index]]) for index in own) for name, own in drawn.items()}


def members(dataset: Dataset, subsets: Sequence[str]) -> dict[str, np.ndarray]:
    """Cases of a data set by the list that they come from.

    Raises:
        InputError: the data set does not say so, or has no case of a list.
    """
    return _named(dataset, "subset", subsets)


def _named(dataset: Dataset, kind: str, wanted: Sequence[str]) -> dict[str, np.ndarray]:
    """Cases by the names in a coordinate of numbers that have names (CF flags)."""
    header = dataset.header
    if kind not in header.coords or "flag_meanings" not in header[kind].attrs:
        raise InputError(f"The data set does not say from which {kind} a case comes; generate it from listed {kind}s.")
    names = str(header[kind].attrs["flag_meanings"]).split()
    values = np.atleast_1d(header[kind].attrs.get("flag_values", np.arange(len(names))))
    flags = dict(zip(names, values, strict=True))
    found = {}
    for name in wanted:
        own = dataset.cases[np.asarray(header[kind].values) == flags[name]] if name in flags else dataset.cases[:0]
        if not own.size:
            raise CannotSplit(f"The data set has no case of the {kind} '{name}'.{near(name, names)}")
        found[name] = own
    return found


def _resolved(dataset: Dataset) -> Dataset:
    """Without cases that the solver marked as under-resolved: extreme ones have no truth to be tested on."""
    if "resolved" not in dataset.header.coords:
        return dataset
    good = np.asarray(dataset.header["resolved"].values, bool)
    return dataset if good.all() or not good.any() else dataset.select(dataset.cases[good])


def _outside(dataset: Dataset, test: np.ndarray, valid: float, seed: int) -> Split:
    """The cases to test on, and the others dealt out to training and validation."""
    kept = np.random.default_rng(seed).permutation(dataset.cases[~test])
    count = round(valid * len(kept)) if valid == 0 else max(1, round(valid * len(kept)))
    parts = {"train": kept[count:], "valid": kept[:count], "test": dataset.cases[test]}
    if not len(parts["train"]):
        raise CannotSplit("The split leaves no case for training; lower its fraction, or its share for validation.")
    return {part: sorted(int(case) for case in cases) for part, cases in parts.items() if len(cases)}


def checked(parts: Mapping[str, Sequence[int] | np.ndarray], cases: int, where: str = "The split") -> Split:
    """A split as plain lists, after making sure that it can be used.

    Raises:
        InputError: the first of `violations`.
    """
    found = violations(parts, cases, where)
    if found:
        raise InputError(found[0])
    return {str(part): [int(case) for case in own] for part, own in parts.items()}


def violations(parts: Mapping[str, Sequence[int] | np.ndarray], cases: int, where: str = "The split") -> list[str]:
    """What is wrong with a split of ``cases`` cases, one sentence each."""
    if not parts:
        return [f"{where} has no parts; give at least 'train' and 'test'."]
    found = []
    owner: dict[int, str] = {}
    for part, own in parts.items():
        indices = np.asarray(own)
        if indices.size == 0:
            found.append(f"{where} has no case in its part '{part}'; leave the part out or give it cases.")
            continue
        if indices.ndim != 1 or indices.dtype.kind not in "iu":
            found.append(f"{where} must list integer indices of cases in its part '{part}'.")
            continue
        outside = indices[(indices < 0) | (indices >= cases)]
        if outside.size:
            found.append(f"{where} names the case {int(outside[0])} in '{part}'; the data set has {cases} cases.")
        for case in map(int, indices):
            if case in owner:
                both = f"in '{owner[case]}' and '{part}'"
                found.append(f"{where} has the case {case} twice ({both}); parts must not overlap.")
                break
            owner[case] = part
    return found


def _sizes(cases: int, fractions: Mapping[str, float] | None, counts: Mapping[str, int] | None) -> dict[str, int]:
    """Number of cases of each part; every part that was asked for gets at least one."""
    if counts is not None:
        if fractions is not None:
            raise InputError("A split takes fractions or counts, not both.")
        sizes = {part: int(count) for part, count in counts.items()}
        if sum(sizes.values()) != cases:
            raise InputError(f"The counts of a split add up to {sum(sizes.values())}; there are {cases} cases.")
    else:
        shares = dict(fractions or FRACTIONS)
        if abs(sum(shares.values()) - 1) > 1e-6 or min(shares.values(), default=0) < 0:
            raise InputError(f"The fractions of a split must be positive and add up to 1, not {shares}.")
        sizes = {part: max(1, round(share * cases)) for part, share in shares.items()}
        largest = max(sizes, key=lambda part: sizes[part])
        sizes[largest] += cases - sum(sizes.values())
    empty = [part for part, size in sizes.items() if size < 1]
    if empty or not sizes:
        raise InputError(f"The split leaves no case for '{(empty or ['train'])[0]}'; there are {cases} cases.")
    return sizes


def _values(dataset: Dataset, parameter: str) -> np.ndarray:
    """A case parameter, hidden or not, or a dimensionless number that the problem derives from them."""
    numbers = with_role(dataset.header, "number")
    known = [*dataset.parameters, *dataset.hidden, *numbers]
    if parameter not in known:
        raise InputError(f"The data set has no parameter '{parameter}'.{near(parameter, known)}")
    return np.asarray(dataset.header[parameter].values, np.float64)
