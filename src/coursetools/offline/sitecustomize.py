"""Refuses connections beyond this machine. Python imports it at its start where
its folder is on PYTHONPATH: under test, where conftest.py puts it there, and while answers are marked.

It sees what Python's own sockets do (urllib, requests, pip, keras.utils.get_file), in child processes too. A library
that opens sockets from C by itself is not seen; the kernel's own loopback messages are of that kind.
"""

import ipaddress
import sys

_HOST_AT = {
    "socket.connect": 1,
    "socket.sendto": 1,
    "socket.sendmsg": 1,
    "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0,
    "socket.gethostbyaddr": 0,
}


def _local(host):
    if host in (None, "", "localhost", b"localhost"):
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host).is_loopback
    except ValueError:
        return False


def _refuse(event, args):
    if event not in _HOST_AT:
        return
    address = args[_HOST_AT[event]]
    host = address[0] if isinstance(address, tuple) else address
    if event.startswith(("socket.connect", "socket.send")) and not isinstance(address, tuple):
        return  # a Unix socket, or a socket connected before
    if not _local(host):
        raise PermissionError(f"no network under test: {event} to {host!r}")


sys.addaudithook(_refuse)
