"""A problem in a package of its own: the Kawahara equation (Kawahara 1972, J. Phys. Soc. Jpn. 33, 260-264)."""

from sciflow.problems import Box, Field, Parameter, Problem, conservation, coordinates, random_fourier, translation

t, x = coordinates("t x")
u = Field("u")(t, x)
a = Parameter("a", default=8e-4, low=4e-4, high=1.6e-3)
b = 4e-8
problem = Problem(
    name="kawahara", title="Kawahara equation", reference="Kawahara (1972)", fields=[u], parameters=[a],
    domain=Box(x=(0, 1)), periodic=["x"], time=(0, 0.5),
    evolution={u: -u * u.diff(x) - a * u.diff(x, 3) + b * u.diff(x, 5)},
    initial={u: random_fourier(modes=2, amplitude=0.2)},
    conserves=[conservation("mass", u, [u**2 / 2 + a * u.diff(x, 2) - b * u.diff(x, 4)])],
    symmetries=[translation("x")], characteristic={x: u},
)  # fmt: skip
