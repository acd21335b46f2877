"""What commands tell people beside their reports is in their language, with the same figures."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

import meter
from meter.cli.conversation import Conversation
from meter.lang import spoken
from meter.period import Interval
from meter.price import Price
from tests.commands import done, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.loopback import Loopback

CALLS = """timestamp,model,prompt_tokens,completion_tokens,user_id,cost,colour
2026-11-03T10:00:00Z,gpt-4o-mini,1200,200,alice,,red
2026-11-04T10:00:00Z,my-model,600,100,,,red
2026-11-05T10:00:00Z,gpt-4o-mini,0,0,bob,,red
"""
SUBSCRIPTIONS = "user,plan,from,price,key,colour\nalice,plus,2026-11-01,{price},s1,red\n"
EVENTS = "user,at,amount,currency,key,colour\nalice,2026-11-01,20,USD,k1,red\n"
PLANS = "name,price,colour\nplus,20,red\npro,40,red\n"


pytestmark = pytest.mark.usefixtures("ledger_path", "beside_the_ledger")


def file(name: str, text: str) -> str:
    with open(name, "w", encoding="utf-8") as opened:  # noqa: PTH123  in the folder that the test stands in
        opened.write(text)
    return name


def words(text: str, *, names: str) -> set[str]:
    """Return the English words of a text that are no names, commands or options."""
    plain = re.sub(r"`[^`]*`|--[a-z-]+|[A-Z_]{3,}", "", text)
    return set(re.findall(r"[A-Za-z][a-z]+", re.sub("|".join(names.split()), "", plain)))


def figures(text: str) -> list[str]:
    return re.findall(r"\d+(?:[.,:-]\d+)*", text)


def same(*arguments: str, names: str) -> None:
    """Run a command that changes nothing in both languages: the figures are the same, and the words are not."""
    english, chinese = done(*arguments), done(*arguments, "--lang", "zh")
    assert sorted(figures(chinese)) == sorted(figures(english))
    assert words(english, names=names)
    assert not words(chinese, names=names)
    assert done(*arguments, "--csv", "--lang", "zh") == done(*arguments, "--csv")


NAMES = (
    r"calls\.csv gpt-4o-mini my-model openai timestamp prompt_tokens completion_tokens user_id model cost user colour"
)
OWN = NAMES + " input_tokens output_tokens at stated_cost s1 plus pro alice month active charge USD UTC JSON tokens"


def test_an_import_of_calls_says_what_came_of_it() -> None:
    path = file("calls.csv", CALLS)
    same("ledger", "import", "csv", path, "--dry-run", names=OWN)
    done("ledger", "import", "csv", path)
    same("ledger", "import", "csv", path, "--dry-run", names=OWN)
    file("calls.csv", CALLS.replace(",600,", ",700,"))
    same("ledger", "import", "csv", path, "--user", "carol", "--dry-run", names=OWN)


def test_a_reprice_says_what_it_would_write_and_what_it_wrote() -> None:
    done("ledger", "import", "csv", file("calls.csv", CALLS))
    done("price", "set", "my-model", "--input", "1", "--output", "2", "--from", "2026-01-01")
    same("ledger", "reprice", "--unpriced", "--dry-run", names=OWN)
    written = done("ledger", "reprice", "--unpriced", "--apply", "--lang", "zh")
    assert "1 次调用已重新计费" in written


def test_imports_of_plans_subscriptions_and_revenue_say_what_came_of_them() -> None:
    plans = file("plans.csv", PLANS)
    same("plan", "import", plans, "--dry-run", names=OWN)
    done("plan", "import", plans)
    subscriptions = file("subs.csv", SUBSCRIPTIONS.format(price=20))
    same("subscription", "import", subscriptions, "--dry-run", names=OWN)
    done("subscription", "import", subscriptions)
    file("subs.csv", SUBSCRIPTIONS.format(price=15))
    same("subscription", "import", subscriptions, "--dry-run", names=OWN + r" subs\.csv")
    same("revenue", "import", file("events.csv", EVENTS), "--dry-run", names=OWN)


def test_a_chat_says_what_answers_cost(loopback: Loopback, ledger_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = ("--model", "loop-model", "--api-base", loopback.api_base)
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    monkeypatch.setenv("METER_LANG", "zh")
    asked = run("chat", *where, "Hello")
    assert asked.stderr.splitlines() == [
        "输入 12，输出 5，成本未知；(无归属)",
        "没有单价。为今后的调用设置：meter price set loop-model --provider 127.0.0.1 --per-hour 0.526",
    ]
    assert asked.stdout == "Hello there, friend. \n"
    opened = meter.open_ledger(str(ledger_path))
    rates = {"input": Decimal("0.00000015"), "output": Decimal("0.0000006")}
    opened.add_price(Price(model="loop-model", provider="127.0.0.1", currency="USD", rates=rates))
    plan = meter.Plan(name="plus", price_nanos=20 * 10**9, currency="USD", interval=Interval("month"))
    opened.add_plan(plan)
    opened.add_subscription(plan.subscribe("alice", datetime(2026, 1, 1, tzinfo=UTC), zone="UTC"))
    opened.close()
    asked = run("chat", *where, "--user", "alice", "Hello")
    assert re.fullmatch(
        r"输入 12，输出 5，0\.0000048 USD；本月 按量计价 0\.0000048 USD，占套餐费的 .* %\n", asked.stderr
    )


def test_a_conversation_says_what_it_has_cost(fresh_db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metered = meter.Meter(ledger=str(fresh_db))
    route = {"model": "gpt-4o-mini", "mock_response": "Hi."}
    with spoken("zh"):
        talk = Conversation(metered, route, user=None)
        assert (
            talk.cost()
            == "本次会话：0 个回答，输入 0，输出 0，无花费。\n没有注明用户；用 --user NAME 或 METER_USER 指定。"
        )
        assert talk.say("Hello")
        assert talk.cost().startswith("本次会话：1 个回答，输入 ")
    metered.close()
    assert "无归属" in capsys.readouterr().err


def test_a_doctor_says_what_is_wrong_and_what_to_do(ledger_path: Path) -> None:
    lately = f"{datetime.now(UTC):%Y-%m-%d}T00:00:00Z"
    done("ledger", "import", "csv", file("calls.csv", CALLS.replace("2026-11-04T10:00:00Z", lately)))
    ledger_path.chmod(0o644)
    english, whole = run("doctor"), run("doctor", "--json")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("METER_LANG", "zh")
        chinese, machine = run("doctor"), run("doctor", "--json")
    assert [each.exit_code for each in (english, chinese, whole, machine)] == [3] * 4
    assert "所有者以外的人可以使用账本：其权限为 0644。\n   chmod 600 " in chinese.stdout
    assert "“my-model”没有单价：1 次调用，输入 600 词元，输出 100，未计入合计。" in chinese.stdout
    titles = [line.split()[0] for line in chinese.stdout.split("\n\n")[0].splitlines() if not line.startswith(" ")]
    assert all(re.match("[\u4e00-\u9fff]", title) for title in titles), titles
    assert len(chinese.stdout.splitlines()) == len(english.stdout.splitlines())
    # what machines read is English
    assert not re.search("[\u4e00-\u9fff]", machine.stdout)
