"""The declaration of a PDE problem, which every solver, network, loss and metric reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import sympy
from sympy.core.function import AppliedUndef

from sciflow.core.errors import InputError, near
from sciflow.problems import canonical, display
from sciflow.problems.conditions import Condition
from sciflow.problems.distributions import Distribution
from sciflow.problems.geometry import Shape, evaluate
from sciflow.problems.physics import Conservation, Symmetry
from sciflow.problems.sampling import Case, Listed, Range, Sampled, Subset, check_names
from sciflow.problems.symbols import TIME, Field, Parameter, Signal, flatten, plain, spec_of
from sciflow.problems.validation import validate


@dataclass(frozen=True)
class FieldInfo:
    """One scalar field: its metadata and its plain SymPy form."""

    name: str
    unit: str | None
    long_name: str
    symbol: AppliedUndef
    vector: str = ""


@dataclass(frozen=True)
class ParameterInfo:
    """One parameter: its metadata and its plain SymPy form."""

    name: str
    symbol: sympy.Symbol
    default: float
    low: float | None
    high: float | None
    scale: str
    unit: str | None
    description: str
    hidden: bool = False


@dataclass(frozen=True)
class SignalInfo:
    """One signal: its expression in t, parameters and its own coefficients."""

    name: str
    symbol: AppliedUndef
    unit: str | None
    long_name: str
    expression: sympy.Expr
    coefficients: tuple[ParameterInfo, ...]


@dataclass(frozen=True)
class Solver:
    """Which reference solver suits a problem, by name, with its options; none declared means: choose by equations."""

    name: str
    options: tuple[tuple[str, Any], ...]

    def __init__(self, name: str, **options: Any) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "options", tuple(sorted(options.items())))


@final
class Problem:
    """A PDE problem, declared once.

    Args:
        name: identifier in the registry; ``title`` and ``reference`` are for people.
        fields: the unknowns, made by calling a `Field` with its coordinates (vectors are column matrices).
        parameters: scalars that differ by case (`Parameter`).
        signals: known functions of time that drive it (`Signal`, as declared or applied to t).
        inputs: known fields, such as a coefficient, with their expression or `Distribution`.
        domain: a `Box`, or a box with shapes cut out.
        periodic: names of the periodic axes.
        time: start and end of the usual time interval.
        evolution: time derivative of each evolving field, ``{u: -u * u.diff(x)}`` for u_t = -u u_x.
        constraints: equations without a time derivative that determine a field, ``{psi: Eq(laplacian(psi), -w)}``.
        steady: equations of a steady problem, ``{u: Eq(-div(a * grad(u)), 1)}``.
        initial: expression or `Distribution` for each evolving field; zero where none is given.
        boundary: for each field, the condition on each side (``"x-"``, ``"x+"``, ..., ``"obstacle"``); the entry
            ``"gauge"`` fixes the mean of a field that is known up to a constant.
        conserves: conservation laws (`conservation`).
        symmetries: `translation`, `galilean` and `rotation`.
        characteristic: velocity dx/dt along which the fields are carried, by coordinate.
        exact: an exact solution, by field.
        subsets: named families of cases (`grid`, `table`, `sampled`).
        solver: `Solver(name, **options)`, if the equations alone do not choose one.
        scales: characteristic size of coordinates and fields, as expressions of parameters.
        numbers: dimensionless numbers of a case as expressions of parameters, ``{"Re": rho * speed * length / mu}``; by
            them cases are told apart (splits that extrapolate, cases beyond what a grid resolves).

    Raises:
        InputError: an expression uses an undeclared field, parameter or coordinate, or a part names an unknown one.
    """

    def __init__(
        self,
        *,
        name: str,
        fields: Sequence[Any],
        domain: Shape,
        title: str = "",
        reference: str = "",
        parameters: Sequence[Parameter] = (),
        signals: Sequence[Any] = (),
        inputs: Mapping[Any, Any] | None = None,
        periodic: Sequence[str] = (),
        time: tuple[float, float] | None = None,
        evolution: Mapping[Any, Any] | None = None,
        constraints: Mapping[Any, Any] | None = None,
        steady: Mapping[Any, Any] | None = None,
        initial: Mapping[Any, Any] | None = None,
        boundary: Mapping[Any, Mapping[str, Any]] | None = None,
        conserves: Sequence[Conservation] = (),
        symmetries: Sequence[Symmetry] = (),
        characteristic: Mapping[Any, Any] | None = None,
        exact: Mapping[Any, Any] | None = None,
        subsets: Mapping[str, Subset] | None = None,
        solver: Solver | None = None,
        scales: Mapping[Any, Any] | None = None,
        numbers: Mapping[str, Any] | None = None,
    ) -> None:
        self.name, self.title, self.reference = name, title or name, reference
        self.domain, self.periodic = domain, tuple(periodic)
        self.time = None if time is None else (float(time[0]), float(time[1]))
        self.fields = tuple(_field(atom) for atom in flatten(fields))
        self.inputs = {_field(atom): _value(value) for atom, value in (inputs or {}).items()}
        self.parameters = tuple(_parameter(parameter) for parameter in parameters)
        self.signals = tuple(_signal(signal) for signal in signals)
        self.evolution = _by_name(evolution)
        self.constraints = _equations(constraints)
        self.steady = _equations(steady)
        self.initial = {key: _value(value) for key, value in _pairs(initial)}
        self.exact = {key: plain(value) for key, value in _pairs(exact)}
        self.boundary = _boundary(boundary or {})
        self.conserves, self.symmetries = tuple(conserves), tuple(symmetries)
        self.characteristic = {str(key): plain(value) for key, value in (characteristic or {}).items()}
        self.subsets, self.solver = dict(subsets or {}), solver
        self.scales = {_label(key): plain(value) for key, value in (scales or {}).items()}
        self.numbers = {str(key): plain(value) for key, value in (numbers or {}).items()}
        validate(self)
        self._frozen = True

    def __setattr__(self, name: str, value: Any) -> None:
        if getattr(self, "_frozen", False) and name not in ("hash", "_lookup"):
            raise AttributeError(f"A Problem cannot be changed; declare a new one instead of setting '{name}'.")
        super().__setattr__(name, value)

    @property
    def coordinates(self) -> tuple[sympy.Symbol, ...]:
        """All coordinates, time first."""
        return ((self.t,) if self.t is not None else ()) + self.space

    @property
    def t(self) -> sympy.Symbol | None:
        """The time coordinate, or None for a steady problem."""
        return next((a for field in self.fields for a in field.symbol.args if a.name == TIME), None)

    @property
    def space(self) -> tuple[sympy.Symbol, ...]:
        """The space coordinates in the order that fields are called with: (x,), (x, y) or (x, y, z)."""
        longest = max((field.symbol.args for field in self.fields), key=len)
        return tuple(argument for argument in longest if argument.name != TIME)

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the space coordinates."""
        return tuple(symbol.name for symbol in self.space)

    @property
    def coefficients(self) -> tuple[ParameterInfo, ...]:
        """The coefficients of all signals."""
        return tuple(coefficient for signal in self.signals for coefficient in signal.coefficients)

    @cached_property
    def hash(self) -> str:
        """Digest of the canonical form; it does not depend on names of Python objects, on titles or on the session."""
        return canonical.digest_of(self)

    def field(self, name: str) -> FieldInfo:
        """The field of this name, inputs included."""
        known = {info.name: info for info in (*self.fields, *self.inputs)}
        if name not in known:
            raise InputError(f"Problem '{self.name}' has no field {name!r}.{near(name, known)}")
        return known[name]

    def values(self, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Value of every parameter and coefficient: what is given, defaults elsewhere."""
        defaults = {info.name: info.default for info in (*self.parameters, *self.coefficients)}
        check_names(given or {}, list(defaults), f"Problem '{self.name}'")
        return {**defaults, **(given or {})}

    def bounds(self, parameters: Mapping[str, float] | None = None) -> dict[str, tuple[float, float]]:
        """Bounds of the domain's box by axis, for the given parameters."""
        return self.domain.box(self.values(parameters))

    def scale(self, name: str, parameters: Mapping[str, float]) -> float:
        """Characteristic size of a coordinate or field (of its vector, if that has one); 1 where none is declared."""
        keys = [name] + [info.vector for info in self.fields if info.name == name and info.vector]
        found = next((self.scales[key] for key in keys if key in self.scales), sympy.Integer(1))
        return evaluate(found, self.values(parameters))

    def number(self, name: str, parameters: Mapping[str, float]) -> float:
        """A declared dimensionless number, such as "Re", for the values of a case."""
        if name not in self.numbers:
            raise InputError(f"Problem '{self.name}' declares no number {name!r}.{near(name, self.numbers)}")
        return evaluate(self.numbers[name], self.values(parameters))

    def drive(self, expression: sympy.Expr) -> sympy.Expr:
        """The expression with every signal written out in t and its coefficients."""
        return expression.xreplace({signal.symbol: signal.expression for signal in self.signals})

    @property
    def equations(self) -> dict[str, sympy.Expr]:
        """Residual of every equation, by the field that it determines; zero for a solution."""
        residuals = {n: self.field(n).symbol.diff(self.t) - right for n, right in self.evolution.items()}
        for name, equation in {**self.constraints, **self.steady}.items():
            residuals[name] = equation.lhs - equation.rhs
        return {name: self.drive(residual) for name, residual in residuals.items()}

    def sample(self, count: int | None = None, seed: int = 0, subset: str | None = None, **fixed: float) -> list[Case]:
        """Draw cases: from a named subset, or from the declared ranges by Latin hypercube; `fixed` values win.

        Names of listed subsets joined by ``+``, as in ``"prop+bc+geo"``, stand for one list after the other; all of it
        is drawn without a count. One of the joined subsets may be drawn from ranges: the lists are then taken whole,
        and it gives the rest of the count. Each case has its own seed for random fields, so that a case does not depend
        on how many others are drawn.
        """
        if (count is not None and count < 1) or seed < 0:
            raise InputError(f"sample needs a count of at least 1 and a seed of at least 0, not {count} and {seed}.")
        names = {info.name for info in self.coefficients}
        cases = []
        for index, (origin, row) in enumerate(self._rows(count, seed, subset)):
            values = self.values({**row, **fixed})
            parameters = {key: float(value) for key, value in values.items() if key not in names}
            coefficients = {key: float(value) for key, value in values.items() if key in names}
            cases.append(Case(index, seed * 1_000_003 + index, parameters, coefficients, origin))
        return cases

    def _rows(self, count: int | None, seed: int, subset: str | None) -> list[tuple[str, dict[str, float]]]:
        """What each case sets, and the listed subset that it is from."""
        if subset is None:
            return [("", row) for row in self._declared_ranges().draw(count, seed)]
        families = {}
        for name in subset.split("+"):
            if name not in self.subsets:
                raise InputError(f"Problem '{self.name}' has no subset {name!r}.{near(name, self.subsets)}")
            families[name] = self.subsets[name]
        listed = {name: family for name, family in families.items() if isinstance(family, Listed)}
        if len(families) == 1 and not listed:
            return [("", row) for row in families[subset].draw(count, seed)]
        if len(listed) < len(families):
            return self._joined(families, count, seed)
        rows = [(name, row) for name, family in listed.items() for row in family.rows]
        whole = Listed(tuple(row for _, row in rows))
        return [(rows[place][0], dict(rows[place][1])) for place in whole.chosen(count)]

    def _joined(
        self, families: Mapping[str, Subset], count: int | None, seed: int
    ) -> list[tuple[str, dict[str, float]]]:
        """Lists and one subset that is drawn: the cases of one after those of the other."""
        sizes = {name: len(family.rows) for name, family in families.items() if isinstance(family, Listed)}
        drawn = [name for name in families if name not in sizes]
        if len(drawn) > 1:
            raise InputError(
                f"The subsets {' and '.join(map(repr, drawn))} of '{self.name}' are both drawn; join at most one of "
                "them with lists."
            )
        rest = -1 if count is None else count - sum(sizes.values())
        if rest < 1:
            raise InputError(
                f"The subset '{drawn[0]}' of '{self.name}' is drawn beside lists of {sum(sizes.values())} cases; ask "
                f"for more cases than these{'' if count is None else f', not {count}'}."
            )
        return [(name, row) for name, family in families.items() for row in family.draw(sizes.get(name, rest), seed)]

    def _declared_ranges(self) -> Sampled:
        infos = (*self.parameters, *self.coefficients)
        return Sampled(
            tuple((i.name, Range(i.low, i.high, i.scale)) for i in infos if i.low is not None and i.high is not None)
        )

    def residual(self, engine: str, **options: Any) -> Any:
        """The residual of the equations, computed by ``"torch"`` or ``"jax"`` (automatic differentiation at points) or,
        on a grid, by ``"spectral"``, ``"difference"`` or ``"volume"``; see `sciflow.problems.residual.build`."""
        from sciflow.problems import residual

        return residual.build(self, engine, **options)

    def check_units(self) -> None:
        """Check that the terms of every equation have equal dimensions (pint); see `sciflow.problems.units`."""
        from sciflow.problems import units

        units.check(self)

    def to_json(self) -> dict[str, Any]:
        """The canonical form as JSON-ready data."""
        return canonical.to_json(self)

    def latex(self) -> str:
        """The equations as LaTeX, one aligned block."""
        return display.latex(self)

    def _repr_latex_(self) -> str:
        return f"${display.latex(self)}$"

    def _repr_html_(self) -> str:
        return display.html(self)

    def __repr__(self) -> str:
        fields = ", ".join(info.name for info in self.fields)
        parameters = ", ".join(info.name for info in self.parameters)
        return f"Problem('{self.name}': {self.title}; fields {fields}; parameters {parameters or 'none'})"


def _field(atom: Any) -> FieldInfo:
    spec = spec_of(atom)
    if not isinstance(spec, Field):
        raise InputError(f"'{atom}' is a signal; list it under signals, not fields.")
    return FieldInfo(spec.name, spec.unit, spec.long_name or spec.name, plain(atom), atom.func.vector)


def _parameter(parameter: Any) -> ParameterInfo:
    if not isinstance(parameter, Parameter):
        raise InputError(f"'{parameter}' is listed as a parameter but was not made by Parameter(name, default=...).")
    p = parameter
    symbol = sympy.Symbol(p.name, real=True)
    return ParameterInfo(p.name, symbol, p.default, p.low, p.high, p.scale, p.unit, p.description, p.hidden)


def _signal(signal: Any) -> SignalInfo:
    spec = signal if isinstance(signal, Signal) else spec_of(signal)
    if not isinstance(spec, Signal):
        raise InputError(f"'{signal}' is listed as a signal but was not made by Signal(name, expression).")
    symbol = sympy.Function(spec.name, real=True)(sympy.Symbol(TIME, real=True))
    coefficients = tuple(_parameter(coefficient) for coefficient in spec.coefficients)
    return SignalInfo(spec.name, symbol, spec.unit, spec.long_name or spec.name, plain(spec.expression), coefficients)


def _value(value: Any) -> Any:
    return value if isinstance(value, Distribution) else plain(value)


def _label(key: Any) -> str:
    """Name of a coordinate, field or vector field."""
    if isinstance(key, sympy.MatrixBase):
        return key[0].func.vector
    return key.func.__name__ if isinstance(key, AppliedUndef) else str(key)


def _pairs(mapping: Mapping[Any, Any] | None) -> list[tuple[str, Any]]:
    """(field name, value) pairs, vectors taken apart."""
    out: list[tuple[str, Any]] = []
    for key, value in (mapping or {}).items():
        parts = list(value) if isinstance(value, sympy.MatrixBase | tuple | list) else [value]
        keys = flatten([key])
        if len(keys) != len(parts):
            raise InputError(f"'{_label(key)}' has {len(keys)} components and was given {len(parts)} values.")
        out.extend((spec_of(atom).name, part) for atom, part in zip(keys, parts, strict=True))
    return out


def _by_name(mapping: Mapping[Any, Any] | None) -> dict[str, sympy.Expr]:
    return {key: plain(value) for key, value in _pairs(mapping)}


def _equations(mapping: Mapping[Any, Any] | None) -> dict[str, sympy.Eq]:
    out = {}
    for key, value in _pairs(mapping):
        equation = plain(value)
        if not isinstance(equation, sympy.Equality):
            raise InputError(f"The equation for '{key}' is '{value}'; write it as Eq(left side, right side).")
        out[key] = equation
    return out


def _boundary(mapping: Mapping[Any, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    out: dict[str, dict[str, Any]] = {}
    for key, sides in mapping.items():
        parts = flatten([key])
        for side, value in sides.items():
            if isinstance(value, Condition) and not value.fits(len(parts)):
                raise InputError(
                    f"Boundary '{side}' of '{_label(key)}': {value.kind} has {len(value.value)} values for "
                    f"{len(parts)} components; give one for each."
                )
        for component, atom in enumerate(parts):
            out[spec_of(atom).name] = {side: _side(side, value, component) for side, value in sides.items()}
    return out


def _side(side: str, value: Any, component: int) -> Any:
    if side == "gauge":
        return float(value)
    if not isinstance(value, Condition):
        raise InputError(
            f"The condition on side {side!r} is {value!r}; use Dirichlet, Neumann, Robin, NoSlip or Outflow."
        )
    return value.of(component)
