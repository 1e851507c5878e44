"""Bad input gets one sentence, exit code 2 and no traceback."""

from pathlib import Path

import numpy as np
import pytest

SUITE = "name: s\ndata: {{path: {data}}}\nmethods: [{method}]\ntask: {{horizons: [{{steps: 1}}]}}\n{extra}\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sciflow.data import splits, write
    from sciflow.solvers import simulate

    path = tmp_path_factory.mktemp("bad") / "waves.h5"
    solution = simulate("advection", cases=6, resolution=32, frames=6)
    return write(path, solution, splits={"random": splits.random(6)})


def refused(answer, *words: str) -> None:
    """Exit code 2, one short message naming the words, no traceback."""
    assert answer.code == 2, (answer.code, answer.err, answer.out)
    assert "Traceback" not in answer.err and "Traceback" not in answer.out
    lines = [line for line in answer.err.strip().splitlines() if line.strip()]
    assert lines, "no message"
    for word in words:
        assert word.lower() in answer.err.lower(), answer.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["problems", "show", "burger"], ["no problem named 'burger'", "did you mean 'burgers'"]),
        (["problems", "show", "no.such.module:problem"], ["cannot be imported"]),
        (["models", "show", "fnoo"], ["no model named 'fnoo'", "'fno'"]),
        (["simulate", "burgers", "--set", "nuu=1"], ["no parameter 'nuu'"]),
        (["simulate", "burgers", "--set", "nu"], ["name.name=value"]),
        (["simulate", "burgers", "--set", "nu=abc"], ["'nu' is 'abc'"]),
        (["simulate", "burgers", "--set", "nu=-1"], ["'nu'", "positive"]),
        (["simulate", "burgers", "--set", "resolution=32"], ["no parameter 'resolution'"]),
        (["simulate", "burgers", "--option", "oversampel=2"], ["no option 'oversampel'"]),
        (["simulate", "burgers", "--frames", "1"], ["frames"]),
        (["data", "generate", "burgers", "--set", "splits.random.counts={train: 3}"], ["add up to 3"]),
        (["simulate", "burgers", "--resolution", "two"], ["resolution"]),
        (["simulate", "burgers", "--resolution", "1"], ["resolution 1"]),
        (["simulate", "burgers", "--end", "-1"], ["--end"]),
        (["data", "generate", "kdvv"], ["no recipe or problem named 'kdvv'", "kdv"]),
        (["data", "generate", "burgers", "--set", "casez=3"], ["casez"]),
        (["data", "generate", "burgers", "--set", "cases=many"], ["cases"]),
        (["data", "info", "missing.h5"], ["missing.h5"]),
        (["bench", "run", "no-such-suite"], ["no-such-suite"]),
        (["bench", "report", "nowhere"], ["nowhere"]),
        (["no-such-command"], ["no-such-command"]),
        (["check", "burger"], ["burger"]),
    ],
)
def test_wrong_names_and_options(sciflow, tmp_path: Path, monkeypatch, arguments: list[str], words: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    refused(sciflow(*arguments), *words)
    assert not list(tmp_path.glob("*.h5"))


@pytest.mark.parametrize(
    ("method", "extra", "words"),
    [
        ("{method: fnoo}", "", ["fnoo", "fno"]),
        ("{method: fno, config: {widht: 8}}", "", ["widht"]),
        ("{method: fno, training: {steps: many}}", "", ["steps"]),
        ("{method: persistence}", "metrics: [nnmse]", ["nnmse", "nmse"]),
        ("{method: persistence}", "seeds: [a]", ["seeds"]),
        ("{method: persistence}", "split: holdout", ["holdout"]),
        ("{methd: persistence}", "", ["methd"]),
    ],
)
def test_wrong_suites(sciflow, data: Path, tmp_path: Path, method: str, extra: str, words: list[str]) -> None:
    suite = tmp_path / "suite.yaml"
    suite.write_text(SUITE.format(data=data, method=method, extra=extra))
    refused(sciflow("bench", "run", suite, "--out", tmp_path / "out"), *words)


def test_folder_that_cannot_be_written(sciflow, data: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    suite = tmp_path / "suite.yaml"
    suite.write_text(SUITE.format(data=data, method="{method: persistence}", extra=""))
    refused(sciflow("bench", "run", suite, "--out", blocked / "out"), "file")
    refused(sciflow("data", "generate", "heat", "--out", blocked / "heat.h5", "--set", "cases=4"), "file")
    assert blocked.read_text() == "in the way"


def test_damaged_files(sciflow, data: Path, tmp_path: Path) -> None:
    whole = data.read_bytes()
    short, text, empty = tmp_path / "short.h5", tmp_path / "text.h5", tmp_path / "empty.h5"
    short.write_bytes(whole[: len(whole) // 2])
    text.write_text("u,v\n1,2\n")
    empty.write_bytes(b"")
    for path in (short, text, empty):
        refused(sciflow("data", "info", path), path.name)
        refused(sciflow("train", "fno", path, "--out", tmp_path / "model"), path.name)


def test_nan_in_data(sciflow, data: Path, tmp_path: Path) -> None:
    import h5py

    path = tmp_path / "nan.h5"
    path.write_bytes(data.read_bytes())
    with h5py.File(path, "r+") as file:
        file["u"][0, 3] = np.nan
    answer = sciflow("data", "check", path)
    refused(answer, "case 0", "frame 3")
    refused(sciflow("train", "fno", path, "--out", tmp_path / "model", "--set", "steps=2", "--set", "width=4"), "NaN")


def test_missing_variable_and_wrong_shape(sciflow, data: Path, tmp_path: Path) -> None:
    import xarray as xr

    from sciflow.core.errors import InputError
    from sciflow.data import from_arrays, write

    with xr.open_dataset(data, engine="h5netcdf") as opened:
        solution = opened.load()
    other = solution.rename(u="q").drop_vars("resolved")
    path = write(tmp_path / "other.h5", other, splits={"random": {"train": [0, 1, 2, 3], "test": [4, 5]}})
    model = tmp_path / "model"
    small = [part for s in ("steps=2", "width=4", "modes=2") for part in ("--set", s)]
    assert sciflow("train", "fno", data, "--out", model, *small).code == 0
    refused(sciflow("predict", model, path, "--out", tmp_path / "f.h5", "--part", "all"), "'u'")
    with pytest.raises(InputError, match="shape"):
        from_arrays({"u": np.zeros((2, 3, 8)), "v": np.zeros((2, 3, 9))}, times=[0, 1, 2])


def test_debug_shows_the_traceback(sciflow) -> None:
    answer = sciflow("problems", "show", "burger", "--debug")
    assert answer.code == 2 and "Traceback" in answer.err
