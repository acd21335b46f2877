from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from meter import prompt


def tool(name: str = "f", properties: Any = None, **function: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties or {}, "required": ["city"]}
    return {"type": "function", "function": {"name": name, "parameters": parameters, **function}}


def test_functions_are_shown_as_typescript() -> None:
    properties = {
        "city": {"type": "string", "description": "Where"},
        "unit": {"type": "string", "enum": ["c", "f"]},
        "days": {"type": "integer"},
        "level": {"type": "number", "enum": [1, 2.5]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "any": {"type": "array"},
        "odd": {"type": ["string", "null"]},
        "at": {"type": "object", "properties": {"lat": {"type": "number", "description": "North"}}},
    }
    shown = prompt.definitions([tool("weather", properties, description="Tell the weather"), tool("now")])
    assert shown.split("\n") == [
        "namespace functions {",
        "",
        "// Tell the weather",
        "type weather = (_: {",
        "// Where",
        "city: string,",
        'unit?: "c" | "f",',
        "days?: number,",
        "level?: 1 | 2.5,",
        "tags?: string[],",
        "any?: any[],",
        "odd?: any,",
        "at?: {",
        "  // North",
        "  lat?: number,",
        "},",
        "}) => any;",
        "",
        "type now = () => any;",
        "",
        "} // namespace functions",
    ]


@pytest.mark.parametrize(
    "flat",
    [
        {"type": "function", "name": "f", "parameters": {"properties": {"city": {"type": "string"}}}},
        {"name": "f", "input_schema": {"properties": {"city": {"type": "string"}}}},
        SimpleNamespace(name="f", parameters={"properties": {"city": {"type": "string"}}}),
    ],
)
def test_every_api_s_definitions_are_shown_alike(flat: Any) -> None:
    nested = {"type": "function", "function": {"name": "f", "parameters": {"properties": {"city": {"type": "string"}}}}}
    assert prompt.definitions([flat]) == prompt.definitions([nested])


@pytest.mark.parametrize("tools", [None, [], "tools", [None], [{}], [{"type": "web_search"}], [{"name": 7}], [7], {}])
def test_what_defines_no_function_shows_nothing(tools: Any) -> None:
    assert prompt.definitions(tools) == ""


def test_a_schema_inside_itself_ends() -> None:
    schema: dict[str, Any] = {"type": "object"}
    schema["properties"] = {"again": schema, "more": {"type": "array", "items": schema}}
    array: dict[str, Any] = {"type": "array"}
    array["items"] = array
    assert "again?: {" in prompt.definitions([tool(properties={"array": array, "again": {"type": "object"}})])
    deep: dict[str, Any] = {"type": "object"}
    deep["properties"] = {"again": deep}
    assert prompt.definitions([tool(properties={"deep": deep})]).count("again") == 16


def test_calls_of_every_api_are_shown_alike() -> None:
    function = {"name": "f", "arguments": "{}"}
    chat = {"role": "assistant", "tool_calls": [{"id": "a", "function": function}]}
    responses = {"type": "function_call", "call_id": "a", **function}
    legacy = {"role": "assistant", "function_call": function}
    expected = (3, ["assistant", " to=functions.f", "{}"])
    for message in (chat, responses, legacy):
        assert prompt.shown(message, {}) == expected


def test_two_calls_and_a_text_are_three_messages() -> None:
    call = {"function": {"name": "f", "arguments": "{}"}}
    frame, texts = prompt.shown({"role": "assistant", "content": "so", "tool_calls": [call, call]}, {})
    assert frame == 9
    assert texts == ["assistant"] * 3 + ["so"] + [" to=functions.f", "{}"] * 2


def test_blocks_of_tools_are_texts() -> None:
    use = {"type": "tool_use", "name": "f", "input": {"x": 1}}
    result = {"type": "tool_result", "content": [{"type": "text", "text": "done"}]}
    assert prompt.texts([use, result, {"type": "thinking", "thinking": "hm"}]) == ["f", '{"x": 1}', "done", "hm"]


def test_arguments_that_cannot_be_written_show_nothing() -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for arguments in (endless, deep, {(1, 2): 3}):
        call = {"function": {"name": "f", "arguments": arguments}}
        assert prompt.shown({"role": "assistant", "tool_calls": [call]}, {})[1][-1] == ""


def test_a_call_under_no_name_is_no_error() -> None:
    called: dict[str, str] = {}
    call = {"id": ["a"], "function": {"name": None, "arguments": None}}
    assert prompt.shown({"role": "assistant", "tool_calls": [call, None, 7]}, called)[0] == 9
    assert called == {}
