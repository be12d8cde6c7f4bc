"""A network with loopback alone for this process and all that it starts: whatever a client wants elsewhere fails.

So a run proves that a client needs nothing but the node, and no test of ours reaches anybody.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1  # SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP


class NoNamespaceError(Exception):
    """This process cannot leave the network."""


def leave_the_network() -> None:
    """Move this process, which has one thread, into a new network namespace. Raises `NoNamespaceError`."""
    if not sys.platform.startswith("linux"):
        raise NoNamespaceError("network namespaces are Linux's")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_NETWORK) != 0:
        raise NoNamespaceError(f"{os.strerror(ctypes.get_errno())} (it takes root, or CAP_SYS_ADMIN)")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        name = b"lo".ljust(16, b"\0")
        flags = struct.unpack("16xH", fcntl.ioctl(control, _GET_FLAGS, name + bytes(16))[:18])[0]
        fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sH14x", name, flags | _UP))
