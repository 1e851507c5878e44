"""The catalogue: one file for each equation, listed here so that listing them loads nothing."""

SUMMARIES = {
    "advection": ("advection", "Linear advection, 1-D periodic"),
    "burgers": ("burgers", "Viscous Burgers equation, 1-D periodic"),
    "cavity": ("cavity", "Lid-driven cavity, incompressible Navier-Stokes, 2-D"),
    "heat": ("heat", "Heat equation, 1-D periodic"),
    "kdv": ("kdv", "Korteweg-de Vries equation, 1-D periodic"),
    "navier-stokes-2d": ("navier_stokes_2d", "Navier-Stokes in vorticity form, 2-D periodic"),
}
