"""
What people write in messages, whoever the provider is.

Sharp phrases say more than a status or a code beside them, and go first; within each kind the order is that of the
tables. They are found at word boundaries; outside of short quotations, unless sharp.
"""

from __future__ import annotations

from typing import Final

from taskwarden.classify.pack import Pack, Phrase
from taskwarden.classify.packs.phrases.credentials import CREDENTIALS
from taskwarden.classify.packs.phrases.limits import LIMITS
from taskwarden.classify.packs.phrases.network import SERVER, TRANSPORT
from taskwarden.classify.packs.phrases.requests import CONTENT, SETTINGS
from taskwarden.classify.packs.phrases.sharp import NOTHING, SHARP

__all__ = ["PHRASES"]


def _sharpened(phrases: tuple[Phrase, ...]) -> tuple[Phrase, ...]:
    return tuple(Phrase(each.words, each.code, each.pattern, sharp=True, whole=each.whole) for each in phrases)


PHRASES: Final = Pack(
    name="phrases",
    phrases=(
        *NOTHING,
        *_sharpened(SHARP),
        *TRANSPORT,
        *LIMITS,
        *CREDENTIALS,
        *SERVER,
        *CONTENT,
        *SETTINGS,
    ),
)
