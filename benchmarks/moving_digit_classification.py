"""Which digit moves under noise? Classifiers of clips, trained on some velocities and tested on others.

    python benchmarks/moving_digit_classification.py [--seconds S | --steps N] [--seeds N] [--folder results/...]

Clips of one handwritten digit (8 x 8 pixels) that crosses a periodic canvas of 12 x 12 pixels at a constant hidden
velocity, in the manner of the shifted action clips of Keller (2025), arXiv:2507.14793. Each network is trained for the
same time on velocities {0}^2 and on {-1, 0, 1}^2, and tested on velocities up to 0, 1 and 2 pixels per frame; digits of
training, validation and test are different images. Flow-equivariant networks are also tested with the set of velocities
widened to {-2 … 2}^2, the weights as they are.

Finished trainings are kept in --folder and repeated only with other settings, so that a run that was cut off goes on.
The table goes to benchmarks/results/moving-digit-classification.md. The seconds of a training count on the clock, so
that they are comparable on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sciflow.core.files import atomic_path
from sciflow.recurrent.classification import Labelled, accuracy, fit_classifier
from sciflow.recurrent.classifier import SequenceClassifier
from sciflow.recurrent.cnn3d import CNN3D
from sciflow.solvers.images.clips import moving_clips

CANVAS, SIZE, CLASSES, TRAINED, TESTED, WIDEST = 12, 8, 10, (0, 1), (0, 1, 2), 2
OUT = Path(__file__).parent / "results" / "moving-digit-classification.md"
SMALL: dict[str, Any] = {"widths": (8, 16), "kernels": (3, 3)}
MODELS: dict[str, Callable[[], nn.Module]] = {
    "3D-CNN": lambda: CNN3D(1, CLASSES, width=8),
    "G-RNN": lambda: SequenceClassifier(1, CLASSES, velocities=0, **SMALL),
    "G-RNN+ R=1": lambda: SequenceClassifier(1, CLASSES, velocities=1, mover="learned", **SMALL),
    "FERNN R=1": lambda: SequenceClassifier(1, CLASSES, velocities=1, **SMALL),
    "FERNN R=2": lambda: SequenceClassifier(1, CLASSES, velocities=2, **SMALL),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=150.0, help="of each training, on the clock")
    parser.add_argument("--steps", type=int, help="updates of each training, instead of seconds")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each network")
    parser.add_argument("--noise", type=float, default=0.3, help="standard deviation; digits have 0 to 1")
    parser.add_argument("--frames", type=int, default=8, help="of a clip")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=5e-3, help="learning rate of all networks")
    parser.add_argument("--count", type=int, default=3000, help="training clips")
    parser.add_argument("--tests", type=int, default=400, help="test clips of each range of velocities")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("results/moving-digit-classification"))
    parser.add_argument("--out", type=Path, default=OUT, help="the table")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    settings = {
        name: getattr(options, name) for name in ("noise", "frames", "batch", "rate", "count", "tests", "device")
    }
    settings["budget"] = f"{options.steps} updates" if options.steps else f"{options.seconds:g} s on the clock"
    found = []
    for reach in TRAINED:
        for name in MODELS:
            for seed in range(options.seeds):
                found.append(finished(options, settings, name, reach, seed))
    table = as_markdown(found, settings, options)
    print(table)
    with atomic_path(options.out) as temporary:
        temporary.write_text(table)


def finished(options: argparse.Namespace, settings: dict[str, Any], name: str, reach: int, seed: int) -> dict[str, Any]:
    """The result of a training with these settings, from the folder or made now."""
    slug = name.lower().replace(" ", "-").replace("=", "").replace("+", "-plus")
    path = options.folder / f"{slug}-range{reach}-seed{seed}.json"
    if path.exists():
        known: dict[str, Any] = json.loads(path.read_text())
        if known["settings"] == settings:
            return known
    result = {"settings": settings, "model": name, "reach": reach, "seed": seed, **train(options, name, reach, seed)}
    options.folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(result, indent=1))
    rows = ", ".join(f"{row}: {values}" for row, values in result["tests"].items())
    print(f"{name}, trained on range {reach}, seed {seed}: {result['updates']} updates; {rows}", flush=True)
    return result


def train(options: argparse.Namespace, name: str, reach: int, seed: int) -> dict[str, Any]:
    """Train one network and test it on all ranges, as it is and, where that is possible, widened."""
    torch.manual_seed(seed)
    model = MODELS[name]().to(options.device)
    budget = {"steps": options.steps} if options.steps else {"seconds": options.seconds}
    trained = fit_classifier(
        model,
        *clips("train", options.count, reach, options),
        clips("valid", 250, reach, options),
        batch=options.batch,
        rate=options.rate,
        seed=seed,
        **budget,
    )
    variants = {name: model}
    if isinstance(model, SequenceClassifier) and name.startswith("FERNN"):
        variants[f"{name}, widened to R={WIDEST}"] = model.with_velocities(WIDEST)
    if name == f"FERNN R={WIDEST}":
        del variants[f"{name}, widened to R={WIDEST}"]
    tests = [clips("test", options.tests, test, options) for test in TESTED]
    return {
        "updates": trained.history[-1][0],
        "seconds": trained.history[-1][1],
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "valid": trained.accuracy,
        "tests": {label: [accuracy(variant, *test) for test in tests] for label, variant in variants.items()},
    }


def clips(part: str, count: int, reach: int, options: argparse.Namespace) -> Labelled:
    """Clips and labels as tensors."""
    made = moving_clips(part, count, reach=reach, frames=options.frames, canvas=CANVAS, size=SIZE, noise=options.noise)
    frames: Tensor = torch.from_numpy(made.frames)
    return frames.to(options.device), torch.from_numpy(made.labels).to(options.device)


def as_markdown(found: list[dict[str, Any]], settings: dict[str, Any], options: argparse.Namespace) -> str:
    """The table, with the command that made it."""
    given = f"--steps {options.steps}" if options.steps else f"--seconds {options.seconds:g}"
    device = torch.cuda.get_device_name() if options.device.startswith("cuda") else f"{options.threads} CPU thread"
    lines = [
        "# Moving digits under noise, classified",
        "",
        f"Made by `python benchmarks/moving_digit_classification.py {given} --seeds {options.seeds} --noise "
        f"{options.noise:g} --frames {options.frames} --batch {options.batch} --rate {options.rate:g} --count "
        f"{options.count} --tests {options.tests} --device {options.device} --threads {options.threads}`",
        f"on {device} ({platform.machine()}, torch {torch.__version__}). Each training had {settings['budget']}.",
        f"Accuracy on {options.tests} test clips for each range of velocities (pixels per frame); chance is 0.1;",
        "medians over seeds, with the lowest and the highest.",
        "",
        "| trained on range | network | parameters | updates | valid | "
        + " | ".join(f"test range {test}" for test in TESTED)
        + " |",
        "|" + "---|" * (5 + len(TESTED)),
    ]
    for reach in TRAINED:
        for name in MODELS:
            runs = [run for run in found if (run["model"], run["reach"]) == (name, reach)]
            for label in runs[0]["tests"]:
                cells = [_over(run["tests"][label][number] for run in runs) for number in range(len(TESTED))]
                updates = round(statistics.median(run["updates"] for run in runs))
                valid = _over(run["valid"] for run in runs)
                row = [f"{reach}", label, f"{runs[0]['parameters']:,}", f"{updates:,}", valid, *cells]
                lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"


def _over(values: Any) -> str:
    """Median of runs, and their range."""
    numbers = sorted(values)
    middle = f"{statistics.median(numbers):.3f}"
    return middle if len(numbers) == 1 else f"{middle} ({numbers[0]:.3f} … {numbers[-1]:.3f})"


if __name__ == "__main__":
    main()
