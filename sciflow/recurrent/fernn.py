"""Flow-equivariant recurrent networks, and the two controls that differ from them in how memory moves."""

from __future__ import annotations

from typing import ClassVar, Literal, final

from sciflow.core.errors import InputError
from sciflow.operators.sizes import Requires, Sizes
from sciflow.recurrent.boost import BoostName
from sciflow.recurrent.convolution import Activation
from sciflow.recurrent.movers import Drift, LearnedMover
from sciflow.recurrent.moves import at_rest
from sciflow.recurrent.sliced import CellName, Pool, SlicedRNN
from sciflow.recurrent.velocities import Velocities

VelocityOption = int | Literal["closed"] | tuple[tuple[float, ...], ...]


@final
class FERNN(SlicedRNN):
    """Flow-equivariant recurrent network for fields on periodic grids in 1, 2 or 3 dimensions.

    The memory h(nu, x) has a slice for each velocity nu of a finite set V, which moves by nu from frame to frame::

        h_{t+1}(nu) = sigma(W * psi_1(nu) h_t(nu) + U * f_t + b),       h_0 = 0,    (psi_s(nu) h)(x) = h(x - s nu)
        f_{t+1}     = Dec(pool over nu of psi_1(nu) h_{t+1}(nu))

    with periodic convolutions U, W and Dec. If the input moves with a flow, f'_t = psi_t(n) f_t, the memory moves with
    it and changes slices, h'_{t+1}(nu) = psi_t(n) h_{t+1}(nu - n): what was learned at one velocity holds for all. This
    is exact for every nu whose nu - n is in V. The pooled frame is exact only where V is closed under n; a truncated
    set loses slices at its edge, see `sciflow.recurrent.Velocities`.

    Weights do not depend on V: a trained network may be given another set with `Surrogate.with_options`. Time and
    memory of a step grow as the number of velocities, (2 R + 1)^axes.

    It helps where fields are carried by motion that is unknown, steady and uniform, or by objects that each have their
    own. It does not help where the frame of reference is physical (walls, fixed forcing, orography), where velocity
    varies strongly in space (shear), and where the motion is told (the mean flow as a parameter) or one context frame
    is given, since memory is then no better than the last frame. For one drift of the whole field the network
    "canonical-g-rnn" is cheaper and as exact.

    Args:
        sizes: what the problem needs; its flows say along which axes memory may move.
        velocities: the set V in cells per frame: R for all whole multiples -R … R of ``spacing`` along each axis of a
            declared flow; "closed" for all multiples up to a whole turn (equivariant to the end, and large); or a list
            of vectors in tensor order ((z,) y, x). Take R at least the largest motion per frame in cells.
        spacing: between neighbouring velocities. Moves by whole cells are exact; fractions go through Fourier modes,
            exact for the moves, but activations alias: 2e-4 after 8 steps with tanh on fields of 3 waves in 64 points.
        width: channels of the memory.
        kernel: points of all convolutions along each axis, odd.
        layers: hidden layers of the decoder.
        cell: "plain" as above, or "gru", a gated recurrent unit in each slice.
        mixing: how many neighbours in V, along each axis, W sees; see `sciflow.recurrent.cells.PlainCell`.
        pool: "max" (bright objects on a dark ground), "mean", or "evidence": each slice gives a frame of its own, and
            they are weighed by how well each forecast the context (dense fields; V may be widened after training).
        local: with "evidence", weigh at each point, smoothed over so many cells: for several drifts at once.
        winner: train only the slice that forecasts the first context frames best, in the frame that moves with it,
            which costs little more than a network with one slice; with "evidence", for one drift of the whole field.
        residual: the frame of a slice is a change of the last frame moved by nu; with "evidence".
        activation: "relu", "tanh" or "gelu"; smooth ones alias less with fractional velocities.
        identity: share of the identity in the initial W, so that memory fades slowly from the start.
        bias: b and those of the decoder.
        boost: of velocity components, if the problem's Galilean symmetry names some; see `sciflow.recurrent.Boost`.
        checkpoints: compute each step again for the gradient instead of keeping what it needs: less memory, more time.

    Raises:
        InputError: an option is out of range or does not go with another, a velocity moves along an axis whose flow the
            problem does not declare, or the set is larger than the grid.

    Good values: moving digits: width 16, bias False, 3e-3, batches of 8, 10 context frames and 10 forecast ones.
    Chaotic fields: width 24, kernel 5, pool "evidence", residual True, 2e-3.

    Source: Keller, Flow Equivariant Recurrent Neural Networks, NeurIPS 2025, arXiv:2507.14793. Other than published:
    the frame is read out after the move (the published sequence model reads it out before and sees one frame twice, so
    that it is not equivariant), evidence and boosts.
    """

    name: ClassVar[str] = "fernn"
    requires: ClassVar[Requires] = Requires(
        periodic_only=True, context=True, sequences=True, inputs=False, mask=False, flow="translation"
    )

    def __init__(
        self,
        sizes: Sizes,
        *,
        velocities: VelocityOption = 1,
        spacing: float = 1.0,
        width: int = 16,
        kernel: int = 3,
        layers: int = 1,
        cell: CellName = "plain",
        mixing: int = 0,
        pool: Pool = "max",
        local: float | None = None,
        winner: bool = False,
        residual: bool = False,
        activation: Activation = "relu",
        identity: float = 0.7,
        bias: bool = True,
        boost: BoostName = "mean",
        checkpoints: bool = False,
    ) -> None:
        chosen = choose_velocities(sizes, velocities, spacing)
        super().__init__(
            sizes,
            Drift(chosen),
            width=width,
            kernel=kernel,
            layers=layers,
            cell=cell,
            mixing=mixing,
            pool=pool,
            local=local,
            winner=winner,
            residual=residual,
            activation=activation,
            identity=identity,
            bias=bias,
            boost=boost,
            checkpoints=checkpoints,
            spacing=spacing,
        )


@final
class GRNN(SlicedRNN):
    """Convolutional recurrent network on periodic grids: `FERNN` with the velocity zero alone.

    Equivariant to shifts, not to flows: its memory stays where it is while the input moves on. With ``residual`` the
    forecast is a change of the last frame, with ``boost="mean"`` box means of velocity components are taken off.

    Args: those of `FERNN`.

    Source: the control "G-RNN" of arXiv:2507.14793.
    """

    name: ClassVar[str] = "g-rnn"
    requires: ClassVar[Requires] = Requires(periodic_only=True, context=True, sequences=True, inputs=False, mask=False)

    def __init__(
        self,
        sizes: Sizes,
        *,
        width: int = 16,
        kernel: int = 3,
        layers: int = 1,
        cell: CellName = "plain",
        residual: bool = False,
        activation: Activation = "relu",
        identity: float = 0.7,
        bias: bool = True,
        boost: BoostName = "none",
        checkpoints: bool = False,
    ) -> None:
        super().__init__(
            sizes,
            Drift(at_rest(sizes.dims)),
            width=width,
            kernel=kernel,
            layers=layers,
            cell=cell,
            residual=residual,
            activation=activation,
            identity=identity,
            bias=bias,
            boost=boost,
            checkpoints=checkpoints,
        )


@final
class GRNNPlus(SlicedRNN):
    """`FERNN` with learned kernels in place of moves: the same slices and cost, no equivariance.

    Args: those of `FERNN`; ``velocities`` says how many slices there are and how far their kernels reach.

    Source: the control "G-RNN+" of arXiv:2507.14793.
    """

    name: ClassVar[str] = "g-rnn-plus"
    requires: ClassVar[Requires] = Requires(periodic_only=True, context=True, sequences=True, inputs=False, mask=False)

    def __init__(
        self,
        sizes: Sizes,
        *,
        velocities: int = 1,
        width: int = 16,
        kernel: int = 3,
        layers: int = 1,
        cell: CellName = "plain",
        pool: Literal["max", "mean"] = "max",
        activation: Activation = "relu",
        identity: float = 0.7,
        bias: bool = True,
        checkpoints: bool = False,
    ) -> None:
        super().__init__(
            sizes,
            LearnedMover(Velocities.box(velocities, range(sizes.dims), sizes.dims), identity),
            width=width,
            kernel=kernel,
            layers=layers,
            cell=cell,
            residual=False,
            activation=activation,
            identity=identity,
            bias=bias,
            boost="none",
            checkpoints=checkpoints,
            pool=pool,
        )


def choose_velocities(sizes: Sizes, wanted: VelocityOption, spacing: float) -> Velocities:
    """The set V that an option means for a problem.

    Raises:
        InputError: the option is out of range, needs a grid that the sizes do not name, or moves along an axis without
            a declared flow.
    """
    if not spacing > 0:
        raise InputError(f"spacing is a positive distance between velocities in cells per frame, not {spacing!r}.")
    axes = sorted({flow.axes[0] for flow in sizes.flows if flow.kind == "translation"})
    if wanted == "closed":
        if not sizes.grid:
            raise InputError("A closed velocity set depends on the grid, which the sizes do not name; give grid.")
        return Velocities.ring(axes, sizes.grid, spacing)
    if isinstance(wanted, bool) or (isinstance(wanted, int) and wanted < 0) or isinstance(wanted, float | str):
        raise InputError(f"velocities must be a whole number of at least 0, 'closed' or a list, not {wanted!r}.")
    if isinstance(wanted, int):
        chosen = Velocities.box(wanted, axes, sizes.dims, spacing)
    else:
        try:
            vectors = tuple(tuple(float(part) for part in vector) for vector in wanted)
        except (TypeError, ValueError):
            raise InputError(
                f"velocities must be a list of vectors such as [[0, 0], [0, 1]], not {wanted!r}."
            ) from None
        chosen = Velocities(vectors)
        if chosen.dims != sizes.dims:
            raise InputError(f"Each velocity needs {sizes.dims} components ((z,) y, x), not {chosen.dims}.")
        names = "zyx"[-sizes.dims :]
        foreign = [names[axis] for axis in chosen.moving() if axis not in axes]
        if foreign:
            declared = ", ".join(names[axis] for axis in axes)
            raise InputError(
                f"The velocities move along {foreign[0]}, but the problem declares flows along {declared} alone "
                "(its Galilean symmetries); leave that axis at zero."
            )
    if sizes.grid:
        chosen.require_fits(sizes.grid)
    return chosen
