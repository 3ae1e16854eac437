"""The configuration as a whole: `thinkmeter.toml`, with `THINKMETER_<SECTION>__<KEY>` on top."""

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from clickhouse_connect.driver.client import Client
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.sources import PydanticBaseSettingsSource

from thinkmeter.alerts.settings import AlertSettings
from thinkmeter.collector.keys import KeyFile
from thinkmeter.collector.privacy import Privacy
from thinkmeter.collector.settings import CollectorSettings, KeySettings
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.limits import Budgets, Quotas
from thinkmeter.schema.logs import LogFormat, LogSettings
from thinkmeter.schema.policy import Policies
from thinkmeter.schema.prices import PriceSettings
from thinkmeter.schema.rules import (
    limit_rules,
    never_thinks_rules,
    policy_rules,
    store_rules,
    task_rules,
    tier_rules,
    timezone_rules,
)
from thinkmeter.schema.store.retention import RetentionSettings

FILE_NAME = "thinkmeter.toml"
"""Read from the working directory where no other file is named and this one exists."""

LATER_SECTIONS = frozenset({"dashboard"})
"""Sections that are part of the file's form and take no effect yet; a file that has them is told so."""


SECRET_SECTIONS = frozenset({"auth", "store"})
"""Sections whose values are not repeated in messages: keys, and URLs with passwords."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StoreSettings(_Section):
    """`[store]`: which store."""

    url: str | None = None
    """`clickhouse://user:password@host:port/database?secure=true`; absent: embedded, under the data directory."""


class AuthSettings(_Section):
    """`[auth]`: who may send; no keys means loopback only."""

    keys: tuple[KeySettings, ...] = ()


class TaskRule(_Section):
    """`[[tasks]]`: task class of spans that do not say it."""

    match: Annotated[dict[str, str], Field(min_length=1)]
    """Attribute -> glob; all have to match."""
    task: Annotated[str, Field(min_length=1)]


class Configuration(BaseSettings):
    """Everything that can be configured."""

    model_config = SettingsConfigDict(
        env_prefix="THINKMETER_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    timezone: str = "UTC"
    """Where days begin, an IANA name."""
    store: StoreSettings = StoreSettings()
    collector: CollectorSettings = CollectorSettings()
    auth: AuthSettings = AuthSettings()
    policy: dict[str, dict[str, Any]] = {}
    """Task class -> policy; `default` holds for classes without a section."""
    tasks: tuple[TaskRule, ...] = ()
    tiers: dict[str, Literal[1, 2, 3]] = {}
    """Model glob -> tier, where the application does not say; the first that matches holds."""
    prices: PriceSettings = PriceSettings()
    alerts: AlertSettings = AlertSettings()
    budgets: Budgets = Budgets()
    quotas: Quotas = Quotas()
    dashboard: dict[str, Any] = {}
    privacy: Privacy = Privacy()
    retention: RetentionSettings = RetentionSettings()
    log: LogSettings = LogSettings()
    _path: Path | None = PrivateAttr(default=None)

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"no time zone is called {name!r}") from None
        return name

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment over the file, nothing else."""
        return env_settings, init_settings

    @property
    def policies(self) -> Policies:
        """The policies of all task classes.

        Raises:
            ThinkmeterError: an unknown key or a value out of bounds.
        """
        return Policies.from_sections(self.policy)

    @property
    def key_file(self) -> KeyFile | None:
        """The file whose keys are read again when it changes; None if there is no file."""
        path = self._path
        return None if path is None else KeyFile(path, lambda: load(path).auth.keys)

    @property
    def idle_sections(self) -> list[str]:
        """Sections that were given and take no effect yet."""
        return sorted(name for name in LATER_SECTIONS if getattr(self, name))


def load(path: Path | None = None) -> Configuration:
    """Read the configuration from `path`, else from `thinkmeter.toml` in the working directory, else defaults.

    Raises:
        ThinkmeterError: the file cannot be read, a key is unknown (the nearest known one is named), or a value
            is out of bounds.
    """
    if path is None and Path(FILE_NAME).is_file():
        path = Path(FILE_NAME)
    source = str(path) if path else "the environment"
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8")) if path else {}
    except OSError as error:
        raise ThinkmeterError(f"the configuration {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ThinkmeterError(f"the configuration {path} is not TOML: {error}") from None
    try:
        configuration = Configuration(**values)
        configuration._path = path
        _ = configuration.policies
    except ValidationError as error:
        raise ThinkmeterError(f"{source}: {_told(error)}") from None
    except ThinkmeterError as error:
        raise ThinkmeterError(f"{source}: {error}") from None
    return configuration


def with_ports(configuration: Configuration, **ports: int | None) -> Configuration:
    """The configuration with the ports of the command line over it."""
    given = {name: port for name, port in ports.items() if port is not None}
    return configuration.model_copy(update={"collector": configuration.collector.model_copy(update=given)})


def with_log_format(configuration: Configuration, log_format: LogFormat | None) -> Configuration:
    """The configuration with the format of the command line over it."""
    given = {"format": log_format} if log_format is not None else {}
    return configuration.model_copy(update={"log": configuration.log.model_copy(update=given)})


def apply_rules(client: Client, configuration: Configuration) -> list[str]:
    """Make the store's rules those of the configuration; the kinds that changed."""
    policies = configuration.policies
    wanted = {
        "tier": tier_rules(configuration.tiers),
        "task": task_rules([(rule.match, rule.task) for rule in configuration.tasks]),
        "never_thinks": never_thinks_rules(),
        "timezone": timezone_rules(configuration.timezone),
        "policy": policy_rules({task: policies[task].model_dump_json() for task in policies}),
        "budget": limit_rules(configuration.budgets.model_dump(exclude_none=True)),
        "quota": limit_rules(configuration.quotas.model_dump(exclude_none=True)),
    }
    return [kind for kind, rules in wanted.items() if store_rules(client, kind, rules)]


def _told(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        known = _keys_at(Configuration, place[:-1])
        near = difflib.get_close_matches(place[-1], known, n=1, cutoff=0)
        hint = f", did you mean {'.'.join([*place[:-1], near[0]])!r}?" if near else ""
        return f"unknown key {'.'.join(place)!r}{hint}"
    reason = first["msg"].removeprefix("Value error, ")
    value = "" if place[0] in SECRET_SECTIONS else f" = {first['input']!r}"
    return f"{'.'.join(place)}{value}: {reason[0].lower()}{reason[1:]}"


def _keys_at(model: type[BaseModel], place: list[str]) -> list[str]:
    """Known keys of the section at `place`; list positions and dictionary keys in it are passed over."""
    for part in place:
        field = model.model_fields.get(part)
        if field is None:
            continue
        inner = [t for t in _types_in(field.annotation) if isinstance(t, type) and issubclass(t, BaseModel)]
        if not inner:
            return []
        model = inner[0]
    return sorted(model.model_fields)


def _types_in(annotation: Any) -> list[Any]:
    inner = getattr(annotation, "__args__", ())
    return [annotation, *(t for part in inner for t in _types_in(part))]
