"""FitzHugh-Nagumo equations on a periodic square: an excitable medium."""

from sciflow.problems import Box, Field, Parameter, Problem, coordinates, laplacian, random_fourier, translation

t, x, y = coordinates("t x y")
u = Field("u", unit="", long_name="membrane potential")(t, x, y)
v = Field("v", unit="", long_name="recovery")(t, x, y)
epsilon = Parameter("epsilon", 0.08, 0.06, 0.1, unit="", description="rate of recovery")
beta = Parameter("beta", 0.7, 0.4, 0.7, unit="", description="threshold: below 0.43 the medium oscillates by itself")
gamma = Parameter("gamma", 0.8, unit="", description="damping of the recovery")
D = Parameter("D", 1.0, unit="", description="diffusivity of the potential")

problem = Problem(
    name="fitzhugh-nagumo",
    title="FitzHugh-Nagumo equations",
    reference="FitzHugh (1961), Biophys. J. 1, 445-466, eqs. 1 and 2; Nagumo, Arimoto and Yoshizawa (1962), "
    "Proc. IRE 50, 2061-2070; spirals: Winfree (1991), Chaos 1, 303-334",
    fields=[u, v],
    parameters=[epsilon, beta, gamma, D],
    domain=Box(x=(0, 64), y=(0, 64)),
    periodic=["x", "y"],
    time=(0, 40),
    evolution={
        u: D * laplacian(u) + u - u**3 / 3 - v,
        v: epsilon * (u + beta - gamma * v),
    },
    # Excited and recovering patches that do not coincide: their borders break into spirals.
    initial={u: random_fourier(modes=3, amplitude=1.0, mean=-0.5), v: random_fourier(modes=3, amplitude=0.6)},
    symmetries=[translation("x"), translation("y")],
)
