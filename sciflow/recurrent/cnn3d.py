"""A convolutional network over space and time: the baseline of sequence classification without memory."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn
from torch.nn import functional

from sciflow.operators.sizes import require_whole
from sciflow.recurrent.classifier import require_clips

_STRIDES = ((2, 1, 1), (2, 2, 2), (1, 1, 1), (2, 2, 2), (1, 1, 1))


@final
class CNN3D(nn.Module):
    """Scores of classes for clips, from five convolutions over time and space and a mean over both.

    Each is 3 x 3 x 3 without bias, with batch normalisation and ReLU; widths are 1, 2, 2, 4 and 4 times the first. The
    first halves the frames, the second and the fourth halve all three axes. Borders are periodic in space, as for
    `sciflow.recurrent.SequenceClassifier`, and zero in time.

    Args:
        channels: of a frame.
        classes: number of classes.
        width: channels of the first convolution.

    Raises:
        InputError: a number is out of range.

    Source: the baseline "3D-CNN" of arXiv:2507.14793, with its widths and number of parameters (16 channels); where
    exactly it halves axes is not known, and its borders there are zeros.
    """

    def __init__(self, channels: int, classes: int, *, width: int = 16) -> None:
        super().__init__()
        require_whole("channels", channels, 1)
        require_whole("classes", classes, 2)
        require_whole("width", width, 1)
        self.channels = channels
        widths = [channels] + [width * factor for factor in (1, 2, 2, 4, 4)]
        self.convolutions = nn.ModuleList(
            nn.Conv3d(before, after, 3, stride, padding=(1, 0, 0), bias=False)
            for before, after, stride in zip(widths[:-1], widths[1:], _STRIDES, strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm3d(after) for after in widths[1:])
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, clips: Tensor) -> Tensor:
        """Scores [B, classes] of clips [B, T, C, H, W].

        Raises:
            InputError: clips have another shape.
        """
        require_clips(clips, self.channels)
        images = clips.transpose(1, 2)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            images = norm(convolution(functional.pad(images, (1, 1, 1, 1, 0, 0), mode="circular"))).relu()
        scores: Tensor = self.head(images.mean((2, 3, 4)))
        return scores
