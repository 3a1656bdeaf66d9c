"""From the bytes of a file to its characters, if YAML allows them."""

import re

from runner.spec.document import SourceFile
from runner.spec.positions import Text
from runner.spec.syntax import Finding

MAX_BYTES = 1024 * 1024

# What YAML forbids, and what YAML 1.1 takes for a line break and YAML 1.2 does not.
_FORBIDDEN = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


def decode(file: SourceFile) -> tuple[Text, Finding | None]:
    """Return the characters of a file without byte order mark, or as many as can be shown and what is wrong."""
    if len(file.raw) > MAX_BYTES:
        message = f"the file has {len(file.raw):,} bytes, more than 1 MiB"
        return Text(""), Finding("file-too-large", message, 0, 0, "divide it, or keep data in a file of its own")
    try:
        characters = file.raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        offset = len(file.raw[: error.start].decode("utf-8").removeprefix("\ufeff"))
        text = Text(file.raw.decode("utf-8", "replace").removeprefix("\ufeff"))
        message = f"the file is not UTF-8: byte 0x{file.raw[error.start]:02x} does not fit"
        return text, Finding("not-utf8", message, offset, offset + 1, "save it as UTF-8")
    text = Text(characters)
    if found := _FORBIDDEN.search(characters):
        code = f"U+{ord(found.group()):04X}"
        advice = f'write it as "\\u{ord(found.group()):04x}" in double quotes, or remove it'
        message = f"the control character {code} has no place in YAML"
        return text, Finding("control-character", message, found.start(), found.end(), advice)
    return text, None
