"""Federated training: each hospital keeps its people's data and sends masked sums. The masks cancel in the total alone.

Every pair of hospitals agrees on a secret (X25519). In each round both derive the same random stream from it; one adds
the stream and the other subtracts it, in whole numbers modulo 2^64 (Bonawitz et al. 2017, CCS, without its handling of
drop-outs). The message of a single hospital is uniformly random to everybody without its secrets; only the sum over all
hospitals can be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from salus.errors import InputError
from salus.population import survival
from salus.population.survival import Array, Cohort, Model, Sums

UNIT = float(1 << 24)
"""Sums are sent as whole multiples of 1 / UNIT (6e-8)."""
LIMIT = float(1 << 62) / UNIT
"""The bound on the sums of all hospitals together; each hospital may send up to its share of it."""
FEWEST = 3
"""The fewest hospitals: of two, each could subtract its own sums from the total and read the other's."""
Masked = NDArray[np.uint64]


class Hospital:
    """One site, whose data never leave it. Of two hospitals, the one with the lower ``name`` adds the mask."""

    def __init__(self, name: str, cohort: Cohort) -> None:
        self.name = name
        self._cohort = cohort
        self._key = X25519PrivateKey.generate()
        self._secrets: dict[str, bytes] = {}
        self._last = -1

    def join(self) -> bytes:
        """Begin a training with a fresh key, so that no mask is ever used twice. Returns the public key (32 bytes)."""
        self._key, self._secrets, self._last = X25519PrivateKey.generate(), {}, -1
        return self._key.public_key().public_bytes_raw()

    def agree(self, others: Mapping[str, bytes]) -> None:
        """Make a secret with every other hospital; ``others`` are public keys by name."""
        self._secrets = {
            name: HKDF(SHA256(), 32, salt=None, info=b"salus federated mask").derive(
                self._key.exchange(X25519PublicKey.from_public_bytes(key))
            )
            for name, key in others.items()
            if name != self.name
        }

    def moments(self, cuts: Sequence[float], number: int) -> Masked:
        """The masked moments of the features, the events in each piece and the time at risk, for round ``number``."""
        counted, at_risk = survival.events(self._cohort, cuts), [self._cohort.time.sum()]
        return self._mask(np.concatenate([survival.moments(self._cohort), counted, at_risk]), number)

    def sums(self, parameters: Array, scale: survival.Scale, cuts: Sequence[float], number: int) -> Masked:
        """The masked log likelihood, gradient and Hessian, for round ``number``."""
        return self._mask(survival.source(self._cohort, scale, cuts)(parameters).flat(), number)

    def _mask(self, values: Array, number: int) -> Masked:
        if not self._secrets:
            raise InputError("the hospitals have not agreed on masks", where=self.name)
        if number <= self._last:
            raise InputError("a round that was answered: its masks hide one message only", where=self.name)
        if not (np.abs(values) < LIMIT / (len(self._secrets) + 1)).all():
            raise InputError("a sum too large to be sent", remedy="scale the features")
        self._last = number
        told = np.round(values * UNIT).astype(np.int64).astype(np.uint64)
        for other, secret in self._secrets.items():
            stream = _stream(secret, number, len(values))
            told = told + stream if self.name < other else told - stream
        return told


@dataclass(slots=True)
class Server:
    """Adds up the messages of hospitals. ``seen`` holds everything it ever received: masked messages by round."""

    seen: list[list[Masked]]

    def total(self, messages: Sequence[Masked]) -> Array:
        """The sum over all hospitals, the only sum in which the masks cancel."""
        self.seen.append(list(messages))
        added = np.zeros_like(messages[0])
        for message in messages:
            added = added + message
        return np.asarray(added.astype(np.int64).astype(np.float64) / UNIT)


def train(
    hospitals: Sequence[Hospital], names: tuple[str, ...], cuts: Sequence[float], *, ridge: float = 1.0
) -> tuple[Model, Server]:
    """Train the survival model of the people of all hospitals together. Returns the model and the server.

    ``names`` are the names of the features, ``cuts`` the times between the pieces of the baseline. Raises InputError
    for fewer than three hospitals or two of one name, and as :func:`salus.population.survival.fit_pooled`.
    """
    if len(hospitals) < FEWEST or len({h.name for h in hospitals}) != len(hospitals):
        raise InputError(f"at least {FEWEST} hospitals, each with a name of its own")
    survival.check_cuts(cuts)
    keys = {h.name: h.join() for h in hospitals}
    for hospital in hospitals:
        hospital.agree(keys)
    server = Server([])
    gathered = server.total([h.moments(cuts, 0) for h in hospitals])
    counted, at_risk = gathered[-len(cuts) - 2 : -1], gathered[-1]
    survival.check_events(counted)
    scale = survival.scale_of(gathered[: -len(cuts) - 2])
    rounds = iter(range(1, 1 << 30))

    def total(parameters: Array) -> Sums:
        number = next(rounds)
        return Sums.of(server.total([h.sums(parameters, scale, cuts, number) for h in hospitals]))

    model = survival.fit(total, names, scale, cuts, rate=float(counted.sum() / at_risk), ridge=ridge)
    return model, server


def _stream(secret: bytes, number: int, length: int) -> Masked:
    """The random numbers of a pair of hospitals for one round: AES-256 in counter mode, never the same stream twice."""
    cipher = Cipher(AES(secret), CTR(number.to_bytes(8, "big") + bytes(8))).encryptor()
    return np.frombuffer(cipher.update(bytes(8 * length)), np.uint64)
