"""Whether a data set file is what it says it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sciflow.core.errors import InputError, UnknownNameError
from sciflow.data import splits
from sciflow.data.handle import unreadable
from sciflow.data.reader import Dataset
from sciflow.data.source import FileSource
from sciflow.data.values import nonfinite_frame, nonfinite_message


def check_file(path: str | Path) -> list[str]:
    """Everything that is wrong with a data set file, one sentence each; an empty list if nothing is.

    Looks at: the file itself; the schema, with increasing coordinates and masks; fields, parameters and inputs that the
    file's problem has but the file does not; splits that are empty, overlap or name cases that are not there; NaN and
    infinity in inputs and valid frames, with case and frame; values in solid cells; the hash of the content. Everything
    is read twice, with bounded memory.

    Args:
        path: the file.
    """
    path = Path(path).absolute()
    try:
        source = FileSource(path)
        dataset = Dataset(source)
        return [*_incomplete(dataset), *_splits(dataset), *_values(dataset), *_changed(source)]
    except InputError as error:
        return [str(error)]
    except (OSError, RuntimeError, KeyError) as error:
        return [str(unreadable(path, error))]


def missing_names(problem: str, fields: Sequence[str], parameters: Sequence[str], inputs: Sequence[str]) -> list[str]:
    """What a registered problem has and a data set does not: evolving or steady fields, parameters, and inputs.

    Raises:
        UnknownNameError: the problem is not registered.
    """
    from sciflow import problems

    known = problems.get(problem)
    missing = [f"field '{name}'" for name in (*known.evolution, *known.steady) if name not in fields]
    missing += [f"parameter '{info.name}'" for info in known.parameters if info.name not in parameters]
    return missing + [f"input '{info.name}'" for info in known.inputs if info.name not in inputs]


def _incomplete(dataset: Dataset) -> Iterator[str]:
    if not dataset.problem:
        return
    parameters = [*dataset.parameters, *dataset.hidden]
    try:
        missing = missing_names(dataset.problem, dataset.fields, parameters, dataset.inputs)
    except UnknownNameError:  # a problem of a package that is not installed here
        return
    absent = [f"field '{name}'" for name in str(dataset.attrs.get("absent", "")).split()]  # so says the importer
    for item in missing:
        if item in absent:
            continue
        yield f"The {item} of the problem '{dataset.problem}' is missing."


def _splits(dataset: Dataset) -> Iterator[str]:
    for name, parts in dataset.splits.items():
        yield from splits.violations(parts, len(dataset), f"The split '{name}'")


def _values(dataset: Dataset) -> Iterator[str]:
    """The first bad frame of each field and case, and solid cells that do not hold 0."""
    masks = dataset.mask_values()
    seen: set[tuple[str, int]] = set()
    for position, begin, block in dataset.blocks():
        fluid = None if masks is None else masks[position if len(masks) > 1 else 0]
        for channel, name in enumerate(dataset.fields):
            if (name, position) in seen:
                continue
            frames = block[:, channel]
            bad = nonfinite_frame(frames if fluid is None else frames[:, fluid])
            if bad is not None:
                yield nonfinite_message(name, position, begin + bad)
            elif fluid is not None and np.any(frames[:, ~fluid] != 0):
                yield f"The field '{name}' does not hold 0 in the solid cells of case {position}."
            else:
                continue
            seen.add((name, position))
    for name, spec in dataset.source.specs.items():
        if spec.attrs.get("role") == "input":
            by_case = "case" in spec.dims
            values = (dataset.source.read(name, case) for case in range(len(dataset)) if by_case)
            for case, one in enumerate(values if by_case else [dataset.xarray[name].values]):
                if not np.isfinite(one).all():
                    yield f"The input '{name}' holds NaN or infinity{f' in case {case}' if by_case else ''}."


def _changed(source: FileSource) -> Iterator[str]:
    noted = source.stored_digests()
    if noted is None:
        yield "The file notes no hash of its content; write it anew with sciflow.data.write to add one."
        return
    static, cases = source.computed_digests()
    if static != noted[0]:
        yield "The coordinates or other shared values have changed since the file was written (their hash differs)."
    if len(cases) != len(noted[1]):
        yield f"The file was written with {len(noted[1])} cases and now has {len(cases)}."
    for case, (now, then) in enumerate(zip(cases, noted[1], strict=False)):
        if now != then:
            yield f"The values of case {case} have changed since the file was written (their hash differs)."
