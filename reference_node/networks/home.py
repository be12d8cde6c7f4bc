"""The networks in a home directory where no node runs, for a command."""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING

from mycellm_proto.errors import ProtocolError

from ..keyring import installed
from .desk import Desk
from .folder import NetworksFolder
from .networks import Networks
from .places import REACH_S, unpacked, unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mycellm_proto.invite import Contact

    from ..config import Settings
    from ..identity import Identity
    from ..node.peer_link import PeerLink


@contextlib.asynccontextmanager
async def desk_of(settings: Settings, identity: Identity) -> AsyncIterator[Desk]:
    """The desk of this home; what it reaches is closed at the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def reach(contact: Contact) -> PeerLink:
            from ..node.visit import visit  # late: it loads QUIC, and most actions reach nobody

            address = unpacked(contact)[0]
            try:
                async with asyncio.timeout(REACH_S):
                    return await stack.enter_async_context(visit(address, identity, contact.node))
            except (OSError, ProtocolError) as error:  # TimeoutError is an OSError
                raise unreachable(address) from error

        networks = Networks(NetworksFolder(settings.home), identity.node_id, time.time)
        card = partial(installed, settings.home, node=identity.node_id, now=time.time())
        yield Desk(networks, now=time.time, reach=reach, card=card)
