"""Books: what a call is written with: the settings, the prices and the ledger, kept open."""

from __future__ import annotations

import logging
import platform
import threading
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from meter import spill
from meter.errors import LedgerError
from meter.ledger import open_ledger
from meter.period import local_zone
from meter.pricebook import PriceBook

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from meter.entry import Entry
    from meter.hold import Hold
    from meter.ledger import Ledger
    from meter.model import Model
    from meter.price import Price
    from meter.settings import Settings

log = logging.getLogger("meter")

REFRESH_S = 30.0
"""Rates that another process sets are taken up, and a ledger that could not be opened is tried again, after this."""
RECENT_OUTPUTS = 200
"""How many answers of a model the expected length of the next one is taken from."""
EXPECTED_OUTPUT = 1_000
"""Tokens reserved for the answer of a model that has not answered yet."""


class Books:
    """The books of one Meter, shared by its threads."""

    def __init__(self, settings: Settings, ledger: Ledger | None = None) -> None:
        self.settings = settings
        self.host = platform.node()
        self.orphans: deque[Callable[[], None]] = deque()
        """What finalizers left to be written; they may not write themselves."""
        self._ledger = ledger
        self._lock = threading.Lock()
        self._prices = PriceBook()
        self._user_prices = 0
        self._next_look = 0.0
        self._outputs: dict[tuple[str, str], deque[int]] = {}

    @property
    def prices(self) -> PriceBook:
        """The prices, with the rates that the user set."""
        if time.monotonic() >= self._next_look:
            self._look()
        return self._prices

    def open(self) -> Ledger:
        """Return the ledger, opened; raise LedgerError where it cannot be."""
        with self._lock:
            if self._ledger is None:
                zone = self.settings.zone or local_zone(self.settings.system_zone)
                self._ledger = open_ledger(self.settings.ledger, zone=zone, durability=self.settings.durability)
            return self._ledger

    def price_served(self, asked: Model, served: str, at: datetime) -> tuple[Model, Price | None]:
        """Return the model to price a call as, and its price.

        The model that answered decides; but a rate that the user set for the name asked for comes before all.
        """
        price = self.prices.find(asked.name, asked.provider, at)
        if served == asked.name or (price and price.source == "user"):
            return asked, price
        better = self.prices.find(served, asked.provider, at)
        return replace(asked, name=served), better or price

    def reserve(self, hold: Hold) -> bool:
        """Write a hold; return False where the ledger cannot be written and settings let the call go on."""
        try:
            self.open().reserve(hold)
        except Exception as error:  # metering never breaks a call: whatever is wrong with the ledger is logged
            if self.settings.on_unavailable == "fail":
                raise
            log.warning("No hold was written for call %s: %s", hold.id, error)
            return False
        return True

    def settle(self, entry: Entry, hold_id: UUID | None) -> None:
        """Write an entry, to the spill where the ledger cannot be written."""
        try:
            self.open().settle(entry, hold_id)
        except Exception as error:  # noqa: BLE001  the answer is there: it is handed over whatever the ledger says
            log.warning("Call %s goes to the spill: %s", entry.id, error)
            spill.put(self.settings.ledger, entry, hold_id, to_stderr=self.settings.spill == "stderr")

    def write_orphans(self) -> None:
        """Write what finalizers left."""
        while self.orphans:
            try:
                write = self.orphans.popleft()
            except IndexError:  # another thread took the last one
                return
            write()

    def expected_output(self, provider: str, model: str) -> int:
        """Return the 95th percentile of a model's recent answers in tokens, or 1,000 where it has none."""
        recent = self._outputs.get((provider, model))
        if not recent:
            return EXPECTED_OUTPUT
        ordered = sorted(recent)
        return ordered[(len(ordered) * 95 - 1) // 100]

    def saw_output(self, provider: str, model: str, tokens: int) -> None:
        """Remember how long an answer was."""
        self._outputs.setdefault((provider, model), deque(maxlen=RECENT_OUTPUTS)).append(tokens)

    def close(self) -> None:
        """Write what is left and close the ledger."""
        self.write_orphans()
        with self._lock:
            if self._ledger is not None:
                self._ledger.close()
                self._ledger = None

    def _look(self) -> None:
        self._next_look = time.monotonic() + REFRESH_S
        try:
            rates = self.open().prices()
        except LedgerError as error:
            if self.settings.on_unavailable == "fail":
                raise
            log.warning("Calls go to the spill: %s", error)
            return
        # rates are only ever added, so their number tells whether there are new ones
        if len(rates) != self._user_prices:
            self._user_prices = len(rates)
            self._prices = PriceBook(rates)
