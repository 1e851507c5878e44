"""Gray-Scott equations on a periodic square."""

from sciflow.problems import Box, Field, Parameter, Problem, blobs, coordinates, laplacian, table, translation

t, x, y = coordinates("t x y")
u = Field("u", unit="", long_name="feed")(t, x, y)
v = Field("v", unit="", long_name="catalyst")(t, x, y)
F = Parameter("F", 0.04, 0.03, 0.05, unit="", description="rate of feed")
k = Parameter("k", 0.06, 0.057, 0.0625, unit="", description="rate of removal of the catalyst")
D_u = Parameter("D_u", 2e-5, unit="", description="diffusivity of the feed")
D_v = Parameter("D_v", 1e-5, unit="", description="diffusivity of the catalyst")

problem = Problem(
    name="gray-scott",
    title="Gray-Scott equations",
    reference="Gray and Scott (1984), Chem. Eng. Sci. 39, 1087-1097; Pearson (1993), Science 261, 189-192, eq. 2",
    fields=[u, v],
    parameters=[F, k, D_u, D_v],
    domain=Box(x=(0, 0.5), y=(0, 0.5)),
    periodic=["x", "y"],
    time=(0, 500),
    evolution={
        u: D_u * laplacian(u) - u * v**2 + F * (1 - u),
        v: D_v * laplacian(v) + u * v**2 - (F + k) * v,
    },
    initial={u: 1, v: blobs(count=5, width=0.08, amplitude=0.5)},  # feed alone, and some catalyst dropped into it
    symmetries=[translation("x"), translation("y")],
    subsets={
        # Spots, maze and worms of Ohana et al. (2024), The Well; the drawn ranges leave out where the catalyst dies.
        "patterns": table(F=[0.03, 0.029, 0.058], k=[0.062, 0.057, 0.065])
    },
)
