"""Keys for others who use this node's HTTP API: each with a name, limits and a share of the prefix cache of its own."""

from .ring import KeyRing, KeyUse, LimitError
from .store import KEYS_FILE, Key, KeyStore, KeyStoreError, Limits

__all__ = ["KEYS_FILE", "Key", "KeyRing", "KeyStore", "KeyStoreError", "KeyUse", "LimitError", "Limits"]
