"""Update: newer published prices, fetched by pip, and what they change for the models used here."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata, util
from typing import TYPE_CHECKING, Any

from meter.entry import now
from meter.errors import MeterError, MissingPackage
from meter.price import ITEMS, Price
from meter.reports.history import condition
from meter.reports.money import per
from meter.sources.genai import GenaiPrices

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from meter.reports.compare import Named

PACKAGE = "genai-prices"
"""The package whose only content is prices. litellm's map comes with litellm, which nobody wants upgraded for it."""

Rates = dict[tuple[str, str], tuple[Any, str, str]]
"""Item and condition to rate, unit and currency."""


def requirement() -> str:
    """Return the package with the bounds that meter itself asks for."""
    asked = metadata.requires("chat-meter") or []
    return next((each.partition(";")[0].strip() for each in asked if each.startswith(PACKAGE)), PACKAGE)


def command() -> list[str]:
    """Return the command that upgrades the package; raise MissingPackage where there is no pip."""
    if util.find_spec("pip") is None:
        raise MissingPackage(
            "There is no pip where meter is installed; upgrade with what installed meter, "
            f'like `uv pip install --upgrade "{requirement()}"`.'
        )
    return [sys.executable, "-m", "pip", "install", "--upgrade", requirement()]


def upgrade() -> None:
    """Run the command; nothing else about prices goes to the network. Raise MeterError where it fails."""
    done = subprocess.run(command(), capture_output=True, text=True, check=False)  # noqa: S603  our own command
    if done.returncode:
        why = (done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}").splitlines()[-1]
        raise MeterError(f"pip could not upgrade {PACKAGE}: {why} The prices are as they were.")


def prices_now(models: Iterable[Named]) -> dict[Named, Price | None]:
    """Return what the package that is loaded says of models."""
    source, at = GenaiPrices(), now()
    return {(name, provider): source.find(name, provider, at) for name, provider in models}


def prices_after(models: Iterable[Named]) -> tuple[str, dict[Named, Price | None]]:
    """Return the version on disk and what it says of models, as a new process reads it: this one has loaded the old."""
    code = "from meter.reports.update import answer; answer()"
    asked = json.dumps([list(each) for each in models])
    done = subprocess.run(  # noqa: S603  our own command
        [sys.executable, "-c", code], input=asked, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise MeterError(f"{PACKAGE} was upgraded and cannot be read now: {done.stderr.strip().splitlines()[-1]}")
    version, told = json.loads(done.stdout)
    return version, {(name, provider): None if text is None else Price.from_json(text) for name, provider, text in told}


def answer() -> None:
    """Write what the package says of the models on stdin, as the process that `prices_after` starts."""
    models = [(name, provider) for name, provider in json.load(sys.stdin)]
    told = [[*named, price and price.to_json()] for named, price in prices_now(models).items()]
    sys.stdout.write(json.dumps([metadata.version(PACKAGE), told]))


def changed(before: dict[Named, Price | None], after: dict[Named, Price | None]) -> list[dict[str, Any]]:
    """Return each rate that is another one than before, or is new or gone, as JSON and CSV have it."""
    records = []
    for named, price in before.items():
        old, new = _rates(price), _rates(after.get(named))
        for key in sorted({*old, *new}, key=lambda key: (key[1], ITEMS.index(key[0]))):
            if old.get(key) != new.get(key):
                (rate, unit, currency), (then, _, _) = (
                    new.get(key) or (None, *old[key][1:]),
                    old.get(key) or (None,) * 3,
                )
                records.append(
                    {
                        "model": named[0],
                        "provider": named[1],
                        "item": key[0],
                        "when": key[1] or None,
                        "old": then,
                        "new": rate,
                        "per": unit,
                        "currency": currency,
                    }
                )
    return records


def _rates(price: Price | None) -> Rates:
    return dict(_each(price)) if price else {}


def _each(price: Price) -> Iterator[tuple[tuple[str, str], tuple[Any, str, str]]]:
    for when, rates in (("", price.rates), *((condition(tier), tier.rates) for tier in price.tiers)):
        for item, rate in rates.items():
            yield (item, when), (*per(item, rate), price.currency)
