"""Swift-Hohenberg equation on a periodic square."""

from sympy import pi

from sciflow.problems import Box, Field, Parameter, Problem, coordinates, laplacian, random_fourier, translation

t, x, y = coordinates("t x y")
u = Field("u", unit="", long_name="order parameter")(t, x, y)
r = Parameter("r", 0.3, 0.1, 0.5, unit="", description="distance from the onset of patterns")
g = Parameter("g", 0.0, 0.0, 1.0, unit="", description="quadratic term: 0 gives stripes, 1 hexagons")

problem = Problem(
    name="swift-hohenberg",
    title="Swift-Hohenberg equation",
    reference="Swift and Hohenberg (1977), Phys. Rev. A 15, 319-328; Cross and Hohenberg (1993), "
    "Rev. Mod. Phys. 65, 851-1112, section VIII.C",
    fields=[u],
    parameters=[r, g],
    domain=Box(x=(0, 16 * pi), y=(0, 16 * pi)),  # eight wavelengths of 2 pi
    periodic=["x", "y"],
    time=(0, 30),
    evolution={u: (r - 1) * u - 2 * laplacian(u) - laplacian(laplacian(u)) + g * u**2 - u**3},
    initial={u: random_fourier(modes=10, amplitude=0.2, decay=0)},
    symmetries=[translation("x"), translation("y")],
)
