"""How far a forecast goes, and from where."""

from __future__ import annotations

from typing import final

from pydantic import Field

from sciflow.core import Config


@final
class Horizon(Config):
    """A number of steps and the starts they are counted from.

    Attributes:
        steps: frames predicted, each fed back into the method.
        stride: frames between starts; with 1 every frame that leaves room for all steps is a start.
    """

    steps: int = Field(ge=1)
    stride: int = Field(default=1, ge=1)
