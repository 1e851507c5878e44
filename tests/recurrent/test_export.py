"""Recurrent networks as programs of `torch.export`, and what that leaves behind."""

from __future__ import annotations

import pytest
import torch

from sciflow.recurrent.canonical import CanonicalGRNN
from sciflow.recurrent.fernn import FERNN

NETWORKS = [
    (FERNN, {"mixing": 1}),
    (FERNN, {"cell": "gru", "pool": "evidence", "local": 2.0}),
    (FERNN, {"spacing": 0.5}),
    (CanonicalGRNN, {"refine": 2}),
]


def arguments(batch):
    generator = torch.Generator().manual_seed(batch)
    return {
        "x": torch.randn(batch, 2, 1, 5, generator=generator),
        "parameters": torch.zeros(batch, 0),
        "signals": torch.zeros(batch, 3, 0),
        "mask": torch.ones(batch, 1, 5),
        "coordinates": torch.zeros(batch, 1, 5),
        "dt": torch.ones(batch),
        "inputs": torch.zeros(batch, 0, 5),
    }


@pytest.mark.parametrize(("network", "options"), NETWORKS, ids=str)
def test_export_with_any_batch(network, options, make_sizes):
    torch.manual_seed(0)
    sizes = make_sizes(1, frames_in=2)
    network = network(sizes, width=3, **options)
    shapes = {name: {0: torch.export.Dim("batch")} for name in arguments(2)}
    with torch.no_grad():
        program = torch.export.export(network.eval(), (), arguments(2), dynamic_shapes=shapes).module()
        for batch in (1, 3):
            found, wanted = program(**arguments(batch)), network(**arguments(batch))
            assert (found - wanted).abs().max() < 1e-6
    network(**arguments(2)).sum().backward()  # tracing leaves no stand-ins behind
