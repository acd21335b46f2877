from __future__ import annotations

import pytest

from meter.usage.paths import may_lead, steps, tree


def test_a_path_is_names_and_the_items_of_lists_that_meet_a_condition() -> None:
    assert steps("a.b[].c[d.e=f g].h") == ("a", ("b", "", ""), ("c", "d.e", "f g"), "h")
    assert steps("") == ()


def test_paths_that_begin_alike_are_joined() -> None:
    (node,) = tree(["a|b.c", "a|b", "a|b[].d"])
    assert (node.name, node.other, node.is_text) == ("a", "b", True)
    assert [below.name for below in node.below] == ["c"]
    assert [item.name for item in node.items] == ["d"]


@pytest.mark.parametrize(
    ("path", "leads"),
    [("a", True), ("a.b", True), ("a.c", False), ("b", False), ("l[].x", True), ("n.b", True)],
)
def test_a_path_leads_nowhere_only_where_its_first_names_are_missing(path: str, leads: bool) -> None:
    assert may_lead(steps(path), {"a": {"b": 1}, "l": [{}], "n": 3}) is leads
