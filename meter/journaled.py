"""Journaled: a call whose rows are written behind its answer; until then the journal has it."""

from __future__ import annotations

import functools
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from meter.answered import Receipt
from meter.asked import looked_at, text_of
from meter.attempt import Attempt
from meter.entry import to_us
from meter.errors import loggable
from meter.journal.lines import Begun, Ended
from meter.spill import usage_out

if TYPE_CHECKING:
    from meter.behind import Behind
    from meter.ending import Ending
    from meter.entry import Entry

log = logging.getLogger("meter")


@dataclass(slots=True, kw_only=True)
class Journaled(Attempt):
    """A call under way, of which nothing is known yet but whose it is and what it asks."""

    reads_late: ClassVar[bool] = True
    behind: Behind
    key: str
    """Its id, as the journal has it: 32 digits."""
    _receipt: Receipt | None = None
    _is_looked_at: bool = False

    @property
    def is_over(self) -> bool:
        """True once it has ended and whatever comes is too late."""
        return self.entry is not None or self._receipt is not None

    @property
    def receipt(self) -> Entry | Receipt | None:
        """The entry, or what stands for it; None while the call is under way."""
        return self.entry or self._receipt

    def begin(self) -> None:
        """Put the call into the journal before it is sent; raise OSError where that cannot be written."""
        asked = self.asked
        who, model = asked.who, asked.model
        # by their places: this is on the way of every call
        begun = Begun(
            self.key,
            to_us(asked.at),
            who.user,
            who.team,
            who.session,
            who.purpose,
            who.tags,
            who.claimed_user,
            model.asked,
            model.name,
            model.provider,
            self.streams,
        )
        try:
            self.behind.begin(self.key, begun.line(), self)
        except BaseException:  # a signal's handler ended it: it is not sent
            self.behind.settled(self.key)
            raise

    def reserve_late(self) -> None:
        """Write the hold of a call that takes a while, where calls are to have one."""
        if not self.books.wants_hold(self.asked.who.user, streams=self.streams):
            return
        self._look()
        hold = self.asked.hold(self.books, self.request)
        self.books.reserve(hold)
        self.hold = hold

    async def end_async(self, ending: Ending) -> None:
        """Write the entry of a call, however it ended, once, without holding the event loop."""
        if self.is_over:
            return
        self.leave_machine()
        if not self._is_left(ending):
            await self.books.do(lambda: self.end(ending))
        elif self.behind.is_full:
            await self.books.do(self.behind.catch_up)

    def settle(self, ending: Ending) -> None:
        """Leave the entry to be written later; where the journal cannot tell all of it, write it now."""
        if self._is_left(ending):
            if self.behind.is_full:
                self.behind.catch_up()
            return
        self.behind.catch_up()  # rows stand in the order in which calls ended
        with self.behind.alone():  # its hold may be in the making
            is_kept = self._write(ending)
        if is_kept:
            self.behind.settled(self.key)

    def _is_left(self, ending: Ending) -> bool:
        """Put the end into the journal and leave the rest; tell whether that could be done."""
        if ending.needs_count:
            return False
        try:
            self.behind.end(self.key, self._ended(ending).line())
        except Exception as error:  # noqa: BLE001  a full disk, or what no line can hold: the usual way is there
            log.debug("The end of a call is not in the journal: %s", loggable(error))
            return False
        self._receipt = Receipt(self.behind.catch_up)
        self.waited_ns = time.perf_counter_ns() - ending.done_ns
        self.behind.put(self.key, functools.partial(self._write, ending))
        return True

    def _ended(self, ending: Ending) -> Ended:
        """Return how it ended as the journal has it."""
        is_read = ending.unread is None
        answer, usage = ending.answer, ending.stated
        # by their places: this is on the way of every answer
        return Ended(
            self.key,
            ending.outcome,
            ending.error,
            None if ending.unread is None else ending.unread.gist,
            usage_out(usage) if usage else None,
            text_of(getattr(answer, "model", None)) if is_read else None,
            text_of(getattr(answer, "id", None)) if is_read else None,
            self.attempts(ending),
            self.ms_to(ending.done_ns),
            self.ms_to(self.first_ns),
            None if self.share is None else self.share.end(),
        )

    def _write(self, ending: Ending) -> bool:
        """Write the entry; tell whether it is kept somewhere else than in memory."""
        self._look()
        ending = ending.read()
        if ending.outcome == "lost" and self.hold is None:  # it was over so soon; but it may have cost as much
            self.hold = self.asked.hold(self.books, self.request)
        entry = self._made(ending, self._counted(ending))
        if self._receipt is not None:
            self._receipt.entry = entry
        self.books.settle(entry, self.hold)
        return not self.books.is_in_memory

    def _look(self) -> None:
        """Count the input, and find the price."""
        if self._is_looked_at:
            return
        self._is_looked_at = True
        try:
            self.asked = looked_at(self.books, self.request, self.asked)
        except Exception as error:  # noqa: BLE001  a defect of ours leaves it unread, not unwritten
            log.error("The input of call %s is not known (%s).", self.asked.id, loggable(error))
