"""Statistics of wall turbulence against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.interpolate import CubicSpline

from sciflow.core import InputError
from sciflow.evaluation.turbulence import (
    compare,
    energy_spectrum,
    frame_profiles,
    friction_velocity,
    increments,
    jackknife,
    probability_density,
    published_profiles,
    q_criterion,
    statistics_spectrum,
    total_stress,
    two_point_correlation,
    wall_profiles,
)

NU = 0.01
Y = 1 - np.cos(np.pi * np.arange(33) / 32)  # nodes from wall to wall
X, Z = 2 * np.pi * np.arange(16) / 16, 3.0 * np.arange(8) / 8


def frames(**fields: np.ndarray) -> xr.Dataset:
    """Frames (case, time, z, y, x) of fields that broadcast to (z, y, x); two times of opposite fluctuation."""
    coords = {"x": X, "y": Y, "z": Z, "time": [0.0, 1.0], "case": [0]}
    rows = {}
    for name in ("u", "v", "w"):
        value = np.broadcast_to(fields.get(name, 0.0), (8, 33, 16)).astype(float)
        rows[name] = (("case", "time", "z", "y", "x"), np.stack([value, value])[None])
    return xr.Dataset(rows, coords=coords, attrs={"grid": "nodes", "periodic": "x,z"})


def test_profiles_of_known_fluctuations() -> None:
    y = Y[None, :, None]
    parabola, bump = y * (2 - y), np.sin(np.pi * y)
    wave = np.cos(2 * X) + 0 * Z[:, None, None]
    data = frames(u=parabola + 0.3 * bump * wave, v=-0.1 * (y * (2 - y)) * wave, w=0.2 * wave)
    found = frame_profiles(data, NU)
    u_tau = np.sqrt(2 * NU)  # U = y (2 - y)
    half = Y[:17]
    assert found.attrs["u_tau"] == pytest.approx(u_tau, rel=1e-12)
    assert found.attrs["Re_tau"] == pytest.approx(u_tau / NU)
    np.testing.assert_allclose(found["U"], half * (2 - half) / u_tau, atol=1e-12)
    np.testing.assert_allclose(found["u_rms"], 0.3 * np.abs(np.sin(np.pi * half)) * np.sqrt(0.5) / u_tau, atol=1e-12)
    np.testing.assert_allclose(found["w_rms"], 0.2 * np.sqrt(0.5) / u_tau, rtol=1e-12)
    shear = 0.5 * 0.03 * np.sin(np.pi * half) * half * (2 - half)  # odd about the centre, as is sin(pi y)
    np.testing.assert_allclose(found["uv"], shear / u_tau**2, atol=1e-12)
    np.testing.assert_allclose(found["y_plus"], half * u_tau / NU)


def test_friction_velocity_without_points_on_the_walls() -> None:
    centres = 0.5 * (Y[1:] + Y[:-1])
    assert friction_velocity(centres, centres * (2 - centres), NU) == pytest.approx(np.sqrt(2 * NU), rel=1e-12)
    with pytest.raises(InputError, match="positive"):
        friction_velocity(Y, -Y * (2 - Y), NU)
    with pytest.raises(InputError, match="symmetric"):
        frame_profiles(frames(u=(Y * (2 - Y))[None, :, None]).assign_coords(y=Y**2 / 2), NU, u_tau=1.0)


def test_spectra_hold_the_energy() -> None:
    wave = 0.5 * np.cos(3 * X) + 0.25 * np.sin(8 * X)  # the last is zero at the points: Nyquist
    data = frames(u=2 + wave + 0 * Z[:, None, None], v=0.4 * np.cos(2 * np.pi * Z / 3)[:, None, None] + 0 * X)
    along_x, along_z = energy_spectrum(data, "x"), energy_spectrum(data, "z", y=0.3)
    np.testing.assert_allclose(along_x["k"], np.arange(1, 9))
    np.testing.assert_allclose(along_x, np.where(np.arange(1, 9) == 3, 0.5 * 0.125, 0), atol=1e-15)
    np.testing.assert_allclose(along_z, np.where(np.arange(1, 5) == 1, 0.5 * 0.08, 0), atol=1e-15)
    noise = frames(u=np.random.default_rng(0).standard_normal((8, 33, 16)))
    weights = np.gradient(Y)
    weights[[0, -1]] /= 2
    weights = np.convolve(np.diff(Y), [0.5, 0.5])
    variance = noise["u"].var("x").mean(("case", "time", "z")).values
    assert float(energy_spectrum(noise, "x").sum()) == pytest.approx(0.5 * variance @ weights / 2, rel=1e-12)
    with pytest.raises(InputError, match="'x' or 'z'"):
        energy_spectrum(data, "y")


def test_q_of_rotation_strain_and_waves() -> None:
    y = Y[None, :, None] - 1
    # v_x = a cos(x), u_y = b: Q = -(u_y v_x).
    found = q_criterion(frames(u=3 * y, v=0.5 * np.sin(X) + 0 * Z[:, None, None]))
    np.testing.assert_allclose(found[0, 0], np.broadcast_to(-1.5 * np.cos(X), (8, 33, 16)), atol=1e-12)
    # v = y (1 - y / 3), exact to second order, and w_z: Q = -(v_y^2 + w_z^2) / 2.
    w = np.sin(2 * np.pi * Z / 3)[:, None, None]
    slope = 2 * np.pi / 3 * np.cos(2 * np.pi * Z / 3)[:, None, None]
    found = q_criterion(frames(v=y - y**2 / 2, w=w + 0 * X))
    np.testing.assert_allclose(found[0, 0], np.broadcast_to(-((1 - y) ** 2 + slope**2) / 2, (8, 33, 16)), atol=1e-10)


def test_density_of_normal_numbers() -> None:
    values = 3 + 2 * np.random.default_rng(0).standard_normal(200_000)
    found = probability_density(values, bins=41)
    normal = np.exp(-(found["sigma"] ** 2) / 2) / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(found, normal, atol=0.01)
    assert found.attrs["mean"] == pytest.approx(3, abs=0.02) and found.attrs["std"] == pytest.approx(2, rel=0.01)
    with pytest.raises(InputError, match="vary"):
        probability_density(np.ones(10))


def test_correlation_and_increments_of_a_wave() -> None:
    data = frames(u=np.cos(2 * X) * np.sin(np.pi * Y)[None, :, None] + 5 + 0 * Z[:, None, None])
    found = two_point_correlation(data["u"], "x")
    np.testing.assert_allclose(found.isel(y=8), np.cos(2 * found["r"]), atol=1e-12)
    assert np.isnan(found.isel(y=0)).all() and found.sizes["r"] == 9
    plane = data["u"].isel(case=0, time=0, z=0, y=8)
    moved = np.sin(np.pi * Y[8]) * (np.cos(2 * (X + X[4])) - np.cos(2 * X))
    np.testing.assert_allclose(increments(plane, "x", 4), moved, atol=1e-12)
    with pytest.raises(InputError, match="'x' or 'z'"):
        two_point_correlation(data["u"], "y")


def summed(scale: float = 1.0, blocks: int = 4) -> xr.Dataset:
    """Statistics whose profiles are the published ones at Re_tau 178.12 with u_tau = 1, U times `scale` by block."""
    known = published_profiles()
    faces = 1 - np.tanh(2 * (1 - 2 * np.arange(65) / 64)) / np.tanh(2)
    centres = 0.5 * (faces[1:] + faces[:-1])

    def at(name: str, points: np.ndarray, sign: float = 1.0) -> np.ndarray:
        near = CubicSpline(known["y"], known[name])(np.minimum(points, 2 - points))
        return np.where(points > 1, sign, 1.0) * near

    factors = 1 + (scale - 1) * np.linspace(-1, 1, blocks)[:, None]
    rows = {"U": factors * at("U", centres)}
    rows |= {"uu": at("u_rms", centres) ** 2 + 0 * factors, "ww": at("w_rms", centres) ** 2 + 0 * factors}
    faced = {"vv": at("v_rms", faces[1:-1]) ** 2 + 0 * factors, "uv": -at("uv", faces[1:-1], -1.0) + 0 * factors}
    variables = {name: (("block", "y"), row) for name, row in rows.items()}
    variables |= {name: (("block", "y_face"), row) for name, row in faced.items()}
    variables |= {name: (("block",), np.ones(blocks)) for name in ("weight", "force")}
    variables["spectrum_x_u"] = (("block", "y", "kx"), np.ones((blocks, 64, 2)) * centres[:, None])
    variables["spectrum_x_w"] = variables["spectrum_x_u"]
    variables["spectrum_x_v"] = (("block", "y_face", "kx"), np.ones((blocks, 63, 2)))
    coords = {"y": centres, "y_face": faces[1:-1], "kx": [0.0, 1.0]}
    return xr.Dataset(variables, coords=coords, attrs={"nu": 1 / 178.12})


def test_published_profiles_agree_with_themselves() -> None:
    known = published_profiles()
    assert float(known["U"][-1]) == pytest.approx(18.30, abs=0.01) and known.attrs["Re_tau"] == pytest.approx(178.12)
    assert float(known["u_rms"].max()) == pytest.approx(2.658, abs=1e-3)
    errors = compare(wall_profiles(summed()), known)
    assert set(errors) == {"U", "u_rms", "v_rms", "w_rms", "uv"} and max(errors.values()) < 2e-3
    louder = wall_profiles(summed())
    louder["w_rms"] = 1.1 * louder["w_rms"]
    assert compare(louder, known)["w_rms"] == pytest.approx(0.1, abs=2e-3)
    with pytest.raises(InputError, match="Re_tau"):
        published_profiles(395)
    with pytest.raises(InputError, match="points"):
        compare(louder, known, below=0.5)


def test_total_stress_of_the_published_profiles_is_a_line() -> None:
    assert total_stress(summed()).attrs["largest"] < 0.02


def test_error_bars_of_blocks() -> None:
    # A measure that is the mean over blocks has the standard error of a mean.
    data = summed(1.2, blocks=5)
    found = jackknife(data, lambda part: {"U": float(part["U"].isel(y=9).mean())})["U"]
    rows = data["U"].isel(y=9).values
    assert found == pytest.approx(rows.std(ddof=1) / np.sqrt(5), rel=1e-10)
    with pytest.raises(InputError, match="two blocks"):
        jackknife(data.isel(block=[0]), lambda part: {})


def test_spectrum_of_statistics_averages_both_walls() -> None:
    found = statistics_spectrum(summed(), "x", 0.2)
    assert float(found["u"].sum()) == pytest.approx(2.0)  # y and 2 - y average to 1, twice
    assert found["v"].dims == ("k",)
