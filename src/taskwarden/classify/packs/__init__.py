"""What is known of providers: one table for each family. Names, numbers and words; no code."""

from __future__ import annotations

from typing import Final

from taskwarden.classify.pack import Pack
from taskwarden.classify.packs.aws import AWS
from taskwarden.classify.packs.clients import CLIENTS
from taskwarden.classify.packs.databases import DATABASES, REMOTE_DATABASES
from taskwarden.classify.packs.google import GOOGLE
from taskwarden.classify.packs.http import HTTP
from taskwarden.classify.packs.mail import MAIL
from taskwarden.classify.packs.models import ANTHROPIC, OPENAI
from taskwarden.classify.packs.oauth import OAUTH
from taskwarden.classify.packs.phrases import PHRASES
from taskwarden.classify.packs.python import PYTHON
from taskwarden.classify.packs.saas import GITHUB, MICROSOFT, SLACK, STRIPE
from taskwarden.classify.packs.social import LINKEDIN, META, X
from taskwarden.classify.packs.ssh import SSH

__all__ = ["PACKS", "REMOTE_DATABASES"]

PACKS: Final[tuple[Pack, ...]] = (
    PHRASES,
    HTTP,
    X,
    LINKEDIN,
    META,
    SLACK,
    MICROSOFT,
    STRIPE,
    GITHUB,
    AWS,
    ANTHROPIC,
    OPENAI,
    GOOGLE,
    OAUTH,
    MAIL,
    SSH,
    DATABASES,
    CLIENTS,
    PYTHON,
)
"""Those that are shipped; where two know the same, the later wins."""
