"""What a network costs: floating-point operations and memory."""

from __future__ import annotations

import sys

import torch
from torch.utils.flop_counter import FlopCounterMode

from sciflow.training.checkpoint import Counters
from sciflow.training.step import Batch, StepModel


@torch.no_grad()
def flops_per_frame(model: StepModel, batch: Batch) -> float:
    """Operations for one frame of one case, a multiply-add counted as two.

    torch's counter knows matrix products, convolutions and attention; fast Fourier transforms and point-wise functions
    are not counted.

    Args:
        model: on the device of the batch.
        batch: one window.
    """
    model.eval()
    with FlopCounterMode(display=False) as counter:
        frames = model.advance(batch)
    return float(counter.get_total_flops()) / (frames.shape[0] * frames.shape[1])


def reset_peak(device: torch.device) -> None:
    """Start to measure the peak memory of a GPU; that of a process cannot be reset."""
    if device.type == "cuda":
        torch.cuda.init()  # counters exist from then on
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> float | None:
    """Bytes: on a GPU the most that tensors took since :func:`reset_peak`, else the most that this process ever took.

    None where the system does not tell (Windows).
    """
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def training_cost(model: StepModel, batch: Batch, counters: Counters, device: torch.device) -> dict[str, float]:
    """What a finished training took, and what a forecast takes; see :meth:`Surrogate.cost`.

    Args:
        model: the trained step.
        batch: one window, on the device of the model.
        counters: of the training.
        device: where it ran.
    """
    weights = list(model.network.parameters())
    cost = {
        "parameters": float(sum(weight.numel() * (2 if weight.is_complex() else 1) for weight in weights)),
        "flops": flops_per_frame(model, batch),
        "steps": float(counters.step),
        "training_seconds": counters.seconds,
        "data_wait_fraction": counters.waited / counters.seconds,
    }
    peak = peak_memory(device)
    return cost if peak is None else {**cost, "peak_memory": peak}
