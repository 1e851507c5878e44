from __future__ import annotations

import pytest

from sciflow.core import InputError, SciflowError, UnknownNameError, near


def test_every_error_is_caught_by_its_base_and_by_the_builtin_it_stands_for() -> None:
    assert issubclass(InputError, SciflowError) and issubclass(InputError, ValueError)
    assert issubclass(UnknownNameError, InputError) and issubclass(UnknownNameError, KeyError)


@pytest.mark.parametrize("kind", [SciflowError, InputError, UnknownNameError])
def test_messages_are_shown_as_written(kind: type[SciflowError]) -> None:
    assert str(kind("No 'x' here.")) == "No 'x' here."


def test_near_names_close_matches_first_then_all_known() -> None:
    assert near("burger", ["heat", "burgers"]) == " Did you mean 'burgers'? Known: burgers, heat."


def test_near_ignores_case() -> None:
    assert "Did you mean 'FNO'?" in near("fno", ["FNO", "unet"])


def test_near_without_a_close_match_lists_what_is_known() -> None:
    assert near("zzz", ["heat", "burgers"]) == " Known: burgers, heat."


def test_near_with_nothing_known() -> None:
    assert near("x", []) == " None are known."


def test_near_cuts_long_lists() -> None:
    assert near("zzz", [f"name{index:02d}" for index in range(30)]).endswith("name23 and 6 more.")
