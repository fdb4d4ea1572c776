"""Refusals that only the network service makes, beside those of the house. Each is answered with its own status."""

from __future__ import annotations

from salus.errors import AccessError, InputError


class NotSignedIn(AccessError):
    """No token, or one that is not (or no longer) good."""


class NotAllowed(AccessError):
    """Signed in, but this is not among what the token or the kind of actor may do; tells nothing of any patient."""


class Unprocessable(InputError):
    """Well-formed, but it cannot be taken in as it is."""


class Ambiguous(InputError):
    """Several records that are released to the asker hold different resources under one id."""


class Unsupported(InputError):
    """Something that FHIR has and this server does not do, and says so."""


class Expired(InputError):
    """A page of a search that is no longer kept."""
