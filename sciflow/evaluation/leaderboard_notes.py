"""What the columns of the tables mean, a sentence for each."""

from __future__ import annotations

from collections.abc import Sequence

from sciflow.evaluation.breakeven import BOUNDS
from sciflow.evaluation.number_text import short
from sciflow.evaluation.ranking import Entry
from sciflow.evaluation.statistics import LEVEL

_REFERENCES = {
    "persistence": "holding the start frame",
    "training mean": "always giving the mean of the training cases",
}
NMSE = (
    "NMSE: sum of squared errors over all frames of a case / sum of the squared truth, fields of one unit pooled and "
    "the mean taken over units; averaged over cases and seeds, with bootstrap confidence intervals over both."
)
BREAK_EVEN = (
    "Break-even: the number of solves after which (generation of the training and validation cases + tuning + "
    "training) / (seconds of a solve by the matched solver - by the method) is paid, with the "
    f"{LEVEL:.0%} interval of a bootstrap over test cases, seeds and timings. One solve is one case over the longest "
    "horizon; generation counts core-seconds; all seconds are taken as those of one device. Never: the method is not "
    "faster. Matched at: the coarsest reference solver whose NMSE is not above the method's. ≥: even the coarsest "
    "solver is more accurate, and a coarser one might do; ≤: even the finest is less accurate, a finer one is needed."
)
# Start of a column's heading -> what it means.
_COLUMNS = {
    "NMSE": NMSE,
    "relative L2": "Relative L2: the square root of a case's NMSE, then the mean over cases and seeds.",
    "equivariance": (
        "Equivariance error: how far the forecast of moved frames is from the moved forecast, relative to its size "
        "(relative L2 over all frames of a case), averaged over the suite's flows, cases and seeds; it says nothing "
        "about the truth."
    ),
    "worst case": "Worst case: the smallest factor of a single case.",
    "parameters": "Parameters: real numbers that were fitted.",
    "FLOPs": (
        "FLOPs/frame: floating-point operations for one frame of one case, a multiply-add counted as two; fast Fourier "
        "transforms and point-wise functions are not counted."
    ),
    "tuning": (
        "Tuning s: all trials of settings; every network that is tuned has the same number of trials (fewer if it has "
        "fewer settings to try) of the same number of steps, judged on the validation cases."
    ),
    "training": "Training s: wall time of the final training.",
    "ms/frame": "ms/frame: throughput of a batch over the longest horizon, without the first call.",
    "peak MB": (
        "Peak MB: on a GPU what tensors took; on a CPU the whole process with its libraries and whatever earlier "
        "methods left there, so it depends on the order of the suite and compares no methods."
    ),
    "break-even": BREAK_EVEN,
}


def notes(entries: Sequence[Entry], heads: Sequence[str]) -> str:
    """A sentence for each column of the leaderboard.

    Args:
        entries: the leaderboard.
        heads: its headings.
    """
    reference = entries[0].reference if entries else "persistence"
    gain = (
        f"x over {reference}: mean NMSE of {_REFERENCES.get(reference, reference)} / mean NMSE of the method, on the "
        "same frames."
    )
    grids = (
        "At, with a grid: the trained method on the same test cases on that grid, over the longest horizon; - where it "
        "cannot be used there."
    )
    found = [text for start, text in _COLUMNS.items() if any(head.startswith(start) for head in heads)]
    found.insert(1, gain)
    found += [grids] if any(entry.transfer for entry in entries) else []
    found += [_target(entries)] if "s to target" in heads else []
    return " ".join([*found, *_of_break_even(entries), *_behind(entries)])


def left_out(share: float) -> str:
    """What the table says of cases whose truth is not converged; nothing where there is none."""
    return f"Under-resolved: {share:.0%} of the cases; none of them is tested on.\n" if share else ""


def _behind(entries: Sequence[Entry]) -> list[str]:
    """The methods that are no better than the reference forecast, by horizon."""
    texts = []
    for steps in sorted({steps for entry in entries for steps in entry.scores}):
        behind = [entry for entry in entries if steps in entry.scores and not entry.scores[steps].gain.value > 1]
        names = [entry.method for entry in behind if entry.method != entry.reference]
        if names:
            over = f" over {steps} {'step' if steps == 1 else 'steps'}" if entries[0].kind == "forecast" else ""
            texts.append(f"No better than {entries[0].reference}{over}: {', '.join(names)}.")
    return texts


def _target(entries: Sequence[Entry]) -> str:
    target = next(entry.cost["target_error"] for entry in entries if "target_error" in entry.cost)
    return (
        f"s to target: training seconds until the validation error (normalised units) first was {short(target)} or "
        "below, which is the suite's target or else the worst of the networks' best; for networks that share "
        "normaliser, loss and predicted quantity; known to the interval between validations, tuning not counted."
    )


def _of_break_even(entries: Sequence[Entry]) -> list[str]:
    """What break-even numbers leave out, and for which methods if not for all."""
    found = [entry.break_even for entry in entries if entry.break_even is not None]
    methods: dict[str, list[str]] = {}
    for item in found:
        for text in item.note.split("; "):
            if text and text not in BOUNDS.values():  # those are signs in the table
                methods.setdefault(text, []).append(item.method)
    texts = [text if len(whose) == len(found) else f"{text} ({', '.join(whose)})" for text, whose in methods.items()]
    return [f"Break-even, also: {'; '.join(texts)}."] if texts else []
