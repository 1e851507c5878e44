"""The published networks of CFDBench have the published numbers of parameters."""

from __future__ import annotations

import pytest
import torch

from sciflow.operators import Sizes, build

# Case parameters and grid of: cavity; tube and dam; cylinder.
CASES = [(5, (64, 64)), (5, (66, 65)), (8, (66, 65))]
COUNTS = {
    "cfdbench-ffn": (71_701, 71_701, 72_001),
    "cfdbench-deeponet": (142_501, 142_501, 142_801),
    "auto-ffn": (1_102_401, 1_141_201, 1_141_801),
    "auto-deeponet": (551_901, 571_301, 571_601),
    "auto-edeeponet": (622_701, 642_101, 642_401),
    "auto-deeponet-cnn": (742_730, 742_730, 745_130),
    "cfdbench-fno": (1_188_706, 1_188_706, 1_188_802),
    "cfdbench-unet": (1_095_038, 1_095_038, 1_095_362),
    "cfdbench-resnet": (534_696, 534_696, 544_152),
}
# Published, but used by nothing: a bias, and two batch normalisations (weight and bias of each channel) in each block,
# over the 64 channels inside and the 16, in the last block 2, that leave it.
UNUSED = {"auto-deeponet-cnn": 1, "cfdbench-resnet": 2 * (5 * (64 + 16) + 64 + 2)}


@pytest.mark.parametrize("place", range(3), ids=["cavity", "tube and dam", "cylinder"])
@pytest.mark.parametrize("name", COUNTS)
def test_published_numbers_of_parameters(name: str, place: int) -> None:
    parameters, grid = CASES[place]
    two = name in ("cfdbench-fno", "cfdbench-unet", "cfdbench-resnet")
    parametric = name in ("cfdbench-ffn", "cfdbench-deeponet")
    # Of the point-wise networks one is given v too, but does not predict it.
    inputs = int(name == "auto-deeponet-cnn")
    with torch.device("meta"):
        sizes = Sizes(1 + two, 2, parameters, frames_in=int(not parametric), inputs=inputs, grid=grid)
        network = build(name, sizes)
    pairs = sum(values.numel() for key, values in network.named_parameters() if key.startswith("spectral")) // 2
    count = sum(values.numel() for values in network.parameters()) - pairs  # complex ones are counted once
    assert count == COUNTS[name][place] - UNUSED.get(name, 0)


def test_more_fields_are_more_channels_and_outputs() -> None:
    """In counts, by hand: what multiplies fields or outputs, and nothing else."""

    def count(name: str, fields: int) -> int:
        frames_in = 0 if name in ("cfdbench-ffn", "cfdbench-deeponet") else 1
        network = build(name, Sizes(fields, 2, 5, frames_in=frames_in, grid=(64, 64)))
        return sum(values.numel() for values in network.parameters())

    more = {
        "cfdbench-ffn": 101,
        "cfdbench-deeponet": 101 * 100 + 1,
        "auto-ffn": 64 * 64 * 200 + 201,
        "auto-deeponet": 64 * 64 * 100 + 101 * 100 + 1,
        "auto-edeeponet": 64 * 64 * 100 + 2 * 101 * 100 + 1,
        "auto-deeponet-cnn": 25 * 32 + 513,
        "cfdbench-fno": 32 + 129,
        "cfdbench-unet": 9 * 12 + 13,
        "cfdbench-resnet": 49 * 64 + 16 + (49 * 64 + 1 + 16 + 1),
    }
    for name, difference in more.items():
        assert count(name, 2) - count(name, 1) == difference, name
