"""Books: what a call is written with: the settings, the prices and the ledger, kept open."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING

from meter.behind import behind_for
from meter.calibration import Calibration
from meter.clock import local_zone
from meter.errors import LedgerBusy, MeterError, loggable
from meter.hold import this_host
from meter.later import Later, Until
from meter.ledger import open_ledger
from meter.lengths import Lengths
from meter.plugins import enabled
from meter.pricebook import PriceBook
from meter.turn import Turn
from meter.unwritten import Unwritten

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from meter.behind import Behind
    from meter.budget import Limit, Refusal
    from meter.closing import Open
    from meter.entry import Entry
    from meter.hold import Hold
    from meter.ledger import Ledger
    from meter.model import Model
    from meter.price import Price
    from meter.settings import Settings

log = logging.getLogger("meter")

REFRESH_S = 30.0
"""Rates that another process sets are taken up, and a ledger that could not be opened is tried again, after this."""
RETRY_S = 10.0
"""What was spilled is tried again after this."""

_all: weakref.WeakSet[Books] = weakref.WeakSet()


class Books:
    """The books of one Meter, shared by its threads."""

    def __init__(self, settings: Settings, ledger: Ledger | None = None, *, limits: Sequence[Limit] = ()) -> None:
        self.settings = settings
        self.host = this_host()
        self._ledger = ledger
        self._is_ours = ledger is None
        self._limits = tuple(limits)
        self._failure: MeterError | None = None
        self.lengths = Lengths()
        self.calibration = Calibration()
        self._told = False
        self._begin()
        _all.add(self)
        atexit.register(_at_exit, weakref.ref(self))

    def _begin(self) -> None:
        """Begin with nothing left to do, in a new process too: what its parent has to write, the parent writes."""
        self._prices = PriceBook()
        self._user_prices = 0
        self._rates_seen = 0
        self._next_look = 0.0
        self.orphans: deque[Callable[[], None]] = deque()
        """What finalizers left to be written; they may not write themselves."""
        self._streams: weakref.WeakValueDictionary[int, Open] = weakref.WeakValueDictionary()
        self._unwritten = Unwritten(self.settings)
        self._later = Later()
        self._behind = behind_for(self.settings, self.host, self)
        self._spilled = Until(self._take_in, RETRY_S)
        self._turn = Turn()
        self._opening = threading.Lock()

    @property
    def is_in_memory(self) -> bool:
        """True while there are entries that neither the ledger nor the spill could take."""
        return bool(self._unwritten)

    def behind(self, user: str | None) -> Behind | None:
        """Return what writes a user's entries behind answers; None where a limit or a ledger that is away forbids."""
        if self._ledger is None or self._told or self._unwritten:
            return None
        if self._limits and any(limit.user == user for limit in self._limits):
            return None
        return self._behind

    @property
    def prices(self) -> PriceBook:
        """The prices, with the rates that the user set."""
        if not self.is_ready:
            self._look()
        return self._prices

    @property
    def is_ready(self) -> bool:
        """True where a call opens nothing and reads no prices."""
        seen = self._ledger is None or self._ledger.rates_set == self._rates_seen
        return seen and time.monotonic() < self._next_look

    def open(self) -> Ledger:
        """Return the ledger, opened; raise LedgerError where it cannot be."""
        return self._ledger or self._open()

    def _open(self) -> Ledger:
        with self._opening:
            if self._ledger is None:
                if self._failure is not None and self.is_ready and self.settings.on_unavailable != "fail":
                    raise type(self._failure)(*self._failure.args)
                zone = self.settings.zone or local_zone(self.settings.system_zone)
                try:
                    self._ledger = open_ledger(self.settings.ledger, zone=zone, durability=self.settings.durability)
                except MeterError as error:
                    self._failure = error
                    raise
                self._failure = None
                # once more, since it runs before what the ledger's modules registered when they were loaded
                atexit.register(_at_exit, weakref.ref(self))
            return self._ledger

    def price_served(self, asked: Model, served: str, at: datetime, **who: str | None) -> tuple[Model, Price | None]:
        """Return the same as PriceBook.served, from the prices as they were when the call began."""
        return self._prices.served(asked, served, at, **who)

    def wants_hold(self, user: str | None, *, streams: bool) -> bool:
        """Tell whether a call is written before it is sent."""
        return self.settings.holds == "always" or streams or any(limit.user == user for limit in self._limits)

    def reserve(self, hold: Hold) -> Refusal | None:
        """Write a hold; return why not where a limit refuses the call.

        Where the ledger cannot be written the call goes on without one, unless settings say it must fail.
        """
        try:
            return self._reserve(hold, wait=True)
        except Exception as error:  # metering never breaks a call: whatever is wrong with the ledger is logged
            if self.settings.on_unavailable == "fail":
                raise
            self._tell(f"Calls go on without a hold: {loggable(error)}")
        return None

    async def reserve_async(self, hold: Hold, given_up: Callable[[], None]) -> Refusal | None:
        """Write a hold, waiting for the ledger in a thread; one that is cancelled meanwhile is `given_up` after it."""
        try:
            return self._reserve(hold, wait=False)
        except Exception:  # noqa: BLE001  it is tried again
            return await self._later.do(lambda: self.reserve(hold), given_up)
        except BaseException:
            self.leave(given_up)
            raise

    def settle(self, entry: Entry, hold: Hold | None = None) -> None:
        """Write an entry, to the spill where the ledger cannot be written; nothing is raised."""
        if self._unwritten:
            self._unwritten.put()
        try:
            self._settle(entry, hold, wait=True)
        except Exception as error:  # noqa: BLE001  the answer is there: it is handed over whatever the ledger says
            self._tell(f"Calls go to the spill: {loggable(error)}")
            self._unwritten.add(entry, hold)
            self._spilled.begin()
        except BaseException:  # a signal's handler ended it, and perhaps the process
            self.leave(lambda: self.settle(entry, hold))
            raise
        else:
            enabled().tell("entry_recorded", entry=entry)

    async def settle_async(self, entry: Entry, hold: Hold | None) -> None:
        """Write an entry, waiting for the ledger or the spill in a thread."""
        try:
            self._settle(entry, hold, wait=False)
        except Exception:  # noqa: BLE001  it is tried again
            await self.do(lambda: self.settle(entry, hold))
        else:
            enabled().tell("entry_recorded", entry=entry)

    async def do(self, job: Callable[[], object]) -> None:
        """Wait for a job that is done in a thread, also where the waiting is cancelled."""
        await self._later.do(job)

    def leave(self, job: Callable[[], None]) -> None:
        """Leave to be written what a finalizer found; it may not write, for it runs anywhere, also in a transaction."""
        self.orphans.append(job)
        self._later.put(self.write_orphans)

    def watch(self, stream: Open) -> None:
        """Have a stream that is still open when the process ends given up, and finalizers heard."""
        self._streams[id(stream)] = stream
        self._later.begin()

    def write_orphans(self) -> None:
        """Write what finalizers left."""
        while self.orphans:
            try:
                write = self.orphans.popleft()
            except IndexError:  # another thread took the last one
                return
            write()

    def _reserve(self, hold: Hold, *, wait: bool) -> Refusal | None:
        limits = tuple(limit for limit in self._limits if limit.user == hold.user)
        ledger = self.open()
        return self._turn.take(lambda: ledger.reserve(hold, limits, wait=False), wait=wait, must=bool(limits))

    def _settle(self, entry: Entry, hold: Hold | None, *, wait: bool) -> None:
        ledger = self.open()
        self._turn.take(lambda: ledger.settle(entry, hold.id if hold else None, wait=False), wait=wait)
        self._told = False

    def _tell(self, what: str) -> None:
        """Warn that something cannot be written, once until it can."""
        log.log(logging.DEBUG if self._told else logging.WARNING, what)
        self._told = True

    def _take_in(self) -> bool:
        """Take in what was spilled; return whether nothing of it waits any more."""
        self._unwritten.put()
        self._failure = None
        try:
            self.open().recover(lambda _: False)
        except LedgerBusy:
            return False
        except Exception as error:  # noqa: BLE001  whatever it is, it may pass
            log.debug("What was spilled cannot be taken in yet: %s", loggable(error))
            self._reopen()
            return False
        return not self._unwritten

    def _reopen(self) -> None:
        """Let go of a ledger that cannot be written: its file may have been replaced, or its disk."""
        with self._opening:
            if self._ledger is not None and self._is_ours:
                self._ledger.close()
                self._ledger = None

    def close(self) -> None:
        """Write what is left and close the ledger."""
        self._spilled.finish()
        self._later.finish()
        self.write_orphans()
        if self._behind is not None:
            self._behind.finish()
        self._unwritten.put()
        self._unwritten.put(to_stderr=True)  # the last place that is left
        with self._opening:
            if self._ledger is not None:
                self._ledger.close()
                self._ledger = None

    def end(self) -> None:
        """Give up the streams that are still open, and close: the process ends."""
        self._later.finish()  # some of them may be in its hands
        for ref in self._streams.valuerefs():
            stream = ref()
            if stream is not None:
                stream.give_up()
        self.close()

    def _rates(self) -> Sequence[Price]:
        """Return the rates that the user set, also of a ledger that may only be read."""
        try:
            return self.open().prices()
        except Exception as error:  # noqa: BLE001  metering never breaks a call
            self._tell(f"Calls go to the spill: {loggable(error)}")
        with contextlib.closing(open_ledger(self.settings.ledger, read_only=True, create=False)) as reading:
            return reading.prices()

    def _look(self) -> None:
        with contextlib.suppress(Exception):
            seen = self._ledger.rates_set if self._ledger else 0
            rates = self._rates()
            # rates are only ever added, so their number tells whether there are new ones
            if len(rates) != self._user_prices:
                # in this order: to another thread that looks now, the number says that the prices are in the book
                self._prices = PriceBook(rates)
                self._user_prices = len(rates)
            self._rates_seen = seen
            self.calibration.begin(self.open().counts)
        self._next_look = time.monotonic() + REFRESH_S


def _at_exit(books: weakref.ref[Books]) -> None:
    alive = books()
    if alive is not None:
        alive.end()


def _in_child() -> None:
    for books in list(_all):
        if books._behind is not None:
            books._behind.forget()
        books._begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
