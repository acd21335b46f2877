"""The environments of hosts: made once, kept, begun before the test that needs them; what cannot be made says why."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.hosts import SOURCE, Host

SMALL = Host("small", ("pluggy>=1.5",), with_meter=False)
pytestmark = pytest.mark.host(SMALL)


def test_an_environment_has_what_was_asked_for_and_the_project_from_its_source() -> None:
    script = "import sys, pluggy, meter; print(sys.prefix)"
    ran = subprocess.run(
        [SMALL.python(), "-c", script],
        env={**os.environ, "PYTHONPATH": SOURCE},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == str(SMALL.folder)


def test_one_that_is_there_is_not_made_again() -> None:
    python = SMALL.python()
    made = python.lstat().st_mtime_ns
    assert Host("small", ("pluggy>=1.5",), with_meter=False).python() == python
    assert python.lstat().st_mtime_ns == made


def test_what_cannot_be_installed_is_said_with_pips_last_words() -> None:
    error = Host("none", ("a-distribution-that-nobody-has-made==1",), with_meter=False).make()
    assert error is not None
    assert "a-distribution-that-nobody-has-made" in error
