"""Books: what a call is written with: the settings, the prices and the ledger, kept open."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from meter import spill
from meter.errors import LedgerBusy, LedgerError
from meter.hold import this_host
from meter.ledger import open_ledger
from meter.period import local_zone
from meter.pricebook import PriceBook

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from meter.budget import Limit, Refusal
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

    def __init__(self, settings: Settings, ledger: Ledger | None = None, *, limits: Sequence[Limit] = ()) -> None:
        self.settings = settings
        self.host = this_host()
        self.orphans: deque[Callable[[], None]] = deque()
        """What finalizers left to be written; they may not write themselves."""
        self._ledger = ledger
        self._limits = tuple(limits)
        self._unwritten: deque[tuple[Entry, Hold | None]] = deque()
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

    def wants_hold(self, user: str | None, *, streams: bool) -> bool:
        """Tell whether a call is written before it is sent."""
        return self.settings.holds == "always" or streams or any(limit.user == user for limit in self._limits)

    def reserve(self, hold: Hold, *, wait: bool = True) -> Refusal | None:
        """Write a hold; return why not where a limit refuses the call.

        Where the ledger cannot be written the call goes on without one, unless settings say it must fail.
        Without `wait` LedgerBusy is raised where another process is writing just now.
        """
        limits = tuple(limit for limit in self._limits if limit.user == hold.user)
        try:
            return self.open().reserve(hold, limits, wait=wait)
        except LedgerBusy:
            if not wait:
                raise
            self._unheld(hold)
        except Exception:  # metering never breaks a call: whatever is wrong with the ledger is logged
            if self.settings.on_unavailable == "fail":
                raise
            self._unheld(hold)
        return None

    async def reserve_async(self, hold: Hold) -> Refusal | None:
        """Write a hold, waiting for a busy ledger in a thread."""
        try:
            return self.reserve(hold, wait=False)
        except LedgerBusy:
            return await asyncio.to_thread(self.reserve, hold)

    def settle(self, entry: Entry, hold: Hold | None = None, *, wait: bool = True) -> None:
        """Write an entry, to the spill where the ledger cannot be written; nothing is raised but LedgerBusy.

        That only without `wait`, where another process is writing just now.
        """
        if self._unwritten:
            self._retry()
        try:
            self.open().settle(entry, hold.id if hold else None, wait=wait)
        except Exception as error:  # the answer is there: it is handed over whatever the ledger says
            if not wait and isinstance(error, LedgerBusy):
                raise
            self._spill(entry, hold, error)

    async def settle_async(self, entry: Entry, hold: Hold | None) -> None:
        """Write an entry, waiting for a busy ledger in a thread."""
        try:
            self.settle(entry, hold, wait=False)
        except LedgerBusy:
            await asyncio.to_thread(self.settle, entry, hold)

    def _unheld(self, hold: Hold) -> None:
        log.warning("No hold was written for call %s, it goes on without.", hold.id, exc_info=True)

    def _spill(self, entry: Entry, hold: Hold | None, why: Exception) -> None:
        log.warning("Call %s goes to the spill: %s", entry.id, why)
        try:
            spill.put(self.settings.ledger, entry, hold.id if hold else None, to_stderr=self.settings.spill == "stderr")
        except OSError as error:
            # the same disk is full: kept in memory until there is room, at the latest until the process ends
            log.warning("The spill cannot be written (%s); call %s waits in memory.", error, entry.id)
            self._unwritten.append((entry, hold))

    def _retry(self) -> None:
        """Try once more to spill what waits in memory."""
        for _ in range(len(self._unwritten)):
            try:
                entry, hold = self._unwritten.popleft()
                spill.put(self.settings.ledger, entry, hold.id if hold else None)
            except IndexError:  # another thread took the last one
                return
            except OSError:
                self._unwritten.appendleft((entry, hold))
                return

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
        self._retry()
        for entry, hold in self._unwritten:  # the last place that is left
            spill.put(self.settings.ledger, entry, hold.id if hold else None, to_stderr=True)
        self._unwritten.clear()
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
