"""A network of this process's own, so that what it starts can be reached from nowhere else.

DynamoDB Local listens on every interface of the machine, and has no setting against it. In a network
namespace of its own there is but one interface, and that is loopback. A socket stays in the namespace
it was made in: one that listened before goes on serving the machine.

Source: the manual pages network_namespaces(7), user_namespaces(7) and netdevice(7) of Linux.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from pathlib import Path

_GET_FLAGS, _SET_FLAGS = 0x8913, 0x8914  # SIOCGIFFLAGS, SIOCSIFFLAGS
_UP = 0x1  # IFF_UP
_REQUEST = "16sh14x"  # struct ifreq: a name and its flags


def enter() -> None:
    """Move this process into a network namespace with nothing but loopback.

    To be called while the process has one thread. Raises ``OSError`` where the system does not let it.
    """
    if os.geteuid() == 0:
        os.unshare(os.CLONE_NEWNET)
    else:
        _enter_as_user()
    _raise_loopback()


def _enter_as_user() -> None:
    user, group = os.geteuid(), os.getegid()
    os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNET)
    # Everything on disk keeps its owner: this user is the same in there.
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = fcntl.ioctl(any_socket, _GET_FLAGS, struct.pack(_REQUEST, b"lo", 0))
        _, flags = struct.unpack(_REQUEST, request)
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack(_REQUEST, b"lo", flags | _UP))
