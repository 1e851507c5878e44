r"""Networks on Taylor series: what a physics-informed solver trains.

Weights are plain pytrees, layers act on rows (features) and leave points last. ``mlp`` is a tanh perceptron;
``modified`` mixes two encoders of the inputs into every layer,

.. math:: h \leftarrow h \odot U + (1 - h) \odot V,

(Wang, Teng and Perdikaris (2021), SIAM J. Sci. Comput. 43, A3055, equations 2.43 to 2.47).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import jax
import jax.numpy as jnp

from sciflow.core.errors import InputError
from sciflow.pinn.series import Series, tanh

Weights = Any
Kind = Literal["mlp", "modified"]


@dataclass(frozen=True)
class Network:
    """A tanh network from rows of inputs to rows of outputs.

    Attributes:
        inputs, outputs: rows.
        width, depth: of the hidden layers. 20 x 3 for dense quasi-Newton methods, whose cost grows with the square of
            the number of weights; 50 to 256 x 4 for first-order ones.
    """

    inputs: int
    outputs: int
    width: int = 20
    depth: int = 3
    kind: Kind = "mlp"

    def __post_init__(self) -> None:
        if min(self.inputs, self.outputs, self.width, self.depth) < 1:
            raise InputError(f"A network needs at least one row and layer each; width={self.width} depth={self.depth}.")
        if self.kind not in ("mlp", "modified"):
            raise InputError(f"There is no network {self.kind!r}; use 'mlp' or 'modified'.")

    def init(self, key: jax.Array, dtype: Any) -> Weights:
        """Glorot-normal weights, zero biases."""
        sizes = [self.inputs, *[self.width] * self.depth, self.outputs]
        pairs = list(pairwise(sizes))
        if self.kind == "modified":
            pairs += [(self.inputs, self.width)] * 2
        keys = jax.random.split(key, len(pairs))
        layers = [
            {
                "w": jax.random.normal(k, (n, m), dtype) * jnp.sqrt(2.0 / (n + m)).astype(dtype),
                "b": jnp.zeros((n, 1), dtype),
            }
            for k, (m, n) in zip(keys, pairs, strict=True)
        ]
        # Nearly zero at first: the solver starts from its ansatz alone.
        layers[self.depth]["w"] = 0.1 * layers[self.depth]["w"]
        return layers

    def __call__(self, weights: Weights, inputs: Series) -> Series:
        """Outputs (outputs, N) with the derivatives of the inputs' orders."""
        layers = weights[: self.depth + 1]
        mixed = [tanh(_dense(layer, inputs)) for layer in weights[self.depth + 1 :]]
        h = inputs
        for layer in layers[:-1]:
            h = tanh(_dense(layer, h))
            if mixed:
                u, v = mixed
                h = v + h * (u - v)
        return _dense(layers[-1], h)


def _dense(layer: dict[str, jax.Array], inputs: Series) -> Series:
    w = layer["w"]
    return inputs.linear(lambda item: w @ item, layer["b"])
