"""Agents as people write them: what all have in common, and a model for each built-in type."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator

from runner.spec.checks import Problem, refuse
from runner.spec.documents import Given, Written, WrittenBudget
from runner.spec.fields import (
    EnvName,
    Id,
    Name,
    PlainLine,
    PlainText,
    PositiveDuration,
    Reference,
    RelativePath,
    TextWithReferences,
)

_SIZE = re.compile(r"([1-9][0-9]*(?:\.[0-9]+)?)((?:K|M|G|T|Ki|Mi|Gi|Ti)?)B?")
_UNITS: Mapping[str, int] = {"": 1} | {
    letter + binary: (1024 if binary else 1000) ** power
    for power, letter in enumerate("KMGT", start=1)
    for binary in ("", "i")
}
_USER = re.compile(r"[0-9]{1,10}|[A-Za-z_][A-Za-z0-9_.-]*\$?")
_URL = re.compile(r"https?://[^\s/]\S*|\$\{[^}]*\}\S*")
_ENTRYPOINT = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_MODEL = re.compile(r"[a-z0-9][a-z0-9_-]*:\S+")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

UNION_TAG = "="
"""What the names of a union's members begin with, so that they can be told from fields in a location."""


def _size(value: object) -> int:
    found = _SIZE.fullmatch(str(value)) if isinstance(value, int | str) and not isinstance(value, bool) else None
    if found is None:
        refuse(Problem("invalid-value", "expected a size in bytes such as `512M` or `2Gi`"))
    return int(Decimal(found[1]) * _UNITS[found[2]])


def format_size(size: int) -> str:
    """Return a number of bytes in the largest unit that fits it exactly, such as `512M`."""
    fitting = [(size // factor, unit) for unit, factor in _UNITS.items() if size % factor == 0]
    count, unit = min(fitting)
    return f"{count}{unit}"


def _user(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str) or not _USER.fullmatch(str(value)):
        refuse(Problem("invalid-value", "expected the name or the number of a user"))
    return str(value)


def _url(value: str) -> str:
    if not _URL.fullmatch(value):
        refuse(Problem("invalid-url", "expected a URL", "begin it with `https://` or `http://`"))
    return value


def _entrypoint(value: str) -> str:
    if not _ENTRYPOINT.fullmatch(value):
        refuse(Problem("invalid-entrypoint", "expected a callable", "write `package.module:callable`"))
    return value


def _model(value: str) -> str:
    if not _MODEL.fullmatch(value):
        refuse(Problem("invalid-model", "expected a model", "write `provider:name`, such as `openai:gpt-5`"))
    return value


def _header(value: str) -> str:
    if not _HEADER.fullmatch(value):
        refuse(Problem("invalid-name", "this is no name of an HTTP header", on_key=True))
    return value


def _program(value: list[str]) -> list[str]:
    if not value[0].strip():
        refuse(Problem("invalid-value", "the name of the program is empty", at=(0,)))
    for index, argument in enumerate(value):
        if "\0" in argument:
            refuse(Problem("invalid-value", "an argument can't contain a null character", at=(index,)))
    return value


Size = Annotated[Any, AfterValidator(_size), WithJsonSchema({"type": ["string", "integer"]})]
User = Annotated[Any, AfterValidator(_user), WithJsonSchema({"type": ["string", "integer"]})]
Url = Annotated[TextWithReferences, AfterValidator(_url)]
Headers = dict[Annotated[str, AfterValidator(_header)], TextWithReferences]
Environment = dict[EnvName, TextWithReferences]
Command = Annotated[
    list[PlainText],
    Field(min_length=1, description="The program and its arguments: a list, never a shell line."),
    AfterValidator(_program),
]


KIND_OF_AGENT = Field(description="What kind of agent this is.")


class WrittenLimits(Written):
    """What each process of a command may use of the machine."""

    memory: Annotated[Given[Size], Field(description="Bytes of memory, such as `512M`.")] = None
    cpu: Annotated[Given[PositiveDuration], Field(description="Time on a processor, such as `5m`.")] = None
    files: Annotated[Given[Annotated[int, Field(ge=8)]], Field(description="Files that are open at once.")] = None


class AgentDocument(Written):
    """What agents of all types have in common."""

    kind: Annotated[Literal["agent"], Field(description="What this document is.")]
    id: Annotated[
        Given[Id],
        Field(description="What jobs name; made from the name if not given.", examples=["revenue-analyst"]),
    ] = None
    name: Annotated[Given[Name], Field(description="A descriptive name; the id if not given.")] = None
    description: Annotated[PlainText, Field(description="What the agent does.")] = ""
    type: Annotated[str, KIND_OF_AGENT]
    timeout: Annotated[
        Given[PositiveDuration], Field(description="How long one attempt may take, for jobs that don't say.")
    ] = None

    @model_validator(mode="after")
    def _has_a_name(self) -> "AgentDocument":
        if self.id is None and self.name is None:
            refuse(Problem("missing-field", "the field `id` is missing", "add `id: …`; jobs name the agent by it"))
        return self


class CommandAgent(AgentDocument):
    """A program that gets the job as JSON on its standard input."""

    type: Annotated[Literal["command"], KIND_OF_AGENT]
    command: Annotated[Command, Field(examples=[["python3", "summary.py"]])]
    env: Annotated[Given[Environment], Field(description="Variables, which may refer to secrets.")] = None
    cwd: Annotated[
        Given[RelativePath], Field(description="Where the program starts; the folder of this file if not given.")
    ] = None
    user: Annotated[
        Given[User], Field(description="The user that the program runs as; the runner has to be root.")
    ] = None
    limits: Given[WrittenLimits] = None


class HttpAgent(AgentDocument):
    """A service that gets the job as JSON in a request."""

    type: Annotated[Literal["http"], KIND_OF_AGENT]
    url: Annotated[Url, Field(description="Where the request goes; it may refer to secrets.")]
    method: Annotated[
        Literal["POST", "PUT", "PATCH", "GET", "DELETE"], Field(description="The method of the request.")
    ] = "POST"
    headers: Annotated[Given[Headers], Field(description="Headers, which may refer to secrets.")] = None
    expect: Annotated[
        Given[Annotated[list[Annotated[int, Field(ge=100, le=599)]], Field(min_length=1)]],
        Field(description="The status codes that mean success."),
    ] = None


class PythonAgent(AgentDocument):
    """A function, sync or async."""

    type: Annotated[Literal["python"], KIND_OF_AGENT]
    entrypoint: Annotated[
        str,
        AfterValidator(_entrypoint),
        Field(description="The callable.", examples=["package.module:callable"]),
    ]


class McpServer(Written):
    """Tools of a server that speaks the Model Context Protocol."""

    mcp: Annotated[Id, Field(description="What the server is called in transcripts.")]
    command: Given[Command] = None
    url: Annotated[Given[Url], Field(description="The server's address.")] = None
    env: Annotated[Given[Environment], Field(description="Variables, which may refer to secrets.")] = None
    headers: Annotated[Given[Headers], Field(description="Headers, which may refer to secrets.")] = None
    tools: Annotated[
        Given[Annotated[list[PlainLine], Field(min_length=1)]],
        Field(description="Which of its tools are allowed."),
    ] = None

    @model_validator(mode="after")
    def _has_one_address(self) -> "McpServer":
        if (self.command is None) == (self.url is None):
            refuse(Problem("invalid-value", "an MCP server has either a `command` or a `url`"))
        return self


def _tool_tag(value: object) -> str:
    return UNION_TAG + ("server" if isinstance(value, dict) else "name")


Tool = Annotated[
    Annotated[PlainLine, Tag(UNION_TAG + "name")] | Annotated[McpServer, Tag(UNION_TAG + "server")],
    Discriminator(_tool_tag),
]


class LlmAgent(AgentDocument):
    """A language model with tools."""

    type: Annotated[Literal["llm"], KIND_OF_AGENT]
    model: Annotated[
        Given[Annotated[str, AfterValidator(_model)]], Field(description="The model.", examples=["openai:gpt-5"])
    ] = None
    base_url: Annotated[
        Given[Annotated[PlainLine, AfterValidator(_url)]], Field(description="The address of the API.")
    ] = None
    api_key: Annotated[Given[Reference], Field(description="A reference to the key.")] = None
    instructions: Annotated[Given[PlainText], Field(description="What the model is told before the prompt.")] = (
        None
    )
    tools: Annotated[Given[list[Tool]], Field(description="The tools that are allowed; no others are.")] = None
    output: Annotated[Given[dict[str, Any]], Field(description="The JSON Schema of the result.")] = None
    budget: Given[WrittenBudget] = None
    settings: Annotated[
        Given[dict[str, Any]], Field(description="Settings of the model, such as `temperature`.")
    ] = None


AGENT_TYPES: Mapping[str, type[AgentDocument]] = {
    "command": CommandAgent,
    "http": HttpAgent,
    "python": PythonAgent,
    "llm": LlmAgent,
}
"""The built-in types; other packages add theirs."""
