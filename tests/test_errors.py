from __future__ import annotations

import inspect
import re

import pytest

from meter import errors
from meter.errors import InputError, MeterError, SettingsError, suggest

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, MeterError)]


def drawn() -> dict[str, tuple[str | None, int]]:
    """Return each class in the docstring's tree with the one above it and the exit status beside it."""
    tree: dict[str, tuple[str | None, int]] = {}
    above: list[tuple[int, str, int]] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"(?P<indent>[ │├└─]*)(?P<name>[A-Z]\w+)  .*?(exit (?P<status>\d))?$", line)
        if found:
            depth = len(found["indent"])
            while above and above[-1][0] >= depth:
                above.pop()
            status = int(found["status"] or above[-1][2])
            tree[found["name"]] = (above[-1][1] if above else None, status)
            above.append((depth, found["name"], status))
    return tree


def test_every_error_stands_in_the_drawn_tree_under_its_base_with_its_exit_status() -> None:
    bases = {kind: next(base for base in kind.__bases__ if issubclass(base, Exception)) for kind in CLASSES}
    assert drawn() == {
        kind.__name__: (None if kind is MeterError else bases[kind].__name__, kind.exit_code) for kind in CLASSES
    }


def test_tree_has_more_than_its_root() -> None:
    assert {"MeterError", "InvalidPlan", "LedgerTooNew"} <= drawn().keys()


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_is_caught_as_a_meter_error_and_carries_its_message(kind: type[MeterError]) -> None:
    with pytest.raises(MeterError, match="what, which value, what to do"):
        raise kind("what, which value, what to do")
    assert kind.__doc__


def test_wrong_input_is_a_value_error_and_a_wrong_setting_is_not() -> None:
    assert issubclass(InputError, ValueError)
    assert not issubclass(SettingsError, ValueError)


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("gpt-5-mimi", ["gpt-5", "gpt-5-mini"], ' Did you mean "gpt-5-mini"?'),
        ("pluss", ("plus", "pro"), ' Did you mean "plus"?'),
        ("nothing like it", ("plus", "pro"), ""),
        ("", ("plus",), ""),
        ("plus", (), ""),
    ],
)
def test_near_name_is_suggested_and_a_far_one_is_not(name: str, known: list[str], said: str) -> None:
    assert suggest(name, known) == said


def test_names_are_taken_from_anything_that_can_be_walked() -> None:
    assert suggest("plu", iter({"plus": 1})) == ' Did you mean "plus"?'
