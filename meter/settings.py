"""Settings: where the ledger is and how calls are metered; the only reader of the environment and of meter.toml.

The first that says so wins: a flag, the environment, a `meter.toml` in the working folder (presentation only), the
`meter.toml` that METER_CONFIG names or that stands in the user's config folder, the default.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from meter.address import file_of, masked
from meter.errors import SettingsError, suggest
from meter.folders import is_same, path_of, user_folder, working_folder
from meter.lang import TAGS

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "meter.toml"


class Setting(NamedTuple):
    """One setting: how it is given and what it may be."""

    variable: str
    """Its name in the environment; in meter.toml it has the field's."""
    example: str
    choices: tuple[str, ...] = ()
    """The values it may have; none where it is free."""
    presentation: bool = False
    """Whether a meter.toml in the working folder may set it."""


SETTINGS: Mapping[str, Setting] = {
    "ledger": Setting("METER_LEDGER", "~/ledger.db"),
    "user": Setting("METER_USER", "alice"),
    "environment": Setting("METER_ENV", "production"),
    "model": Setting("METER_MODEL", "gpt-6-luna"),
    "zone": Setting("METER_TZ", "Asia/Shanghai", presentation=True),
    "currency": Setting("METER_CURRENCY", "USD", presentation=True),
    "lang": Setting("METER_LANG", "en", tuple(TAGS), presentation=True),
    "count": Setting("METER_COUNT", "always", ("always", "missing", "never")),
    "holds": Setting("METER_HOLDS", "always", ("always", "needed")),
    "settle": Setting("METER_SETTLE", "behind", ("behind", "before")),
    "durability": Setting("METER_DURABILITY", "process", ("process", "power")),
    "on_unavailable": Setting("METER_ON_UNAVAILABLE", "allow", ("allow", "fail")),
    "spill": Setting("METER_SPILL", "file", ("file", "stderr")),
    "plugins": Setting("METER_PLUGINS", "llm"),
}
"""Every setting by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is set, and by whom."""

    ledger: str = field(repr=False)
    """An absolute path, or a server's URL as it was given; only `masked` it may be shown."""
    user: str | None = None
    """Who pays for calls that name nobody."""
    environment: str = "default"
    """Keeps production apart from tests in one ledger."""
    model: str | None = None
    """The model of `meter chat`; None for the first vendor whose key is in the environment."""
    zone: str | None = None
    """IANA name; None for the ledger's own, which for a new ledger is the system's."""
    currency: str = "USD"
    """ISO code that reports convert into."""
    lang: str = "en"
    """Language of reports: `en` or `zh`."""
    count: str = "always"
    """Whose tokens are counted by us too: `always`, `missing` (where the provider says none), `never`."""
    holds: str = "always"
    """Which calls are written before they are sent: `always`, `needed` (streams and blocking budgets)."""
    settle: str = "behind"
    """When an entry is written: `behind` its answer, a line in a journal stands for it meanwhile; `before` it."""
    durability: str = "process"
    """What a written row survives: `process` (a kill), `power` (a power cut; slower)."""
    on_unavailable: str = "allow"
    """What happens to a call whose ledger cannot be written: `allow` (the row goes to the spill), `fail`."""
    spill: str = "file"
    """Where such rows go: `file` (beside the ledger), `stderr` (one JSON line each)."""
    plugins: str | None = None
    """What is loaded beside meter: names of plugins or their modules, with commas."""
    system_zone: str = ""
    """The value of TZ, for clock.local_zone; empty where it is not set."""
    origins: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """Field to who set it: `flag`, `environment`, the path of a file, `default`."""

    def override(self, **values: object) -> Settings:
        """Return these settings with others laid over them, checked and marked `flag`; None leaves a setting alone.

        Raises SettingsError for an unknown setting or a value that cannot be used.
        """
        laid = dict(self.origins)
        checked = {}
        for name, value in values.items():
            _check_name(name, f'"{name}"')
            if value is not None:
                checked[name] = _check(name, value, f"The setting {name}", working_folder(None))
                laid[name] = "flag"
        return replace(self, **checked, origins=MappingProxyType(laid))


def load(environ: Mapping[str, str] | None = None, folder: str | Path | None = None) -> Settings:
    """Return what environment and files set; raise SettingsError for what cannot be used.

    `folder` is the working folder; without it the process's own.
    """
    environ = os.environ if environ is None else environ
    here = working_folder(folder)
    values: dict[str, str] = {}
    origins = dict.fromkeys(SETTINGS, "default")
    config, named = _config_file(environ, here)
    if config:
        _take(values, origins, config, must_exist=named)
    if config is None or not is_same(here / FILE, config):
        _take(values, origins, here / FILE, presentation_only=True)
    for name, setting in SETTINGS.items():
        if given := environ.get(setting.variable):
            values[name] = _check(name, given, setting.variable, here)
            origins[name] = "environment"
    if "ledger" not in values:
        data = user_folder("data", environ)
        if data is None:
            raise SettingsError("No home folder is known to keep the ledger in; set METER_LEDGER to a path.")
        values["ledger"] = str(data / "ledger.db")
    return Settings(**values, system_zone=environ.get("TZ", ""), origins=MappingProxyType(origins))


def config_path(environ: Mapping[str, str] | None = None) -> Path:
    """Return the meter.toml that is read for all settings, whether it is there or not."""
    path, _ = _config_file(os.environ if environ is None else environ, working_folder(None))
    if path is None:
        raise SettingsError("No home folder is known to keep meter.toml in; set METER_CONFIG to a path.")
    return path


def temporary_folder(environ: Mapping[str, str] | None = None) -> Path | None:
    """Return the folder for what need not outlive a restart of the machine; None where the system has none for all."""
    environ = os.environ if environ is None else environ
    return Path(environ.get("TMPDIR") or "/tmp") if os.name == "posix" else None  # noqa: S108  who uses it guards it


def vendor_keys(environ: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    """Return each vendor whose key is in the environment with a small model of it to chat with; never the key."""
    environ = os.environ if environ is None else environ
    return [(vendor, model) for variable, vendor, model in _VENDORS if environ.get(variable, "").strip()]


def gateway_key(environ: Mapping[str, str] | None = None) -> str | None:
    """Return the key that clients of `meter serve` must send; None where the environment has none."""
    environ = os.environ if environ is None else environ
    return environ.get("LITELLM_MASTER_KEY", "").strip() or None


_VENDORS = (
    ("OPENAI_API_KEY", "openai", "openai/gpt-6-luna"),
    ("ANTHROPIC_API_KEY", "anthropic", "anthropic/claude-haiku-5-5"),
    ("GEMINI_API_KEY", "google", "gemini/gemini-3.8-flash"),
    ("MISTRAL_API_KEY", "mistral", "mistral/mistral-small-latest"),
    ("DEEPSEEK_API_KEY", "deepseek", "deepseek/deepseek-v4-flash"),
    ("XAI_API_KEY", "xai", "xai/grok-4.3"),
    ("GROQ_API_KEY", "groq", "groq/openai/gpt-oss-20b"),
)
"""Variable, vendor and model as litellm names it, in the order in which they are tried.

Baidu is not among them: litellm has no name for Qianfan, it needs an api_base and its key given with the call.
"""


def _take(
    values: dict[str, str],
    origins: dict[str, str],
    path: Path,
    *,
    must_exist: bool = False,
    presentation_only: bool = False,
) -> None:
    """Lay the settings of a file over those found so far."""
    for name, value in _read(path, must_exist=must_exist).items():
        _check_name(name, f'{path}: "{name}"')
        if presentation_only and not SETTINGS[name].presentation:
            may = ", ".join(known for known, setting in SETTINGS.items() if setting.presentation)
            raise SettingsError(
                f'{path}: "{name}" may not be set by the working folder, only {may}. '
                f"Set {SETTINGS[name].variable} or write it into the file that METER_CONFIG names."
            )
        values[name] = _check(name, value, f"{path}: {name}", path.parent)
        origins[name] = str(path)


def _read(path: Path, *, must_exist: bool) -> dict[str, object]:
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        if must_exist:
            raise SettingsError(f"METER_CONFIG names {path}, which does not exist; write it or unset it.") from None
        return {}
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}; make it a readable file or remove it.") from None
    import tomllib  # 3 ms, and mostly there is no file

    try:
        # Windows editors begin a file with a byte order mark
        return tomllib.loads(data.decode("utf-8-sig"))
    except ValueError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.") from None


def _check_name(name: str, what: str) -> None:
    if name not in SETTINGS:
        raise SettingsError(f"{what} is no setting.{suggest(name, SETTINGS)} Settings are {', '.join(SETTINGS)}.")


def _check(name: str, value: object, what: str, folder: Path) -> str:
    """Return a setting's value as it is used; raise SettingsError that says where a wrong one stands."""
    setting = SETTINGS[name]
    if isinstance(value, Path):
        value = str(value)
    if not isinstance(value, str):
        raise SettingsError(f'{what} is {value!r}, which is no text; give one like "{setting.example}".')
    if not value.strip() or _CONTROL.search(value):
        raise SettingsError(f'{what} is {masked(value)!r}; give plain text like "{setting.example}".')
    if setting.choices and value not in setting.choices:
        near = suggest(value.lower(), setting.choices)
        raise SettingsError(f'{what} is "{value}".{near} Give one of {", ".join(setting.choices)}.')
    if name == "currency":
        return _check_currency(value, what)
    if name == "zone":
        _check_zone(value, what)
    file = file_of(value) if name == "ledger" else None
    return value if file is None else str(path_of(file, what, folder))


def _check_currency(value: str, what: str) -> str:
    from meter import codes

    code = codes.currency(value)
    if code is None:
        near = codes.near_currency(value)
        raise SettingsError(f'{what} is "{value}", no currency.{near} Give an ISO 4217 code like USD.')
    return code


def _check_zone(value: str, what: str) -> None:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        from meter.codes import near_zone

        near = near_zone(value)
        raise SettingsError(f'{what} is "{value}", no time zone.{near} Give an IANA name like Asia/Shanghai.') from None


def _config_file(environ: Mapping[str, str], here: Path) -> tuple[Path | None, bool]:
    """Return the file that METER_CONFIG names or that the user's config folder may hold, and whether it was named."""
    if name := environ.get("METER_CONFIG"):
        return path_of(name, "METER_CONFIG", here), True
    folder = user_folder("config", environ)
    return folder and folder / FILE, False


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
