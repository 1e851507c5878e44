"""Rigid motion of an image: shifts on a periodic canvas and turns about the centre of an open one."""

from __future__ import annotations

import numpy as np

_WHOLE = 1e-9  # pixels by which a shift may miss a whole number


def shifted(image: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """An image on a periodic canvas, moved: ``out[t](y, x) = image(y - rows[t], x - columns[t])``.

    Whole shifts are exact, the same as ``np.roll``. Others multiply the Fourier modes by exp(-i k d), the shift of the
    trigonometric interpolant (the Nyquist mode keeps its real part): exact for it, and where an image has edges it
    overshoots by some percent of their height.

    Args:
        image: [y, x].
        rows, columns: [T] in pixels.

    Returns:
        [T, y, x].
    """
    height, width = image.shape
    nearest = np.rint(rows).astype(int), np.rint(columns).astype(int)
    from_rows = (np.arange(height) - nearest[0][:, None]) % height
    from_columns = (np.arange(width) - nearest[1][:, None]) % width
    out = image[from_rows[:, :, None], from_columns[:, None, :]]
    between = (np.abs(rows - nearest[0]) > _WHOLE) | (np.abs(columns - nearest[1]) > _WHOLE)
    if between.any():
        factors = _phases(np.fft.fftfreq(height, 1 / height), height, rows[between])[:, :, None]
        factors = factors * _phases(np.fft.rfftfreq(width, 1 / width), width, columns[between])[:, None, :]
        out[between] = np.fft.irfft2(np.fft.rfft2(image) * factors, s=image.shape, axes=(-2, -1))
    return out


def _phases(modes: np.ndarray, points: int, shifts: np.ndarray) -> np.ndarray:
    """exp(-i k d), [T, mode]; real for the Nyquist mode, which has no direction."""
    factors = np.exp(-2j * np.pi * np.outer(shifts, modes) / points)
    if points % 2 == 0:
        nyquist = np.abs(modes) == points // 2
        factors[:, nyquist] = factors[:, nyquist].real
    return factors


def turned(image: np.ndarray, angles: np.ndarray, canvas: tuple[int, int]) -> np.ndarray:
    """An image in the middle of an open canvas, turned about its centre from the x axis towards the y axis.

    The cubic spline through the pixel centres (zero outside the image) is evaluated at the turned positions, each time
    from the image itself, so that errors do not add up; the result is clamped to 0 to 1. Quarter turns of a square
    canvas are exact to rounding, the same as ``np.rot90(image, -1)``. What leaves the canvas is cut off.

    Args:
        image: [y, x] in 0 to 1.
        angles: [T] in degrees.
        canvas: pixels along y and x.

    Returns:
        [T, y, x] on the canvas.
    """
    from scipy.ndimage import map_coordinates, spline_filter

    margin = 4  # pixels of zero, so that the ends of the spline lie far outside
    coefficients = spline_filter(np.pad(image, margin), order=3)
    y, x = np.meshgrid(*(np.arange(size) - (size - 1) / 2 for size in canvas), indexing="ij")
    cosine, sine = _turns(angles)
    rows = -sine * x + cosine * y + (coefficients.shape[0] - 1) / 2
    columns = cosine * x + sine * y + (coefficients.shape[1] - 1) / 2
    found = map_coordinates(coefficients, [rows, columns], order=3, mode="constant", prefilter=False)
    return np.clip(found, 0.0, 1.0)


def _turns(angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine [T, 1, 1] of angles in degrees, exact for quarter turns."""
    quarters = np.rint(angles / 90)
    rest = np.deg2rad(angles - 90 * quarters)
    cosine, sine = np.cos(rest), np.sin(rest)
    turn = quarters.astype(int) % 4
    cosines = np.choose(turn, [cosine, -sine, -cosine, sine])
    sines = np.choose(turn, [sine, cosine, -sine, -cosine])
    return cosines[:, None, None], sines[:, None, None]
