"""Crontabs as cron reads them: lines, variables, comments, and what stands behind a `%`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from runner.errors import ExpressionError
from runner.schedule import parse_schedule
from runner.schedule.zones import UnknownZoneError, load_zone
from runner.spec.quoting import shown

DEFAULT_SHELL: Final = "/bin/sh"

_VARIABLE = re.compile(r"""(?:"([^"]*)"|'([^']*)'|([^\s=#"']+))[ \t]*=[ \t]*(.*)""")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FIVE_FIELDS = re.compile(r"((?:[^ \t]+[ \t]+){4}[^ \t]+)(?:[ \t]+(.*))?")
_WORD = re.compile(r"(@[^ \t]+)(?:[ \t]+(.*))?")
_USER = re.compile(r"([^ \t]+)(?:[ \t]+(.*))?")
_REFERENCE = re.compile(r"\$\{[A-Za-z]+:")
# What says how a mail of cron looks, or is said above; and cron lets nobody set LOGNAME.
_UNUSED: Final = frozenset(
    {"MAILTO", "MAILFROM", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING", "RANDOM_DELAY", "LOGNAME"}
)


@dataclass(frozen=True, slots=True)
class Note:
    """What could not be taken over, and in which line of the crontab it stands."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One line that runs a command.

    `stdin` is what the command reads, `about` the comment right above the line, `before` the comments that
    stand further up and belong to no line. `shell` reads the command.
    """

    line: int
    text: str
    schedule: str
    timezone: str
    command: str
    stdin: str | None
    user: str | None
    shell: str
    env: Mapping[str, str]
    about: tuple[str, ...]
    before: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Crontab:
    """All lines that run something, the comments after the last of them, and what was left out."""

    entries: tuple[Entry, ...]
    after: tuple[str, ...]
    notes: tuple[Note, ...]


def read_crontab(text: str, timezone: str, *, user_field: bool) -> Crontab:
    """Read a crontab, whose times are those of a zone where it names no other.

    With `user_field` a user stands between times and command, as in `/etc/crontab` and `/etc/cron.d`.
    """
    reader = _Reader(timezone, user_field=user_field)
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        reader.read(number, line.removesuffix("\r").strip(" \t"))
    return reader.crontab()


class _LeftOutError(Exception):
    """A line that can't be taken over, and why."""


class _Reader:
    """Reads a crontab line by line."""

    def __init__(self, timezone: str, *, user_field: bool) -> None:
        self._own_zone = timezone
        self._zone: str | None = timezone
        self._user_field = user_field
        self._shell = DEFAULT_SHELL
        self._env: dict[str, str] = {}
        self._about: list[str] = []
        self._before: list[str] = []
        self._entries: list[Entry] = []
        self._notes: list[Note] = []

    def crontab(self) -> Crontab:
        """What was read."""
        self._detach()
        return Crontab(tuple(self._entries), tuple(self._before), tuple(self._notes))

    def read(self, number: int, line: str) -> None:
        """Read one line without the blanks around it."""
        if not line:
            self._detach()
        elif line.startswith("#"):
            self._about.append(line[1:].removeprefix(" ").rstrip())
        else:
            try:
                self._content(number, line)
            except _LeftOutError as reason:
                self._notes.append(Note(number, str(reason)))
                self._detach()

    def _detach(self) -> None:
        """Let the last comment stand for itself: what follows it is not what it speaks of."""
        if self._about:
            self._before += [*([""] if self._before else []), *self._about]
            self._about = []

    def _content(self, number: int, line: str) -> None:
        found = _VARIABLE.fullmatch(line)
        if found is not None and not line.startswith("@"):
            self._detach()
            self._set(found[1] or found[2] or found[3] or "", _unquoted(found[4]))
            return
        entry = self._entry(number, line)
        self._entries.append(entry)
        self._about, self._before = [], []

    def _set(self, name: str, value: str) -> None:
        if name == "SHELL":
            self._shell = value or DEFAULT_SHELL
        elif name == "CRON_TZ":
            self._set_zone(value)
        elif reason := _left_out(name, value):
            raise _LeftOutError(reason)
        elif name not in _UNUSED:
            self._env[name] = value

    def _set_zone(self, value: str) -> None:
        try:
            self._zone = load_zone(value).key if value else self._own_zone
        except UnknownZoneError as error:
            self._zone = None
            raise _LeftOutError(f"CRON_TZ: {_advised(error.mistake.message, error.mistake.help)}") from None

    def _entry(self, number: int, line: str) -> Entry:
        found = (_WORD if line.startswith("@") else _FIVE_FIELDS).fullmatch(line)
        if found is None:
            raise _LeftOutError("no line of a crontab: it has neither five fields and a command, nor a variable")
        schedule, rest, user = _schedule(found[1]), found[2] or "", None
        if self._user_field:
            named = _USER.fullmatch(rest)
            user, rest = (named[1], named[2] or "") if named else (None, "")
        command, stdin = split_percent(rest)
        if not command.strip():
            missing = "user and command" if self._user_field else "command"
            raise _LeftOutError(f"after its times, the line has no {missing}")
        if self._zone is None:
            raise _LeftOutError("the zone of its times is not known: CRON_TZ above is no zone")
        return Entry(
            line=number,
            text=line,
            schedule=schedule,
            timezone=self._zone,
            command=command.strip(),
            stdin=stdin,
            user=user,
            shell=self._shell,
            env=dict(self._env),
            about=tuple(self._about),
            before=tuple(self._before),
        )


def _left_out(name: str, value: str) -> str | None:
    """Why a variable can't be taken over."""
    if name == "MAILTO" and value:
        return f"MAILTO: no mail is sent; 'jobsd logs JOB' shows the output ({shown(value)})"
    if name == "RANDOM_DELAY" and value != "0":
        return "RANDOM_DELAY: give the jobs a `jitter`, which spreads their starts"
    if not _NAME.fullmatch(name):
        return f"{shown(name)} is no name of a variable"
    if name.startswith("JOBSD_"):
        return f"{name} can't be set: names that begin with JOBSD_ belong to the runner"
    if name not in _UNUSED and _REFERENCE.search(value):
        return f"the value of {name} would be read as a reference to a secret"
    return None


def _schedule(written: str) -> str:
    """The times of a line, in one form."""
    # A dash in front keeps some crons from logging the line.
    text = " ".join(written.removeprefix("-").split())
    if text.lower() == "@reboot":
        raise _LeftOutError("@reboot names no time; let a unit of systemd start the command")
    try:
        parse_schedule(text)
    except ExpressionError as error:
        mistake = error.mistakes[0]
        raise _LeftOutError(_advised(mistake.message, mistake.help)) from None
    return text.lower() if text.startswith("@") else text


def _advised(message: str, advice: str | None) -> str:
    return f"{message}; {advice}" if advice else message


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value


def split_percent(command: str) -> tuple[str, str | None]:
    r"""The command of a line, and what it reads: behind the first `%`, with a new line for each further one.

    `\%` is the character itself, on both sides. Nothing behind the first means that there is nothing to read.
    """
    pieces: list[str] = [""]
    escaped = False
    for character in command:
        if character == "%" and escaped:
            pieces[-1] = pieces[-1][:-1] + "%"
        elif character == "%":
            pieces.append("")
        else:
            pieces[-1] += character
        escaped = character == "\\" and not escaped
    stdin = "\n".join(pieces[1:])
    if not stdin:
        return pieces[0], None
    return pieces[0], stdin if stdin.endswith("\n") else f"{stdin}\n"
