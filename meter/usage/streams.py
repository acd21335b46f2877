"""Reading: what a stream said, taken in event by event: usage, model, whether it is whole, its text.

An answer's figures may stand in its last event, in an extra one after it, cumulative in every event, or spread over
several: what was said later replaces what was said before. A 0 replaces nothing, except where the event that says it
states another part of the input: else it is the figure of an event that does not know.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from meter.model import canonical_provider
from meter.usage.answer import bears, ends
from meter.usage.events import decoded, events_of
from meter.usage.holder import collect, down, each, has_any, holder_of
from meter.usage.reading import find, texts_seen, tier_of, usage_from, usage_of
from meter.usage.tables import by_name, fitting, ordered, spare_doors, spares

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Set

    from meter.usage.paths import Steps
    from meter.usage.table import Table
    from meter.usage.value import Usage


_DATA_LINE = "data:"
_DATA = re.compile(r"^data:(.*)", re.MULTILINE)


def usage_of_stream(stream: Iterable[object] | str | bytes, provider: str | None = None) -> Usage | None:
    """Return what a stream, as all its events or as its body, says was consumed; None where it says nothing."""
    reading = Reading(provider)
    for event in events_of(stream) if isinstance(stream, str | bytes) else stream:
        reading.feed(event)
    return reading.usage


class Reading:
    """What the events of one answer said so far; a whole answer is one event."""

    def __init__(self, provider: str | None = None, api: str | None = None, *, choices: int = 1) -> None:
        self.provider = provider
        self.model: str | None = None
        """The model that answered, as the provider names it."""
        self.response_id: str | None = None
        self._table = by_name().get(api) if api else None
        self._open = choices
        self._said: _Said | None = None
        self._spare: dict[str, _Said] = {}
        self._elsewhere: Usage | None = None
        self._tier: str | None = None
        self._seen: dict[str, set[str]] = {}
        self._texts: list[str] = []
        self._undecoded: list[tuple[int, str]] = []
        """Events as they came, one or lines of several, each with the number of texts that stand before its own."""

    @property
    def usage(self) -> Usage | None:
        """What the provider said was consumed so far; None while it has said nothing."""
        usage = self._said and self._said.usage(self._seen, self.model)
        spare = (said.usage(None, self.model) for said in self._spare.values())
        return usage or next(filter(None, spare), self._elsewhere)

    @property
    def finished(self) -> bool:
        """True once every choice is whole; the usage may still follow, as in a chat stream."""
        return self._open <= 0

    @property
    def service_tier(self) -> str | None:
        """The tier that served the call; None where nothing said so."""
        usage = self.usage
        return (usage and usage.service_tier) or self._tier

    @property
    def texts(self) -> list[str]:
        """Every piece of text of the answer, for counting where no usage comes; never to be kept."""
        undecoded, self._undecoded = self._undecoded, []
        if not undecoded or self._table is None:
            return self._texts
        known, self._texts, taken = self._texts, [], 0
        tree = self._table.answer.text_tree
        for before, data in undecoded:
            self._texts += known[taken:before]
            taken = before
            for event in _all_decoded(_DATA.findall(data) or [data]):
                if type(event) is dict:
                    collect(event, tree, self._texts)
        self._texts += known[taken:]
        return self._texts

    def feed_text(self, data: str) -> None:
        """Take in the JSON of one event; where it says no more than text, it is decoded when the text is wanted."""
        tells = self._table and self._table.answer.tells_more
        if tells and self.model and not tells.search(data):
            self._undecoded.append((len(self._texts), data))
        else:
            self.feed(decoded(data))

    def feed_body(self, body: str) -> None:
        """Take in server-sent events that have their data in one line each."""
        for found in _DATA.finditer(body):
            self.feed_text(found[1])
            tells = self._table and self._table.answer.tells_more
            if tells and self.model:
                # neither changes any more: what tells more than text is looked for in all the rest at once
                self._feed_rest(body, found.end(), tells)
                return

    def _feed_rest(self, body: str, at: int, tells: re.Pattern[str]) -> None:
        for found in tells.finditer(body, at):
            if found.start() < at:  # in the line of the one before
                continue
            start = body.rfind("\n", 0, found.start()) + 1
            if not body.startswith(_DATA_LINE, start):
                continue
            end = body.find("\n", found.start())
            self._undecoded.append((len(self._texts), body[at:start]))
            at = len(body) if end < 0 else end
            self.feed(decoded(body[start + len(_DATA_LINE) : at]))
        self._undecoded.append((len(self._texts), body[at:]))

    def feed(self, event: object) -> None:
        """Take in one event as it was decoded from JSON, or an SDK's object of it; nothing that it holds raises."""
        root = event if type(event) is dict else holder_of(event)
        if root is None:
            return
        table = self._table
        if table is None:
            table = self._table = _recognised(root, self.provider)
        if table is None:
            self._elsewhere = usage_of(root, self.provider) or self._elsewhere
            return
        collect(root, table.answer.text_tree, self._texts)
        ended = ends(root, table.answer)
        self._open -= ended
        self._take_names(root, table)
        if has_any(root, table.doors):
            self._take_usage(root, table)
        if ended or not spare_doors().isdisjoint(root if type(root) is dict else ()):
            self._take_spare(root)
        if table.distinct and not (type(root) is dict and table.distinct_doors.isdisjoint(root)):
            self._see(texts_seen(root, table))

    def _take_names(self, root: Any, table: Table) -> None:
        if self.model is not None and self.response_id is not None:
            return
        self.model = self.model or _text_at(root, table.answer.model_steps)
        self.response_id = self.response_id or _text_at(root, table.answer.id_steps)
        self._tier = self._tier or tier_of((root,), table)

    def _take_usage(self, root: Any, table: Table) -> None:
        found = find(root, table)
        if found is None:
            response = next((at for to, _ in table.places if to and (at := down(root, to)) is not None), root)
            self._tier = tier_of((response,), table) or self._tier
            table, found = next(self._foreign(root), (table, None))
        if found is None:
            return
        response, usage = found
        if self._said is None or self._said.table is not table:
            self._said = _Said(table)
        self._said.take(response, usage)
        if table.distinct and response is not root:
            self._see(texts_seen(response, table))

    def _foreign(self, root: Any) -> Iterator[tuple[Table, tuple[Any, Any]]]:
        """Yield the usages of other APIs in an event: some providers put one into a stream of OpenAI's."""
        for table in fitting(root, self.provider):
            found = None if table.spare else find(root, table)
            if found is not None:
                yield table, found

    def _take_spare(self, root: Any) -> None:
        for table in spares():
            found = find(root, table)
            if found is not None:
                self._spare.setdefault(table.name, _Said(table)).take(*found)

    def _see(self, seen: Mapping[str, Set[str]]) -> None:
        for name, found in seen.items():
            self._seen.setdefault(name, set()).update(found)


class _Said:
    """The usage of one table, figure by figure the last that was said."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._response: Any = None
        self._usage: Any = None

    def take(self, response: Any, usage: Any) -> None:
        """Replace the figures that are said again."""
        before = self._usage
        self._response = usage if response is usage else response
        if type(before) is not dict or type(usage) is not dict:
            self._usage = usage
            return
        says_input = any(usage.get(name) for name in self.table.input_names)
        merged = dict(before)
        for name, figure in usage.items():
            known = says_input and name in self.table.input_names
            if figure or known or (figure is not None and not before.get(name)):
                merged[name] = figure
        self._usage = merged

    def usage(self, seen: Mapping[str, Set[str]] | None, model: str | None) -> Usage | None:
        """Return the usage so far."""
        return usage_from(self._response, self._usage, self.table, seen, model)


def _all_decoded(texts: list[str]) -> list[Any]:
    """Return the value of each JSON text that is an object's."""
    texts = [text for text in texts if text.lstrip()[:1] == "{"]  # not the `[DONE]` behind them
    together = decoded(f"[{','.join(texts)}]") if len(texts) > 1 else None  # one call where there would be hundreds
    # a text that is no JSON may make two values with its neighbours, or one
    return together if isinstance(together, list) and len(together) == len(texts) else [decoded(text) for text in texts]


def _recognised(root: Any, provider: str | None) -> Table | None:
    """Return the table of the API that an event, or an answer, is of: that of its usage before one of its signs."""
    signed = [table for table in ordered(provider) if bears(root, table.answer)]
    # what only some providers send is read as theirs where it is known to be
    signed.sort(key=lambda table: bool(table.providers) and canonical_provider(provider or "") not in table.providers)
    with_usage = (table for table in signed if find(root, table) is not None)
    return next(with_usage, signed[0] if signed else None)


def _text_at(root: Any, paths: Iterable[Steps]) -> str | None:
    for path in paths:
        for value in each(root, path):
            if isinstance(value, str) and value:
                return value
    return None
