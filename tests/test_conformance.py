"""Everything that the package registers passes the public conformance suites."""

from __future__ import annotations

import pytest

from sciflow.operators import networks
from sciflow.operators.sizes import Flow, Sizes, Traits
from sciflow.problems import names
from sciflow.testing import check_model, check_problem

# The checks are about wiring, not about capacity.
SMALL: dict[str, dict[str, float]] = {
    "auto-deeponet": {"depth": 4},
    "auto-deeponet-cnn": {"channels": 8, "width": 32, "depth": 2},
    "auto-edeeponet": {"depth": 4},
    "auto-ffn": {"width": 48, "depth": 4},
    "cfdbench-deeponet": {"depth": 4},
    "cfdbench-ffn": {"depth": 4},
    "cfdbench-fno": {"width": 8, "modes": 4},
    "cfdbench-resnet": {"hidden": 8, "blocks": 1, "dropout": 0.0},
    "cfdbench-unet": {"width": 8, "depth": 2},
    "deeponet": {"width": 32, "latent": 16, "sensors": 8},
    "factformer": {"width": 16, "heads": 2, "head_width": 8, "layers": 1, "latent": 16},
    "fno": {"width": 8, "modes": 4},
    "ifactformer-m": {"width": 24, "heads": 2, "head_width": 8, "iterations": 2},
    "ifactformer-o": {"width": 24, "heads": 2, "head_width": 8, "iterations": 2},
    "ifno": {"width": 8, "modes": 4, "iterations": 2},
    "iufno": {"width": 8, "modes": 4, "iterations": 2, "unet_width": 8},
    "local-fno": {"width": 8, "modes": 4, "layers": 2},
    "neuralop-fno": {"width": 8, "modes": 4},
    "pod-deeponet": {"rank": 8, "width": 32, "sensors": 8},
    "unet": {"width": 8},
}


# Compiling their solvers takes long, and tests/physics solves them anyway, against exact solutions if there are any.
SOLVED_ELSEWHERE = {
    "advection", "advection-diffusion", "allen-cahn", "burgers-dirichlet", "cahn-hilliard", "cavity", "cavity-steady",
    "channel", "cylinder", "cylinder-dfg", "dam", "fisher-kpp", "fitzhugh-nagumo", "gray-scott", "heat-rod", "kdv",
    "kolmogorov-flow", "kuramoto-sivashinsky", "navier-stokes-2d", "navier-stokes-3d", "porous-medium", "reaction",
    "reaction-diffusion", "schroedinger", "shallow-water", "stefan", "swift-hohenberg", "tube", "water-column", "wave",
    "wave-2d",
}  # fmt: skip


@pytest.mark.parametrize("name", names())
def test_problem(name: str) -> None:
    check_problem(name, solve=name not in SOLVED_ELSEWHERE)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SOLVED_ELSEWHERE))
def test_problem_with_its_solution(name: str) -> None:
    check_problem(name)


@pytest.mark.parametrize(
    "sizes",
    [
        Sizes(fields=1, dims=1, parameters=1, periodic=(True,)),
        Sizes(fields=3, dims=2, parameters=2, signals=1, mask=True, grid=(12, 16)),
        Sizes(
            fields=2, dims=2, parameters=1, frames_in=2, frames_out=2, periodic=(True, True), inputs=1, grid=(12, 16)
        ),
        Sizes(fields=1, dims=3, parameters=1, periodic=(True, True, False)),
        Sizes(fields=1, dims=2, frames_in=0, inputs=1),
        Sizes(fields=1, dims=1, parameters=2, frames_in=0),
        Sizes(fields=2, dims=2, parameters=2, signals=1, frames_in=0, mask=True, grid=(12, 16)),
        Sizes(
            fields=2,
            dims=1,
            parameters=1,
            signals=1,
            frames_in=2,
            frames_out=2,
            periodic=(True,),
            flows=(Flow("translation", (0,), (0,)),),
        ),
    ],
    ids=["1-D", "2-D walls", "2-D periodic", "3-D", "map", "parametric", "2-D parametric", "1-D flow"],
)
@pytest.mark.parametrize("name", networks.names())
def test_network(name: str, sizes: Sizes) -> None:
    if name == "neuralop-fno":
        pytest.importorskip("neuralop", reason="neuraloperator comes with the extra 'peers'")
    if sizes.flows and not getattr(networks.get(name), "traits", Traits()).recurrent:
        pytest.skip("flows are for recurrent networks")
    requires = networks.get(name).requires
    if requires.objection(sizes):
        pytest.skip(requires.objection(sizes))
    # These see rows and columns in units of 100 points.
    shape = (24, 32) if name in ("auto-deeponet", "auto-edeeponet") else sizes.grid or None
    check_model(name, sizes, shape, **SMALL.get(name, {}))
