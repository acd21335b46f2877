from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from meter import errors
from meter.errors import InputError, MeterError, SettingsError, loggable, suggest

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


def foreign() -> Exception:
    try:
        raise ValueError("what the prompt said")
    except ValueError as error:
        return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SettingsError("ours"), "ours"),
        (OSError(28, "what the prompt said"), "OSError: No space left on device"),
        (OSError("what the prompt said"), "OSError"),
        (ValueError("what the prompt said"), "ValueError"),
        (foreign(), rf"ValueError in test_errors\.py, line {foreign.__code__.co_firstlineno + 2}"),
    ],
)
def test_of_an_error_what_is_ours_or_the_systems_is_logged_and_of_others_their_class(
    error: Exception, said: str
) -> None:
    assert re.fullmatch(said, loggable(error))


LOGS = {"debug", "info", "warning", "error", "critical", "exception", "log", "_tell"}
SOURCES = sorted(Path(errors.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_error_is_logged_with_its_text(path: Path) -> None:
    """Prompts, answers and keys are never kept, and a foreign error's text may hold them."""
    tree = ast.parse(path.read_text("utf-8"))
    caught = {node.name for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)} | {"error", "cause"}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if not isinstance(call.func, ast.Attribute) or call.func.attr not in LOGS:
            continue
        said = [
            part.value if isinstance(part, ast.FormattedValue) else part
            for argument in call.args
            for part in (argument.values if isinstance(argument, ast.JoinedStr) else [argument])
        ]
        where = f"{path.name}, line {call.lineno}"
        assert not caught & {name.id for name in said if isinstance(name, ast.Name)}, where
        assert call.func.attr != "exception" or not call.args, where  # a Future has one too
        assert not any(keyword.arg == "exc_info" for keyword in call.keywords), where
