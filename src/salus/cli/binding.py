"""Where a command may listen: on this machine, and beyond it only where that was said."""

from __future__ import annotations

import ipaddress

from salus.errors import InputError

BEHIND_PROXY = "A proxy on the way encrypts: allow plain {} beyond this machine."
"""The help of ``--behind-proxy``, the same for every command that listens."""


def loopback(host: str) -> bool:
    """True for an address that only this machine reaches."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_host(host: str, protocol: str, *, behind_proxy: bool) -> None:
    """Raise InputError for listening without encryption beyond this machine that nobody asked for."""
    if not (behind_proxy or loopback(host)):
        raise InputError(f"plain {protocol} beyond this machine", where=host or None, remedy="--behind-proxy")
