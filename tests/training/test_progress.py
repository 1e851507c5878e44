from __future__ import annotations

import pytest

from sciflow.training.progress import Record, progress_bar

RECORD = Record(5, 0.125, 1e-3, 1.0, 0.25, 2.0, 1.0)


@pytest.mark.parametrize("show", [None, False])
def test_nothing_is_shown_where_nobody_looks(capfd: pytest.CaptureFixture[str], show: bool | None) -> None:
    with progress_bar("fno", 10, 0, show) as move:
        move(RECORD)
    assert capfd.readouterr() == ("", "")


def test_the_bar_tells_loss_and_validation_error(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    with progress_bar("fno", 10, 0, True) as move:
        move(RECORD)
        move(Record(10, 0.0625, 1e-3, 1.0, None, 4.0, 0.0))
    shown = capfd.readouterr().err
    for text in ("fno", "10/10", "loss 6.25e-02", "valid 2.50e-01"):
        assert text in shown
