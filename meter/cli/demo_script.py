"""What `meter demo` plays: who pays how much, who asks what, and the rates it is held against."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

MACHINE_USD_PER_HOUR = Decimal("0.526")
"""What the machine of the article that this tool grew from was rented at."""
CNY_PER_USD = Decimal("7.10")
"""An assumption of the demo, recorded as such; it is near the rate of 2026."""


@dataclass(frozen=True, slots=True)
class Customer:
    """A user and the plan they pay for each month."""

    user: str
    plan: str
    price: str
    currency: str


CUSTOMERS = (
    Customer("alice", "go", "8", "USD"),
    Customer("bob", "plus", "20", "USD"),
    Customer("chen", "wenxin", "59.90", "CNY"),
    Customer("dora", "pro", "200", "USD"),
)
"""Bob is the heavy one."""


@dataclass(frozen=True, slots=True)
class Chat:
    """One question."""

    user: str
    how: Literal["plain", "streamed", "at once", "refused"]
    """Those `at once` are asked concurrently; the one `refused` is longer than the model's context."""
    question: str
    paste: str = ""
    """Text that follows the question and is not shown."""
    max_tokens: int = 32


_MINUTES = """
Minutes of the meeting on Tuesday. The bakery will open at six from Monday on. Emily looks for a second oven and asks
three shops for a price. Tom paints the door green. The flour is delivered on Wednesday and Friday. The window needs a
new pane, which the landlord pays for. The next meeting is on Thursday at nine, in the back room, with coffee.
"""

CHATS = (
    Chat("dora", "plain", "Sum up these minutes in one sentence.", paste=_MINUTES, max_tokens=48),
    Chat("alice", "plain", "How many days are in a week?"),
    Chat("chen", "plain", "What is the opposite of cold?"),
    Chat("bob", "streamed", "Write a short story about a lighthouse keeper and her cat.", max_tokens=120),
    Chat("dora", "streamed", "Why is the sky blue? One sentence.", max_tokens=48),
    Chat("chen", "streamed", "What do bees make?", max_tokens=24),
    Chat("bob", "refused", "Sum up this book.", paste="word " * 9_000),
    Chat("alice", "at once", "Name three colours.", max_tokens=24),
    Chat("bob", "at once", "Write a polite e-mail that asks for a day off.", max_tokens=80),
    Chat("bob", "at once", "Explain how a bicycle stays upright.", max_tokens=80),
    Chat("chen", "at once", "What do cats eat?", max_tokens=24),
    Chat("dora", "at once", "Give me a recipe for pancakes.", max_tokens=48),
)
"""In the order in which they are held. The first one also waits for litellm to get ready: the dearest plan bears it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A model at the rates of a day."""

    heading: str
    model: str
    provider: str
    at: datetime | None = None
    """UTC; None for the rates of now."""


_LAUNCH = datetime(2023, 10, 17, 12, tzinfo=UTC)
"""ERNIE 4.0 was shown on this day."""

COMPARISONS = (
    Comparison("ERNIE 3.5", "ernie-3.5-8k", "baidu", _LAUNCH),
    Comparison("ERNIE 4.0", "ernie-4.0-8k", "baidu", _LAUNCH),
    Comparison("ERNIE 5.1", "ernie-5.1", "baidu"),
    Comparison("GPT-6 luna", "gpt-6-luna", "openai"),
)
"""What the same tokens would have cost elsewhere."""
