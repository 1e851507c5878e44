"""Running the command line in this process."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from sciflow.cli.main import main


@dataclass
class Answer:
    """Exit code and what was printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def sciflow(capsys: pytest.CaptureFixture) -> Callable[..., Answer]:
    def run(*arguments: object) -> Answer:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Answer(int(stop.value.code or 0), captured.out, captured.err)

    return run
