"""A network namespace for this process, so that its children cannot be reached from other machines.

DynamoDB Local listens on every interface of the machine, and has no setting to restrict that. A new network
namespace has only the loopback interface. A socket stays in the namespace it was created in, so one that
listened before continues to serve the machine.

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
    """Move this process into a network namespace that has only loopback.

    Call this while the process has one thread. Raises ``OSError`` if the system does not allow it.
    """
    if os.geteuid() == 0:
        os.unshare(os.CLONE_NEWNET)
    else:
        _enter_as_user()
    _raise_loopback()


def _enter_as_user() -> None:
    user, group = os.geteuid(), os.getegid()
    os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNET)
    # Files keep their owner: the user is mapped to itself.
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = fcntl.ioctl(any_socket, _GET_FLAGS, struct.pack(_REQUEST, b"lo", 0))
        _, flags = struct.unpack(_REQUEST, request)
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack(_REQUEST, b"lo", flags | _UP))
