"""Stable hashes: the same in every process, on every machine, for ever. They replace randomness in the core."""

from __future__ import annotations

from hashlib import blake2b

__all__ = ["digest", "seed"]


def seed(*parts: str | int) -> int:
    """Return 63 well-mixed bits that depend on *parts* and their boundaries alone."""
    text = "\x1f".join(f"{len(str(part))}:{part}" for part in parts)
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()) >> 1


def digest(value: object) -> str:
    """
    Return 16 hex digits that name *value* by its ``repr``.

    Equal policies have equal reprs (they are frozen attrs classes), so the digest tells whether a
    schedule or policy has changed since it was last stored.
    """
    return blake2b(repr(value).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
