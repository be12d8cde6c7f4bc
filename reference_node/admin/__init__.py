"""The admin HTTP API under ``/admin/v1``: what the owner's commands do, for programs. It needs the admin key always.

One router module an area (`owner`, `drain`, `models`); `create_admin` joins them behind one gate. An error is an
`AdminError`, and its answer has the one shape that ``GET /admin/v1/openapi.json`` describes.
"""

from __future__ import annotations

from .app import PREFIX, create_admin
from .discovery import discovery_routes
from .drain import Drain, drain_routes
from .errors import AdminError
from .models import model_routes
from .network import network_routes
from .owner import owner_routes

__all__ = [
    "PREFIX",
    "AdminError",
    "Drain",
    "create_admin",
    "discovery_routes",
    "drain_routes",
    "model_routes",
    "network_routes",
    "owner_routes",
]
