"""Open WebUI with `meter serve` as its connection, and the filter beside it: each call is kept once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.served import PROXY, Served
from tests.webui import HOST, OpenWebui, lines

if TYPE_CHECKING:
    from pathlib import Path

    from tests.loopback import Loopback

pytestmark = [pytest.mark.host(HOST), pytest.mark.host(PROXY)]
TASKS = {"title_generation": True, "tags_generation": True}


def test_the_title_call_is_there_with_its_purpose_and_no_call_twice(tmp_path: Path, loopback: Loopback) -> None:
    """Whether the filter would keep calls too or not."""
    folder = tmp_path / "webui"
    folder.mkdir()
    model = f"loop-model=openai/loop-model@{loopback.api_base}"
    with Served(tmp_path, "serve", "--port", "0", "--model", model) as server:
        address = f"{server.address}/v1"
        with OpenWebui(HOST.python(), folder, {"loop-model": address}, key=server.key) as webui:
            for round_, record in enumerate((True, False)):
                webui.set(record=record, ledger=str(server.ledger), show_month=False, show_left=False)
                loopback.say(id=f"of-the-answer-{round_}")
                answer = webui.chat("loop-model", tasks=TASKS)
                entries = server.since(3 * round_, 3)
                assert lines(answer) == ["What this answer cost is unknown"]  # the proxy's model has no price here
                assert sorted(entry.purpose or "" for entry in entries) == ["", "tags", "title"]
                assert {(entry.user, entry.session) for entry in entries} == {("ann@example.com", answer["chat"])}
                assert [each.purpose for each in entries if each.response_id == f"of-the-answer-{round_}"] == [None]
