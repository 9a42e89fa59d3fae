"""
What failed: exceptions become classified failures. Pure: it reads what the exception carries and imports no SDK.

``simple`` is the whole of it today: rules by the type of the exception and by the HTTP status that it carries.
"""

from __future__ import annotations

from taskwarden.classify.simple import classify

__all__ = ["classify"]
