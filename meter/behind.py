"""Behind: the thread that writes entries behind their answers, and the holds of calls that take a while.

A call has a line in the journal before it is sent and another before its answer is handed over; all else is done here:
counting, reading, pricing, the two rows. Most answers of a model take longer than YOUNG_NS, so most calls have a hold
in the ledger; the few that do not are over before anybody could look.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Protocol

from meter.errors import loggable
from meter.journal import pending
from meter.journal.file import Journal, ledger_file
from meter.journal.lines import Head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from meter.settings import Settings

log = logging.getLogger("meter")

TICK_S = 0.004
"""How often the thread looks, while there are calls: nobody has to wake it."""
YOUNG_NS = 50_000_000
"""Nanoseconds from which a call in flight has a hold in the ledger; one that is over sooner needs none."""
LINGER_S = 1.0
"""How long it goes on looking when there is nothing to do."""
PATIENCE_S = 5.0
"""How long a reader waits for what is being written."""
MOST = 500
"""Calls that may wait; whoever makes more does the writing itself."""


class Flight(Protocol):
    """A call in flight."""

    @property
    def is_over(self) -> bool:
        """True once its end is in the journal."""

    def reserve_late(self) -> None:
        """Write its hold."""


class Behind:
    """What one process has to write to one ledger.

    The thread knows this alone, so that it does not keep alive whoever nobody else uses any more; what waits does.
    """

    def __init__(self, ledger: Path, head: bytes) -> None:
        self._journal = Journal(ledger, head)
        self._young: deque[tuple[int, Flight]] = deque()
        self._jobs: deque[tuple[str, Callable[[], bool]]] = deque()
        self._doing = threading.RLock()
        self._is_doing = False
        self._starting = threading.RLock()  # a signal's handler may make a call within it
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._is_asleep = True
        self._is_ending = False
        pending.late(str(ledger), self)

    def begin(self, call: str, line: bytes, flight: Flight) -> None:
        """Put a call that is about to be sent into the journal; raise OSError where it cannot be written."""
        self._journal.write(call, line)
        self._young.append((time.perf_counter_ns(), flight))
        if self._is_asleep:
            self._awake()

    def end(self, call: str, line: bytes) -> None:
        """Put the end of a call into the journal; raise OSError where it cannot be written."""
        self._journal.write(call, line)

    def put(self, call: str, write: Callable[[], bool]) -> None:
        """Have the entry of a call written that the journal has the end of; it stays there where `write` says False."""
        self._jobs.append((call, write))
        if self._is_asleep:
            self._awake()

    @property
    def is_full(self) -> bool:
        """True where so much waits that whoever makes more calls is to write it."""
        return len(self._jobs) > MOST

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep the others from writing meanwhile; what is looked up in the ledger here waits for nobody."""
        with self._doing:
            before, self._is_doing = self._is_doing, True
            try:
                yield
            finally:
                self._is_doing = before

    def settled(self, call: str) -> None:
        """Note that the entry of a call is written."""
        self._journal.settled(call)

    def catch_up(self) -> bool:
        """Write what is left, in this thread, in the midst of that nothing; tell whether that could be done."""
        if not self._jobs and not self._is_doing:
            return True
        if not self._doing.acquire(timeout=PATIENCE_S):
            return False
        try:
            if self._is_doing:  # a job looks something up in the ledger
                return False
            with self.alone():
                self._do_all()
        finally:
            self._doing.release()
        return True

    def finish(self) -> None:
        """Write what is left and end the thread; another call begins it anew."""
        with self._starting:
            thread, self._thread = self._thread, None  # that is how it knows: others may finish too, or begin another
        self._wake.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        self._is_asleep = True
        self._young.clear()
        while self._jobs and self.catch_up():
            pass  # others may add some meanwhile
        self._journal.close()

    def forget(self) -> None:
        """Begin anew in a child process, where the parent's thread does not run: its calls are the parent's."""
        self._journal.forget()
        self._doing, self._starting, self._wake = threading.RLock(), threading.RLock(), threading.Event()
        self._jobs.clear()
        self._young.clear()
        self._thread, self._is_doing, self._is_asleep, self._is_ending = None, False, True, False

    def end_with(self, owner: object) -> None:
        """End the thread when an object is gone."""
        weakref.finalize(owner, self._leave).atexit = False

    def _leave(self) -> None:
        self._is_ending = True
        self._wake.set()

    def _awake(self) -> None:
        self._is_asleep = False
        self._wake.set()
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="meter-behind", daemon=True)
                    try:
                        self._thread.start()
                    except RuntimeError:  # the process is ending, or can have no more threads: others catch up
                        self._thread = None

    def _run(self) -> None:
        own, looked = threading.current_thread(), time.monotonic()
        while self._thread is own and not self._is_ending:
            if self._jobs or self._young:
                looked = time.monotonic()
                self._look()
            elif time.monotonic() - looked > LINGER_S:
                self._sleep(own)
                looked = time.monotonic()
            time.sleep(TICK_S)
        if self._thread is own:  # nobody waits for it: its owner is gone
            self.catch_up()
            self._journal.close()

    def _sleep(self, own: threading.Thread) -> None:
        self._wake.clear()
        self._is_asleep = True
        is_wanted = self._jobs or self._young or self._is_ending or self._thread is not own
        if not is_wanted:  # whoever came since then saw it asleep, or is seen
            self._wake.wait()
        self._is_asleep = False

    def _look(self) -> None:
        self.catch_up()
        before = time.perf_counter_ns() - YOUNG_NS
        while self._young and self._young[0][0] < before:
            _, flight = self._young.popleft()
            if not flight.is_over:
                with self.alone():
                    _try(flight.reserve_late)
        while self._young and self._young[0][1].is_over:
            self._young.popleft()

    def _do_all(self) -> None:
        for _ in range(len(self._jobs)):  # not those that others add meanwhile: whoever reads would wait for ever
            try:
                call, write = self._jobs.popleft()
            except IndexError:  # another thread took the last one
                return
            if _try(write):
                self.settled(call)


def _try(job: Callable[[], object]) -> bool:
    try:
        return job() is not False
    except Exception as error:  # noqa: BLE001  whatever it is, the next one is done; the journal has this one
        log.error("The entry of a call could not be written; it is kept in the journal (%s).", loggable(error))
        return False


def behind_for(settings: Settings, host: str, owner: object) -> Behind | None:
    """Return what writes behind answers for as long as an object lives; None where that is not set, or forbidden."""
    file = ledger_file(settings.ledger)
    allowed = (settings.settle, settings.durability, settings.on_unavailable, settings.spill)
    if file is None or allowed != ("behind", "process", "allow", "file"):
        return None
    made = Behind(file, Head(environment=settings.environment, host=host).line())
    made.end_with(owner)
    return made
