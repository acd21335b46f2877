"""Installed: what meter finds on this machine beside itself; nothing heavy is imported to find it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from meter.address import masked
from meter.lang import say, term
from meter.reports.checks import Check, Problem, counted
from meter.reports.render import Column, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from importlib.metadata import EntryPoint
    from pathlib import Path

    from meter.price import Price
    from meter.settings import Settings
    from meter.sources import Source

OPTIONAL = {
    "xllamacpp": ("a model on this machine", "local"),
    "mcp": ("meter.responses", "responses"),
}
"""Packages that meter works without: what each is for, and the extra of chat-meter that brings it."""
MALICIOUS = {("litellm", "1.82.7"), ("litellm", "1.82.8")}
"""Releases that were uploads of somebody else's, which steal keys."""
VOCABULARIES = ("o200k_base", "cl100k_base", "p50k_base")
"""What tokens are counted with."""

_AGAIN = "pip install --force-reinstall {}"
_PUBLISHED = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"
"""Where tiktoken has a vocabulary from; the hash of it is its file's name in every cache."""


def versions() -> Check:
    """Look at what runs."""
    import platform
    import sqlite3

    from meter import __version__

    facts = {"meter": __version__, "python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    return Check("versions", facts, (f"meter {facts['meter']}, Python {facts['python']}, SQLite {facts['sqlite']}",))


def prices(own: Sequence[Price] | None, *, count_all: bool = False) -> Check:
    """Look at who says what models cost; `own` are the rates that the user set, None where they are not known.

    The models of genai-prices are counted only with `count_all`: it must be imported for that (0.2 s).
    """
    facts, lines, problems = [_own(own)], [], []
    if own is not None:
        rates, models = counted(len(own), "rate"), counted(facts[0]["models"], "model")
        lines.append(say("user: {rates} of {models}", rates=rates, models=models) if own else say("user: no rate"))
    for source, package in _published():
        fact: dict[str, Any] = {"source": source.name, "version": version_of(package), "models": None}
        facts.append(fact)
        problem = _unusable(package, fact["version"])
        if problem is None and (count_all or package != "genai-prices"):
            fact["models"], problem = _count(source, package)
        problems += [problem] if problem else []
        known = say("not to be used") if problem else "" if fact["models"] is None else counted(fact["models"], "model")
        name = " ".join(filter(None, [source.name, fact["version"]]))
        lines.append(f"{name}{say(': ')}{known}" if known else name)
    return Check("prices", facts, tuple(lines), tuple(problems))


def counting(folder: Path | None) -> Check:
    """Look at what tokens are counted with: tiktoken, and the vocabularies in a folder."""
    from hashlib import sha1

    found = {
        name: folder is not None
        and (folder / sha1(_PUBLISHED.format(name).encode(), usedforsecurity=False).hexdigest()).is_file()
        for name in VOCABULARIES
    }
    facts = {"tiktoken": version_of("tiktoken"), "vocabularies": found}
    missing = ", ".join(name for name, is_there in found.items() if not is_there)
    there = ", ".join(name for name, is_there in found.items() if is_there)
    problems = []
    if facts["tiktoken"] is None:
        problems.append(Problem(say("tiktoken is not installed: no token can be counted."), "pip install tiktoken"))
    if missing:
        what = "litellm ships no vocabulary {names}: our own counts of tokens are estimates."
        problems.append(Problem(say(what, names=missing), _AGAIN.format("litellm")))
    version = facts["tiktoken"] or say("is missing")
    line = say("tiktoken {version} with {names}", version=version, names=there or say("no vocabulary"))
    return Check("counting", facts, (line,), tuple(problems))


def packages() -> Check:
    """Look at the packages that meter works without."""
    facts = [
        {"package": name, "version": version_of(name), "for": use, "extra": extra}
        for name, (use, extra) in OPTIONAL.items()
    ]
    lines = tuple(
        say(
            "{package} {version}, for {use}"
            if fact["version"]
            else "{package} is missing, for {use}: pip install 'chat-meter[{extra}]'",
            package=fact["package"],
            version=fact["version"],
            use=term(str(fact["for"])),
            extra=fact["extra"],
        )
        for fact in facts
    )
    return Check("packages", facts, lines)


def plugins() -> Check:
    """Look at the plugins: which are installed, which are enabled, and which of them cannot be loaded and why."""
    facts = listed_plugins()
    on = [each for each in facts if each["state"] != "installed"]
    failed = [each for each in on if each["state"] != "enabled"]
    problems = [
        Problem(
            say("The plugin {name} {state}.", name=each["plugin"], state=each["state"]),
            say("Put that right, or `meter plugins disable {name}`: it does nothing as it is.", name=each["plugin"]),
        )
        for each in failed
    ]
    lines = tuple(f"{each['plugin']}{say(': ')}{term(each['state'])}" for each in on) or (say("none is enabled"),)
    return Check("plugins", facts, lines, tuple(problems))


def listed_plugins() -> list[dict[str, Any]]:
    """Return every plugin that is installed or enabled, and how it is; those that are enabled are loaded for that."""
    from meter import settings
    from meter.plugins import enabled, module_of, named

    loaded = enabled()
    wanted = {module_of(name): name for name in named(settings.load().plugins)}
    points = {point.value: point for point in plugin_points()}
    listed = []
    for module in sorted({*wanted, *points}):
        point, name = points.get(module), wanted.get(module)
        failed = loaded.failures.get(name or "")
        listed.append(
            {
                "plugin": point.name if point else name,
                "module": module,
                "distribution": f"{point.dist.name} {point.dist.version}" if point and point.dist else None,
                "state": f"failed: {failed}" if failed else "enabled" if name else "installed",
            }
        )
    return listed


def plugin_points() -> tuple[EntryPoint, ...]:
    """Return what the distributions that are installed name as plugins of meter."""
    from importlib.metadata import entry_points

    from meter.plugins import GROUP

    return tuple(entry_points(group=GROUP))


def settings_in_force(settings: Settings) -> Check:
    """Look at every setting, and where each is from."""
    shown = {"ledger": masked(settings.ledger)}
    facts = [
        {"setting": name, "value": shown.get(name, getattr(settings, name)), "origin": origin}
        for name, origin in settings.origins.items()
    ]
    columns = [Column("setting"), Column("origin", kind="fact"), Column("value", kind="fact")]
    _, _, *lines = table(columns, facts).splitlines()
    return Check("settings", facts, tuple(lines))


def vocabulary_folder() -> Path | None:
    """Return the folder in which litellm ships vocabularies, without importing it; None where there is no litellm."""
    from importlib.util import find_spec
    from pathlib import Path

    spec = find_spec("litellm")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "litellm_core_utils" / "tokenizers"


def version_of(package: str) -> str | None:
    """Return the version of a distribution that is installed, else None."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _own(own: Sequence[Price] | None) -> dict[str, Any]:
    models = None if own is None else len({(price.model, price.provider) for price in own})
    return {"source": "user", "version": None, "models": models, "rates": None if own is None else len(own)}


def _published() -> Iterable[tuple[Source, str]]:
    """Yield the sources in the order in which they are asked, each with the distribution that brings it."""
    from meter.pricebook import published

    own = {"rates": "chat-meter", "litellm": "litellm"}
    return ((source, own.get(source.name, source.name)) for source in published())


def _unusable(package: str, version: str | None) -> Problem | None:
    if version is None and package != "chat-meter":  # from a checkout meter itself may be no distribution
        what = say("{package} is not installed: its prices are not known.", package=package)
        return Problem(what, f"pip install {package}")
    if (package, version) in MALICIOUS:
        what = say("{package} {version} is a malicious release that steals keys.", package=package, version=version)
        remedy = "pip install --upgrade {package}, and replace every key this machine knew."
        return Problem(what, say(remedy, package=package))
    return None


def _count(source: Source, package: str) -> tuple[int | None, Problem | None]:
    """Return how many models a source knows, or what is wrong with it."""
    try:
        return len(set(source.names())), None
    except Exception as error:  # noqa: BLE001  whatever a foreign package's data does is what is looked for
        why = f"{type(error).__name__}: {error}"
        what = say("The prices of {source} cannot be read ({why}).", source=source.name, why=why)
        return None, Problem(what, _AGAIN.format(package))
