"""JSON Schemas of what people write, for editors and for checks elsewhere, made from the models."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from runner.spec.agents import AGENT_TYPES
from runner.spec.documents import DefaultsDocument, JobDocument
from runner.spec.support import NOT_SUPPORTED_YET

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
NOT_YET: Final = "Not supported yet: "

Schema = dict[str, Any]


def job_schema() -> Schema:
    """Return the schema of a job, which is what a file holds that says nothing else."""
    schema = _document_schema(JobDocument, "Job")
    _mark_unsupported(schema, NOT_SUPPORTED_YET["job"])
    schema["if"] = {"properties": {"mode": {"const": "cron"}}, "required": ["mode"]}
    schema["then"] = {"required": ["schedule"]}
    schema["else"] = {"properties": {"schedule": False}}
    own = list(JobDocument.__annotations__)
    schema["properties"] = {name: schema["properties"][name] for name in own} | schema["properties"]
    return _with_header(schema)


def defaults_schema() -> Schema:
    """Return the schema of a defaults document."""
    schema = _document_schema(DefaultsDocument, "Defaults")
    _mark_unsupported(schema, NOT_SUPPORTED_YET["defaults"])
    return _with_header(schema)


def agent_schema() -> Schema:
    """Return the schema of an agent: one of the built-in types."""
    models = [(model, "validation") for model in AGENT_TYPES.values()]
    _, collected = models_json_schema(models, schema_generator=_Generator)  # type: ignore[arg-type]  # a literal
    definitions: Schema = _clean(collected["$defs"])
    for name, model in AGENT_TYPES.items():
        part = definitions[model.__name__]
        part["title"] = f"Agent of type {name}"
        _mark_unsupported({"$defs": definitions, **part}, NOT_SUPPORTED_YET["agent"])
        part["anyOf"] = [{"required": ["id"]}, {"required": ["name"]}]
        if name in NOT_SUPPORTED_YET["agent type"]:
            part["description"] = NOT_YET + part["description"]
    schema = {
        "title": "Agent",
        "description": "Who does the work of a job.",
        "type": "object",
        "required": ["kind", "type"],
        "properties": {
            "kind": {"const": "agent", "description": "What this document is."},
            "type": {"enum": list(AGENT_TYPES), "description": "What kind of agent this is."},
        },
        "allOf": [
            {
                "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
                "then": {"$ref": f"#/$defs/{model.__name__}"},
            }
            for name, model in AGENT_TYPES.items()
        ],
        "$defs": definitions,
    }
    return _with_header(schema)


SCHEMAS: Final[Mapping[str, Callable[[], Schema]]] = {
    "job": job_schema,
    "agent": agent_schema,
    "defaults": defaults_schema,
}
"""How each schema is made, by the name of its file: `schemas/NAME.schema.json`."""


def published(model: type[BaseModel], title: str) -> Schema:
    """Return the schema of a model as it is published, which knows no null."""
    return _with_header(_document_schema(model, title))


class _Generator(GenerateJsonSchema):
    """Leaves out the titles that Pydantic makes from field names, and what stands for a field left out."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - the signature is Pydantic's
        """Say that no field gets a title from its name."""
        return False


def _document_schema(model: type[BaseModel], title: str) -> Schema:
    schema: Schema = _clean(model.model_json_schema(schema_generator=_Generator))
    schema["title"] = title
    return schema


def _with_header(schema: Schema) -> Schema:
    head = {"$schema": DRAFT, "title": schema["title"], "description": schema["description"]}
    definitions = {"$defs": schema["$defs"]}
    # What is read first comes first, and definitions last.
    return head | {name: value for name, value in schema.items() if name != "$defs"} | definitions


def _mark_unsupported(schema: Schema, names: frozenset[str]) -> None:
    for name, field in schema.get("properties", {}).items():
        if name in names:
            target = schema["$defs"].get(field.get("$ref", "").rpartition("/")[2], {})
            # A description beside a reference is the one that editors show.
            field["description"] = NOT_YET + (field.get("description") or target["description"])


def _clean(node: Any) -> Any:
    """Return a schema without null and without default null: a field is given a value, or left out."""
    if isinstance(node, list):
        return [_clean(each) for each in node]
    if not isinstance(node, dict):
        return node
    choices = node.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        rest = [choice for choice in choices if choice != {"type": "null"}]
        kept = {name: value for name, value in node.items() if name not in {"anyOf", "default"}}
        merged = {**rest[0], **kept} if len(rest) == 1 else {"anyOf": rest, **kept}
        return _clean(merged)
    if "default" in node and node["default"] is None and "properties" not in node:
        node = {name: value for name, value in node.items() if name != "default"}
    if "patternProperties" in node:
        node = {**node, "additionalProperties": False}
    return {name: _clean(value) for name, value in node.items()}
