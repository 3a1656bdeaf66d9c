"""What a runner is told: command line before environment before `jobsd.yaml` before defaults."""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    field_validator,
)
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from runner.errors import ExpressionError, InvalidRequestError
from runner.places import JOBS, SOCKET, STATE, config_file, read_config

VALIDATE = "validate"
"""A part of the settings file that is no setting of a runner: what `jobsd validate` asks of the files."""


def _duration(value: object) -> object:
    # Most places say nothing of durations: no command need load the room of schedules for it.
    from runner.schedule.durations import parse_duration  # noqa: PLC0415

    try:
        return parse_duration(value) if isinstance(value, str) else value
    except ExpressionError as error:
        raise ValueError(error.message) from None


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "minLength": 2, "examples": ["7d", "1h30m"]}),
]
"""A length of time, written `7d` or `1h30m`."""


class History(BaseModel):
    """How much of the records is kept, and when the growing file is closed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: int | None = Field(None, ge=1, description="Executions of each job that are kept at least.")
    age: Duration | None = Field(None, description="What is younger is kept.")
    bytes: int | None = Field(None, ge=1, description="Bytes of lines of each job that are kept at least.")
    orphans: Duration = Field(timedelta(days=7), description="Time after which a vanished job's history goes.")
    rotate_bytes: int = Field(64 * 1024 * 1024, ge=1, description="Size at which the growing file is closed.")
    rotate_age: Duration = Field(timedelta(days=7), description="Age at which the growing file is closed.")


class Settings(BaseSettings):
    """Where things are and how much may run; every field is also `JOBSD_<NAME>` and a key of `jobsd.yaml`."""

    model_config = SettingsConfigDict(env_prefix="JOBSD_", env_ignore_empty=True, extra="forbid", frozen=True)

    jobs: Path = Field(JOBS, description="The directory with the job files.")
    state: Path = Field(STATE, description="The state directory: records, outputs, socket.")
    secrets_dir: Path | None = Field(None, description="Where ${file:NAME} is looked up.")
    max_running: int = Field(
        default_factory=lambda: 4 * (os.cpu_count() or 1),
        ge=1,
        le=10_000,
        description="Runs at once, in all.",
    )
    log_format: Literal["console", "json"] = Field("console", description="Form of the runner's own log.")
    listen: Literal["none"] = Field("none", description="TCP addresses; this version has the Unix socket only.")
    allow_empty: bool = Field(
        default=False, description="An empty or missing jobs directory means that there are no jobs."
    )
    poll: bool = Field(
        default=False, description="Files are looked at again and again, as no file system events come."
    )
    allow_root_agents: bool = Field(
        default=False, description="A runner that is root runs agents that name no user as root."
    )

    history: History = Field(default_factory=History, description="How much of the records is kept.")

    @field_validator("listen", mode="before")
    @classmethod
    def _socket_only(cls, value: object) -> object:
        if value != "none":
            raise ValueError("only 'none' is possible: this version answers on its Unix socket alone")
        return value

    @property
    def socket(self) -> Path:
        """The Unix socket of the HTTP API."""
        return self.state / SOCKET


def load_settings(given: Mapping[str, Any], config: Path | None = None) -> Settings:
    """Gather the settings.

    Args:
        given: what the command line says; values of None are not given.
        config: a settings file; by default `jobsd.yaml` beside the jobs directory, where there is one.

    Raises:
        InvalidRequestError: when a value does not fit; the message names where it comes from.
    """
    said = {name: value for name, value in given.items() if value is not None}
    path = config_file(said, config)
    from_file = read_config(path) if config is not None or path.is_file() else {}
    from_file.pop(VALIDATE, None)

    class Sourced(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is the library's
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is the library's
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, from_file)

    try:
        return Sourced(**said)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        where = _where(name, said, from_file, path)
        message = "is not a setting" if first["type"] == "extra_forbidden" else first["msg"]
        raise InvalidRequestError(f"{where}: {message.removeprefix('Value error, ')}") from None


def settings_schema() -> dict[str, Any]:
    """Return the JSON Schema of a settings file."""
    # A schema is asked for once in a while: a runner that starts need not load what makes it.
    from runner.schedule.durations import format_duration  # noqa: PLC0415
    from runner.spec.jsonschema import published  # noqa: PLC0415
    from runner.spec.policy import policy_schema  # noqa: PLC0415

    schema = published(Settings, "Settings")
    policy = policy_schema()
    schema["description"] = "What a runner and the commands are told: jobsd.yaml, beside the jobs directory."
    schema["properties"][VALIDATE] = {"$ref": "#/$defs/WrittenPolicy"}
    for name, field in History.model_fields.items():
        if isinstance(field.default, timedelta):
            schema["$defs"]["History"]["properties"][name]["default"] = format_duration(field.default)
    definition = {name: value for name, value in policy.items() if name not in {"$schema", "$defs"}}
    schema["$defs"] = {**schema["$defs"], **policy["$defs"], "WrittenPolicy": definition}
    return schema


def _where(name: str, said: Mapping[str, Any], from_file: Mapping[str, Any], path: Path) -> str:
    if name in said:
        return f"--{name.replace('_', '-')}"
    if f"JOBSD_{name.upper()}" in os.environ:
        return f"JOBSD_{name.upper()}"
    return f"{path}: {name}" if name in from_file else name
