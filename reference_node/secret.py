"""The one comparison of secrets."""

from __future__ import annotations

import hashlib
import hmac


def same_secret(first: str, second: str) -> bool:
    """Equality in a time that tells nothing, the lengths neither."""
    digests = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in (first, second)]
    return hmac.compare_digest(*digests)
