"""The known word that somebody who wrote an unknown one most likely meant."""

import difflib
import re
from collections.abc import Iterable

MAX_WORD = 100
"""Nobody meant a field by a longer word, and comparing it takes long."""


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return the known word nearest to a misspelt one; None where nothing is near."""
    if len(word) > MAX_WORD:
        return None
    words = {_plain(candidate): candidate for candidate in known}
    plain = _plain(word)
    if plain in words:
        return words[plain]
    if found := difflib.get_close_matches(plain, words, n=1, cutoff=0.7):
        return words[found[0]]
    # `cronjob` for `job`, `notification` for `notify`: one within the other.
    inside = [known for known in words if min(len(known), len(plain)) >= 3 and (known in plain or plain in known)]
    return words[max(inside, key=len)] if inside else None


def _plain(word: str) -> str:
    """Return a word without what habits differ in: `rateLimit`, `rate-limit` and `rate_limit` are one."""
    return re.sub(r"[-_\s]", "", word).lower()
