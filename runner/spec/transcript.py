"""A crontab as documents: a job for each line, and an agent for each command, as texts that are valid."""

import posixpath
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from runner.spec.checks import slug
from runner.spec.crontab import Crontab, Entry, Note
from runner.spec.document import SourceFile
from runner.spec.loader import read
from runner.spec.quoting import quoted

AGENTS: Final = "agents"
"""The folder of the agents, below that of the jobs."""

_PLAIN = re.compile(r"[A-Za-z/_](?:[A-Za-z0-9 _./+=-]*[A-Za-z0-9_./+=-])?|--?[A-Za-z][A-Za-z0-9_=./-]*")
_WORDS_OF_YAML = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")

# What only a shell understands; quotes without any of it are taken apart as the shell would.
_OF_SHELL = re.compile(r"[|&;<>()$`\\*?\[\]{}~!]")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
# Words that mean the same wherever a command starts: absolute paths, numbers, options without a relative path.
_ANYWHERE = re.compile(r"/.*|[0-9]+|--?[A-Za-z][A-Za-z0-9_-]*(?:=(?:/.*|[0-9]+))?", re.DOTALL)
_POSIX: Final = frozenset({"sh", "bash", "dash", "ash", "ksh", "mksh", "zsh"})
_GOES_ELSEWHERE = re.compile(r"cd[ \t]+/")

_SEGMENT = re.compile(r"\|\||&&|[|;&()\n]")
_BARE = re.compile(r"[^\s'\"]+")
_PREPARES: Final = frozenset(
    {"cd", "test", "[", "[[", "export", "set", ".", "source", "umask", "sleep", "command"}
)
_WRAPS: Final = frozenset(
    {"nice", "ionice", "env", "sudo", "timeout", "flock", "chronic", "nohup", "time", "setsid", "exec"}
    | {"sh", "bash", "dash", "zsh", "python", "python3", "perl", "php", "ruby", "node"}
)
_REDIRECTION = re.compile(r"\d*[<>].*", re.DOTALL)
_EXTENSION = re.compile(r"\.(?:sh|bash|py|pl|php|rb|js)$")
MOST_WORDS: Final = 3
"""A name is made from so many words of a command at most."""


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to write, by its path below the folder of the jobs; `id` is that of the document in it."""

    path: str
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """The files that say what a crontab says, and what they leave out."""

    files: tuple[NewFile, ...]
    notes: tuple[Note, ...]
    jobs: int


def transcribe(crontab: Crontab) -> Transcript:
    """Return a crontab as files: the agents first, so that no job names one that is not there yet."""
    return _Transcriber(crontab).transcript()


class _Transcriber:
    """Writes the documents of one crontab."""

    def __init__(self, crontab: Crontab) -> None:
        self._crontab = crontab
        self._jobs: dict[str, NewFile] = {}
        self._agents: dict[tuple[object, ...], NewFile] = {}
        self._notes = list(crontab.notes)
        self._carried: tuple[str, ...] = ()

    def transcript(self) -> Transcript:
        """Write all of it."""
        for entry in self._crontab.entries:
            self._add(entry)
        files = [*self._agents.values(), *self._with_last_comment()]
        return Transcript(tuple(files), tuple(sorted(self._notes, key=lambda note: note.line)), len(self._jobs))

    def _add(self, entry: Entry) -> None:
        if self._carried:
            entry = replace(entry, before=(*self._carried, *entry.before))
            self._carried = ()
        problem = self._written(entry)
        if problem is not None:
            self._notes.append(Note(entry.line, problem))
            # The line is left out, and its comments still belong to the crontab.
            self._carried = (*entry.before, *entry.about)

    def _written(self, entry: Entry) -> str | None:
        """Write the documents of a line; what keeps them from being valid."""
        command = command_of(entry)
        if command is None:
            return f"how {posixpath.basename(entry.shell)} is given what stands behind the % is not known"
        name = name_of(entry)
        identity = self._unused(slug(name) or f"cron-line-{entry.line}")
        key = (command, tuple(entry.env.items()), entry.user)
        agent = self._agents.get(key)
        if agent is None:
            text = "".join(_agent(identity, name, command, entry))
            agent = NewFile(f"{AGENTS}/{identity}.yaml", identity, text)
        job = NewFile(f"{identity}.yaml", identity, "".join(_job(identity, name, agent.id, entry)))
        problem = _problem(agent) or _problem(job)
        if problem is None:
            self._agents[key] = agent
            self._jobs[identity] = job
        return problem

    def _unused(self, identity: str) -> str:
        number, candidate = 1, identity
        while candidate in self._jobs:
            number += 1
            candidate = f"{identity[:58].rstrip('-')}-{number}"
        return candidate

    def _with_last_comment(self) -> Iterator[NewFile]:
        """The jobs, the last of them with the comments that stand at the end of the crontab."""
        *others, last = self._jobs.values() or [None]
        yield from (each for each in others if each)
        if last:
            text = last.text + "".join(_comment((*self._carried, *self._crontab.after)))
            yield NewFile(last.path, last.id, text)


def _problem(file: NewFile) -> str | None:
    """What keeps a text from being a document, in a line."""
    errors = [each for each in read(SourceFile(file.path, file.text.encode())).diagnostics if each.is_error]
    return errors[0].message if errors else None


# -- what a line means ---------------------------------------------------------------------------------------


def command_of(entry: Entry) -> tuple[str, ...] | None:
    """The program and arguments that do what a line does; None where its shell is not known well enough.

    A command that means the same wherever it starts is taken apart; any other is for its shell, and starts in
    the home directory, as with cron.
    """
    if entry.stdin is None and (words := _words(entry.command)):
        return words
    script = entry.command
    if entry.stdin is not None:
        if posixpath.basename(entry.shell) not in _POSIX:
            return None
        end = "INPUT"
        while end in entry.stdin.split("\n"):
            end += "_"
        script = f"exec <<'{end}'\n{entry.stdin}{end}\n{script}"
    if not _GOES_ELSEWHERE.match(entry.command):
        script = f"cd\n{script}" if entry.stdin is not None else f"cd; {script}"
    return (entry.shell, "-c", script)


def _words(command: str) -> tuple[str, ...] | None:
    """The words of a command that needs no shell and no certain folder."""
    if _OF_SHELL.search(command):
        return None
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    if not words or not words[0].startswith("/") or _ASSIGNMENT.match(words[0]):
        return None
    return tuple(words) if all(map(_ANYWHERE.fullmatch, words)) else None


def name_of(entry: Entry) -> str:
    """A name for people, from the words of a command that tell it from others."""
    for segment in _SEGMENT.split(entry.command):
        words = [
            posixpath.basename(word.rstrip("/"))
            for word in _BARE.findall(_REDIRECTION.sub("", segment))
            if _tells(word)
        ]
        words = [word for word in words if word and word not in _WRAPS]
        if words and words[0] not in _PREPARES:
            name = " ".join(_EXTENSION.sub("", word) for word in words[:MOST_WORDS])
            name = _CONTROL.sub("", name)[:100].strip()
            if slug(name):
                return name[:1].upper() + name[1:]
    return f"Cron line {entry.line}"


def _tells(word: str) -> bool:
    """Whether a word is neither an option, a number, an assignment nor a lock."""
    of_shell = word.startswith(("-", "$", "`", "!", "{", "}", "#"))
    return not (of_shell or word.isdigit() or _ASSIGNMENT.match(word) or word.endswith(".lock"))


# -- documents -----------------------------------------------------------------------------------------------


def _job(identity: str, name: str, agent: str, entry: Entry) -> Iterator[str]:
    yield from _comment(entry.before)
    if entry.before:
        yield "\n"
    yield from _comment([f"Line {entry.line} of the crontab: {entry.text}"])
    yield f"id: {_scalar(identity)}\n"
    yield f"name: {_scalar(name)}\n"
    if any(entry.about):
        yield f"description: {_text(entry.about)}"
    yield f"agent: {_scalar(agent)}\n"
    yield "mode: cron\n"
    yield f"schedule: {quoted(entry.schedule)}\n"
    yield f"timezone: {entry.timezone}\n"
    yield "timeout: 1d  # cron lets a command run for ever\n"


def _agent(identity: str, name: str, command: Sequence[str], entry: Entry) -> Iterator[str]:
    yield "kind: agent\n"
    yield f"id: {_scalar(identity)}\n"
    yield f"name: {_scalar(name)}\n"
    yield "type: command\n"
    if "\n" in command[-1]:
        yield "command:\n"
        yield from (f"  - {_scalar(word)}\n" for word in command[:-1])
        yield f"  - {_block(command[-1].split(chr(10)), '    ')}"
    else:
        yield f"command: [{', '.join(map(_scalar, command))}]\n"
    if entry.env:
        yield from _env(entry.env)
    if entry.user is not None:
        yield f"user: {quoted(entry.user) if not _PLAIN.fullmatch(entry.user) else _scalar(entry.user)}\n"


def _env(env: Mapping[str, str]) -> Iterator[str]:
    yield "env:\n"
    for name, value in env.items():
        yield f"  {quoted(name) if name.lower() in _WORDS_OF_YAML else name}: {_scalar(value)}\n"


def _comment(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield f"# {_CONTROL.sub(_escaped, line)}".rstrip() + "\n"


def _escaped(found: re.Match[str]) -> str:
    return " " if found[0] == "\t" else f"\\x{ord(found[0]):02x}"


def _text(lines: Sequence[str]) -> str:
    """A text of some lines as a value of a field, with the line break behind it."""
    return f"{_scalar(lines[0])}\n" if len(lines) == 1 else _block(lines, "  ")


def _block(lines: Sequence[str], indent: str) -> str:
    """Lines as a literal block where it can hold them, else in quotes; with the line break behind it."""
    plain = not any(_CONTROL.search(line.replace("\t", "")) for line in lines)
    if not plain or lines[0][:1] in {" ", "\t", ""} or not lines[-1].strip():
        return quoted("\n".join(lines)) + "\n"
    return "|-\n" + "".join(f"{indent}{line}\n" if line else "\n" for line in lines)


def _scalar(value: str) -> str:
    """A value as YAML: plain where no reader could take it for anything but text, else in quotes."""
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS_OF_YAML:
        return value
    return quoted(value)
