"""Focusing nonlinear Schroedinger equation, as real and imaginary part."""

from typing import Any

from sympy import cos, cosh, sin

from sciflow.problems import Box, Field, Parameter, Problem, conservation, coordinates, translation

t, x = coordinates("t x")
p = Field("p", unit="", long_name="real part")(t, x)
q = Field("q", unit="", long_name="imaginary part")(t, x)
amplitude = Parameter("amplitude", 1.0, 1.0, 1.5, unit="", description="amplitude of the soliton")
speed = Parameter("speed", 0.5, -1.0, 1.0, unit="", description="speed of the soliton")

PERIOD = 40  # neighbouring solitons touch at half of it, where each is below 2 exp(-20) = 4e-9


def _soliton(shift: int) -> tuple[Any, Any]:
    """Real and imaginary part of the soliton that starts at `shift` periods."""
    place = x - PERIOD * shift
    envelope = amplitude / cosh(amplitude * (place - speed * t))
    phase = speed * place + (amplitude**2 - speed**2) * t / 2
    return envelope * cos(phase), envelope * sin(phase)


_images = [_soliton(shift) for shift in (-1, 0, 1)]
soliton = {p: sum(part for part, _ in _images), q: sum(part for _, part in _images)}

density = p**2 + q**2
p_t = -q.diff(x, 2) / 2 - density * q
q_t = p.diff(x, 2) / 2 + density * p
slopes = p.diff(x) ** 2 + q.diff(x) ** 2
bends = p * p.diff(x, 2) + q * q.diff(x, 2)
current = p * q.diff(x) - q * p.diff(x)

problem = Problem(
    name="schroedinger",
    title="Nonlinear Schroedinger equation, i h_t + h_xx / 2 + |h|^2 h = 0",
    reference="Zakharov and Shabat (1972), Sov. Phys. JETP 34, 62-69; Raissi, Perdikaris and Karniadakis (2019), "
    "J. Comput. Phys. 378, 686-707, section 3.1.1",
    fields=[p, q],
    parameters=[amplitude, speed],
    domain=Box(x=(-PERIOD // 2, PERIOD // 2)),
    periodic=["x"],
    time=(0, 5),
    evolution={p: p_t, q: q_t},
    initial={field: part.subs(t, 0) for field, part in soliton.items()},
    conserves=[
        conservation("mass", density, [current]),
        conservation("momentum", current, [slopes / 2 - bends / 2 - density**2 / 2]),
        conservation("energy", slopes / 2 - density**2 / 2, [-p.diff(x) * p_t - q.diff(x) * q_t]),
    ],
    symmetries=[translation("x")],
    exact=soliton,
)
