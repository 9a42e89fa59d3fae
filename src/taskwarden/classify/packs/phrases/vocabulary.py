"""What patterns are made of."""

from __future__ import annotations

from typing import Final

__all__ = ["BE", "CREDENTIAL", "GAP"]

CREDENTIAL: Final = (
    r"(?:[\w-]*[-_ ])?(?:api[ _-]?keys?|(?:access|refresh|bearer|auth|oauth2?|id|session|\w+_)?tokens?|"
    r"credentials?|"
    r"cookies?|grants?|(?:client )?secrets?|passwords?|sessions?|log-?ins?|sign-?ins?)"
)
GAP: Final = r"(?: [('\"]?[\w'/-]+[)'\"]?){0,6}?,? "
"""A few words between a noun and what is said of it, within a clause."""
BE: Final = r"(?:(?:is|are|was|were|has|have|had|been|be|may|might|seems?|appears?|to|already|not a|a|an) )*"
"""Forms of to be and to have, and what stands with them."""
