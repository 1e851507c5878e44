"""Residuals in flux form on cells: what each cell gains, less what flows in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy
import torch
from sympy.core.function import AppliedUndef
from torch import Tensor

from sciflow.core.errors import InputError
from sciflow.problems.compile import Compiled, Orders, compile_expressions
from sciflow.problems.residual import operators
from sciflow.problems.residual.faces import faces, to_faces
from sciflow.problems.residual.fluxform import Flux, Law, laws
from sciflow.problems.residual.grid import Frames, GridResidual
from sciflow.problems.residual.times import differentiate
from sciflow.problems.residual.walls import Walls

if TYPE_CHECKING:
    from sciflow.problems.problem import Problem

_ACCURACY = 2  # of differences within cells; fluxes are of second order


class Residual(GridResidual):
    """Residual of each conservation law on cells, ``density_t + div(flux)``; called as every `GridResidual`.

    Equations: the laws of ``conserves``, by their names, and each steady equation that is a divergence plus terms
    without derivatives (``Eq(-div(a * grad(u)), f)``), by its field's name. The fluxes are evaluated on faces, so that
    the residual, times the volumes and summed over cells, is the change of the total plus the outflow through the sides
    (`flows`), to rounding. A source that the evolution equations leave of a law is part of the residual.

    On faces, fields are interpolated, derivatives across are difference quotients and those along the face are central
    differences. On sides both come from the condition and the nearest cells. A coefficient of a quotient that holds an
    input field has its harmonic mean on faces, which is exact where it jumps there (Darcy). Fluxes are of second order,
    and so is the residual away from the sides; in the cells beside one it is of first order, since the errors of their
    two fluxes differ. Time derivatives are differences of five frames.

    Args:
        problem: on a box, with Dirichlet, NoSlip, Neumann or Robin conditions or periodic axes.
        open_sides: extrapolate to sides without a condition, and to those with Outflow.
        side_cells: how many cells the condition is joined with on a side. 2: as above. 1: the quotient over half a
            cell with the cell's own coefficient, as most finite-volume solvers have it (the reference solver of steady
            problems too); the residual vanishes on their answers, but in the cells beside a side it does not become
            small on smooth solutions. Not given: 1 for quotients whose coefficient holds an input field, 2 elsewhere.

    Raises:
        InputError: the problem has no flux form; a side has no usable condition; the points are not cell centres.
    """

    def __init__(self, problem: Problem, open_sides: bool = False, side_cells: int | None = None) -> None:
        super().__init__(problem)
        if side_cells not in (None, 1, 2):
            raise InputError(f"A condition is joined with 1 or 2 cells, not side_cells={side_cells!r}.")
        self._smooth_cells, self._input_cells = side_cells or 2, side_cells or 1
        self._laws = laws(problem)
        self._fluxes = {law.name: [_Face(problem, flux) for flux in law.flux] for law in self._laws}
        self._inside = {law.name: _compile(problem, [law.density, law.source]) for law in self._laws}
        towards = [
            (name, axis)
            for fluxes in self._fluxes.values()
            for axis, face in zip(problem.axes, fluxes, strict=True)
            for name, _ in (*face.smooth.derivatives, *face.slopes.derivatives)
        ]
        self._walls = Walls(problem, towards, open_sides)

    @property
    def needs(self) -> tuple[Compiled, ...]:
        parts = [part for fluxes in self._fluxes.values() for face in fluxes for part in face.parts]
        return (*parts, *self._inside.values(), self._walls.compiled)

    def evaluate(self, frames: Frames) -> dict[str, Tensor]:
        out = {}
        for law in self._laws:
            total = self._inside_of(frames, law)
            for axis, edges, flux in self._faces(frames, law.name):
                difference = torch.diff(flux, dim=frames.dim(axis))
                total = total + difference / frames.along(np.diff(edges), axis)
            out[law.name] = total
        return out

    def flows(
        self,
        fields: Mapping[str, Tensor],
        times: Any,
        axes: Mapping[str, Any],
        parameters: Mapping[str, Tensor | float] | None = None,
        inputs: Mapping[str, Tensor] | None = None,
    ) -> dict[str, dict[str, Tensor]]:
        """Outflow of each law through each side, {law: {side: [B, T]}}, periodic ones left out; called as `tensors`."""
        frames = self._frames(fields, times, axes, parameters or {}, inputs or {})
        out: dict[str, dict[str, Tensor]] = {}
        for law in self._laws:
            found = out.setdefault(law.name, {})
            for axis, _, flux in self._faces(frames, law.name):
                if axis in self._problem.periodic:
                    continue
                area = torch.ones_like(frames.like[:1, :1].select(frames.dim(axis), 0))
                for other in (name for name in frames.axes if name != axis):
                    widths = frames.along(np.diff(self._edges(frames, other)), other).squeeze(frames.dim(axis))
                    area = area * widths
                for sign, index, outwards in (("-", 0, -1.0), ("+", -1, 1.0)):
                    through = outwards * flux.select(frames.dim(axis), index) * area
                    found[axis + sign] = through.flatten(2).sum(2) if through.ndim > 2 else through
        return out

    def _edges(self, frames: Frames, axis: str) -> np.ndarray:
        return faces(axis, frames.axes[axis], *frames.bounds[axis], axis in self._problem.periodic)

    def _inside_of(self, frames: Frames, law: Law) -> Tensor:
        compiled = self._inside[law.name]
        arrays = [self._in_cells(frames, name, orders) for name, orders in compiled.derivatives]
        density, source = self._call(frames, compiled, arrays)
        if self._problem.t is None or not (law.density.atoms(AppliedUndef) or law.density.has(self._problem.t)):
            return source
        assert frames.times is not None
        density = density.expand(torch.broadcast_shapes(density.shape, frames.like.shape))
        return differentiate(density, frames.times, 1, accuracy=4) + source

    def _call(self, frames: Frames, compiled: Compiled, arrays: list[Tensor], **at: Tensor) -> list[Tensor]:
        results = frames.call(compiled, arrays, self._problem.values(), **at)
        return [torch.as_tensor(result).to(frames.like) for result in results]

    def _faces(self, frames: Frames, law: str) -> list[tuple[str, np.ndarray, Tensor]]:
        """(axis, faces [n + 1], flux through them along the axis) for each axis."""
        out = []
        for axis, face in zip(self._problem.axes, self._fluxes[law], strict=True):
            edges, dim = self._edges(frames, axis), frames.dim(axis)
            at = {axis: frames.along(edges, axis)}
            reach = self._smooth_cells
            arrays = [self._at_faces(frames, axis, edges, *wanted, reach) for wanted in face.smooth.derivatives]
            flux = self._call(frames, face.smooth, arrays, **at)[0]
            cells = [self._in_cells(frames, name, orders) for name, orders in face.coefficients.derivatives]
            coefficients = self._call(frames, face.coefficients, cells)
            reach = self._input_cells
            for coefficient, wanted in zip(coefficients, face.slopes.derivatives, strict=True):
                periodic = axis in self._problem.periodic
                mean = _harmonic(coefficient, frames.axes[axis], edges, dim, periodic, extrapolate=reach > 1)
                flux = flux + mean * self._at_faces(frames, axis, edges, *wanted, reach)
            shape = list(frames.like.shape)
            shape[dim] = len(edges)
            flux = flux.expand(torch.broadcast_shapes(flux.shape, shape))
            if axis in self._problem.periodic:  # one face, whatever a coordinate in the flux says
                flux = torch.cat([flux.narrow(dim, 0, len(edges) - 1), flux.narrow(dim, 0, 1)], dim)
            out.append((axis, edges, flux))
        return out

    def _in_cells(self, frames: Frames, name: str, orders: Orders) -> Tensor:
        """A derivative at the centres, by the conditions on the field along its first axis."""
        array, first = frames.fields[name], True
        for symbol, order in zip(self._problem.coordinates, orders, strict=True):
            if order and symbol == self._problem.t:
                assert frames.times is not None
                array = differentiate(array, frames.times, order, accuracy=4)
            elif order:
                array = self._differentiated(frames, symbol.name, order, array, name if first else "")
                first = False
        return array

    def _differentiated(self, frames: Frames, axis: str, order: int, array: Tensor, name: str) -> Tensor:
        periodic = axis in self._problem.periodic
        pairs = self._walls.sides(frames, name, axis)
        found = [operators.derivative(frames, axis, order, _ACCURACY, periodic, pair) for pair in pairs]
        return operators.combine(frames, axis, array, found, self._walls.values(frames, name, axis))

    def _at_faces(self, frames: Frames, axis: str, edges: np.ndarray, name: str, orders: Orders, cells: int) -> Tensor:
        """A derivative at the faces across an axis."""
        steps = {symbol.name: n for symbol, n in zip(self._problem.coordinates, orders, strict=True) if n}
        across, periodic = steps.pop(axis, 0), axis in self._problem.periodic
        # Even orders are taken in the cells; what is left is a value or one quotient across the face.
        inner = tuple(across // 2 * 2 * (symbol.name == axis) for symbol in self._problem.coordinates)
        array = self._in_cells(frames, name, inner)
        known = "" if any(inner) else name  # a condition is one on the field, not on its derivatives
        points = frames.axes[axis].tobytes()
        pairs = self._walls.sides(frames, known, axis)
        found = [to_faces(across % 2, points, edges.tobytes(), pair, periodic, cells) for pair in pairs]
        array = operators.combine(frames, axis, array, found, self._walls.values(frames, known, axis))
        for other, order in steps.items():
            if other == "t":
                assert frames.times is not None
                array = differentiate(array, frames.times, order, accuracy=4)
            else:
                array = self._differentiated(frames, other, order, array, "")
        return array


class _Face:
    """A compiled flux."""

    def __init__(self, problem: Problem, flux: Flux) -> None:
        self.smooth = _compile(problem, [flux.smooth])
        self.coefficients = _compile(problem, [coefficient for coefficient, _ in flux.slopes])
        slopes = [_compile(problem, [slope]).derivatives[0] for _, slope in flux.slopes]
        self.slopes = Compiled(tuple(slopes), (), lambda *arrays: list(arrays))
        self.parts = (self.smooth, self.coefficients, self.slopes)


def _compile(problem: Problem, expressions: list[sympy.Expr]) -> Compiled:
    return compile_expressions(expressions, problem.coordinates, "torch")


def _harmonic(
    values: Tensor, centres: np.ndarray, edges: np.ndarray, dim: int, periodic: bool, extrapolate: bool
) -> Tensor:
    """Mean of cell values on the faces that makes the flux of a piecewise linear field continuous.

    On sides the value of the cell, or that of the line through the two nearest.
    """
    if values.ndim == 0 or values.shape[dim] == 1:
        return values
    count = values.shape[dim]
    shape = [-1 if index == dim else 1 for index in range(values.ndim)]
    left = torch.as_tensor(centres - edges[:-1]).to(values).reshape(shape)
    right = torch.as_tensor(edges[1:] - centres).to(values).reshape(shape)
    before, after = values.narrow(dim, 0, count - 1), values.narrow(dim, 1, count - 1)
    first, last = values.narrow(dim, 0, 1), values.narrow(dim, count - 1, 1)
    right_of, left_of = right.narrow(dim, 0, count - 1), left.narrow(dim, 1, count - 1)
    inner = (right_of + left_of) / (right_of / before + left_of / after)
    if periodic:
        across = right.narrow(dim, count - 1, 1) + left.narrow(dim, 0, 1)
        first = last = across / (right.narrow(dim, count - 1, 1) / last + left.narrow(dim, 0, 1) / first)
    elif extrapolate:
        slopes = torch.diff(values, dim=dim) / (right_of + left_of)
        first = first - slopes.narrow(dim, 0, 1) * left.narrow(dim, 0, 1)
        last = last + slopes.narrow(dim, count - 2, 1) * right.narrow(dim, count - 1, 1)
    return torch.cat([first, inner, last], dim)
