"""JSON Schema of a line of executions.jsonl, for readers of the log, made from the model."""

from runner.execution.records import RecordLine
from runner.spec.jsonschema import Schema, published


def execution_schema() -> Schema:
    """Return the schema of a record; newer writers may add keys, so unknown ones are allowed."""
    return published(RecordLine, "Execution record")
