"""The types of fields: for each, how it is checked and how a JSON Schema describes it."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from runner.filters import Filter
from runner.spec import checks
from runner.spec.models import RateLimit


def _text_schema(pattern: str | None = None, **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **({"pattern": pattern} if pattern else {}), **more})


Id = Annotated[str, AfterValidator(checks.check_id), _text_schema(checks.ID_PATTERN)]
Name = Annotated[str, AfterValidator(checks.check_name), _text_schema(minLength=1, maxLength=100)]
Duration = Annotated[
    timedelta,
    BeforeValidator(checks.to_duration),
    _text_schema(checks.DURATION_PATTERN, minLength=2, examples=["30s", "1h30m"]),
]
PositiveDuration = Annotated[Duration, AfterValidator(checks.check_positive)]
Zone = Annotated[str, AfterValidator(checks.check_zone), _text_schema(examples=["UTC", "Europe/Berlin"])]
ScheduleText = Annotated[
    str,
    AfterValidator(checks.check_schedule),
    _text_schema(examples=["0 9 * * 1-5", "@hourly", "@every 90s"]),
]
FilterExpression = Annotated[
    Filter, BeforeValidator(checks.to_filter), _text_schema(minLength=1, examples=["event.total > 100"])
]
FilterOfResult = Annotated[
    Filter,
    BeforeValidator(checks.to_filter_of_result),
    _text_schema(minLength=1, examples=["result.rows == 0"]),
]
RateLimitText = Annotated[
    RateLimit,
    BeforeValidator(checks.to_rate_limit),
    _text_schema(examples=["10/hour", "100/day", "5/10minutes"]),
]
Reference = Annotated[str, AfterValidator(checks.check_reference), _text_schema(checks.REFERENCE_PATTERN)]
TextWithReferences = Annotated[str, AfterValidator(checks.with_references), _text_schema()]
PlainText = Annotated[str, AfterValidator(checks.without_references), _text_schema()]
PlainLine = Annotated[
    str,
    AfterValidator(checks.check_line),
    AfterValidator(checks.without_references),
    _text_schema(minLength=1),
]
EnvName = Annotated[str, AfterValidator(checks.check_env_name), _text_schema(r"^[A-Za-z_][A-Za-z0-9_]*$")]
LabelName = Annotated[str, AfterValidator(checks.check_label), _text_schema(maxLength=63)]
LabelValue = Annotated[str, AfterValidator(checks.check_label_value), _text_schema(maxLength=63)]
PayloadPath = Annotated[str, AfterValidator(checks.check_payload_path), _text_schema(minLength=1)]
RelativePath = Annotated[
    str,
    AfterValidator(checks.check_relative_path),
    AfterValidator(checks.without_references),
    _text_schema(minLength=1),
]
Glob = Annotated[str, AfterValidator(checks.check_glob), _text_schema(minLength=1)]
Time = Annotated[
    datetime,
    BeforeValidator(checks.to_time),
    _text_schema(checks.TIME_PATTERN, examples=["2026-03-29 09:00", "2026-03-29T07:00:00Z"]),
]
Globs = Annotated[
    list[Glob],
    BeforeValidator(checks.to_list),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
References = Annotated[
    list[Reference],
    BeforeValidator(checks.to_list),
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": checks.REFERENCE_PATTERN},
                {
                    "type": "array",
                    "items": {"type": "string", "pattern": checks.REFERENCE_PATTERN},
                    "minItems": 1,
                },
            ]
        }
    ),
]
