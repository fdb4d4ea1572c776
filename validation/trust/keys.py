"""Keys and ciphers as salus exposes them, on Wycheproof's cases; and keys that must not be enrolled.

``wycheproof/*.json``: Ed25519 signatures through ``identity.verify_signature``, AES-GCM through ``Vault.unseal`` (and
``seal`` for valid cases). The vault seals with 256-bit keys, 96-bit nonces and 128-bit tags, and wraps with AES-KW:
cases of other sizes and of AES-KWP are not read (``not_exposed``): nothing in salus takes them. An invalid case that is
refused is rightly refused. ``acceptable`` cases may go either way.

Enrolment: the eight low-order points, their non-canonical encodings, all other encodings of coordinates above the
prime, and mixed-order keys, all made here from the curve's definition (RFC 8032 section 5.1), are refused; fresh keys
are accepted. They are no cases but a condition: ``enrolment_…_failed`` must not be there.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from validation._report import PASSED, Mutant, Outcome, Split, Tally, Truth, argument_parser, report

_IDENTITY, _VAULT = "salus/trust/identity.py", "salus/trust/vault.py"
MUTANTS = (
    Mutant(
        _IDENTITY,
        "except (InvalidSignature, ValueError):\n        return False",
        "except (InvalidSignature, ValueError):\n        return True",
        "every signature holds",
    ),
    Mutant(_IDENTITY, "_is_identity(_multiply(8, point)) or not", "not", "points of low order are enrolled"),
    Mutant(_IDENTITY, " or not _is_identity(_multiply(_L, point))", "", "points of mixed order are enrolled"),
    Mutant(
        _VAULT,
        "decrypt(sealed[:NONCE], sealed[NONCE:], context)",
        "decrypt(sealed[:NONCE], sealed[NONCE:], b'')",
        "the context of sealed bytes is not checked",
    ),
)

Case = tuple[str, bool]
"""What was tried, and whether it came out right."""
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)
FRESH, MIXED = 1000, 40
Affine = tuple[int, int]


def add(p: Affine, q: Affine) -> Affine:
    """The affine law of the twisted Edwards curve -x^2 + y^2 = 1 + d x^2 y^2."""
    product = D * p[0] * q[0] * p[1] * q[1] % P
    x = (p[0] * q[1] + q[0] * p[1]) * pow(1 + product, -1, P) % P
    y = (p[1] * q[1] + p[0] * q[0]) * pow(1 - product, -1, P) % P
    return x, y


def multiply(scalar: int, point: Affine) -> Affine:
    """Double and add."""
    total = (0, 1)
    while scalar:
        total, point, scalar = add(total, point) if scalar & 1 else total, add(point, point), scalar >> 1
    return total


def lift(y: int) -> Affine | None:
    """A point with this y, where there is one."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * SQRT_M1 % P
    return (x, y) if x * x % P == square else None


def encode(y: int, sign: int) -> bytes:
    """32 bytes: y, and the sign of x in the highest bit."""
    return (y | sign << 255).to_bytes(32, "little")


def torsion() -> list[Affine]:
    """The eight points whose order divides 8."""
    for y in range(2, 1000):
        point = lift(y)
        generator = multiply(L, point) if point else (0, 1)
        if multiply(4, generator) != (0, 1):
            return [multiply(k, generator) for k in range(8)]
    raise ArithmeticError("no point of order 8")


def bad_keys() -> Iterator[tuple[str, bytes]]:
    """Keys that must be refused, each with its reason."""
    points = torsion()
    encodings = {encode(y, x & 1) for x, y in points}
    for x, y in points:
        spellings = [y, y + P] if y + P < 2**255 else [y]
        encodings |= {encode(spelling, sign) for spelling in spellings for sign in ((x & 1,) if x else (0, 1))}
    yield from (("low_order", key) for key in sorted(encodings))
    yield from (("not_canonical", encode(y, s)) for y in range(P, 2**255) for s in (0, 1))
    base = next(p for p in map(lift, (4 * pow(5, -1, P) % P,)) if p)
    for number in range(MIXED):
        prime_order = multiply(8 * (number + 1), base)
        for x, y in (add(prime_order, point) for point in points[1:]):
            yield "mixed_order", encode(y, x & 1)
    yield from (("length", bytes(n)) for n in (0, 31, 33))


def enrolment() -> Iterator[Case]:
    """Bad keys are refused, fresh ones accepted."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from salus.errors import InputError
    from salus.trust.identity import check_enrolment

    def accepted(key: bytes) -> bool:
        try:
            check_enrolment(key)
        except InputError:
            return False
        return True

    for why, key in bad_keys():
        yield f"enrolment_{why}: {key.hex()}", not accepted(key)
    for number in range(FRESH):
        fresh = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
        yield f"enrolment_fresh: {number}", accepted(fresh)


def outcome(result: str, accepted: bool) -> Outcome:
    """How a case ends whose ``result`` Wycheproof states."""
    if result == "acceptable":
        return Outcome.RIGHT
    if accepted:
        return Outcome.RIGHT if result == "valid" else Outcome.WRONG
    return Outcome.REFUSED_RIGHTLY if result == "invalid" else Outcome.REFUSED_THOUGH_ANSWERABLE


def ed25519(group: dict[str, Any], case: dict[str, Any]) -> Outcome:
    """A signature verified as actors' signatures are."""
    from salus.trust.identity import verify_signature

    key = group.get("publicKey") or group["key"]
    held = verify_signature(bytes.fromhex(key["pk"]), bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]))
    return outcome(case["result"], held)


def aes_gcm(group: dict[str, Any], case: dict[str, Any]) -> Outcome:
    """Bytes opened, and where valid sealed, as a patient's are. The case's key takes the place of the vault's own."""
    if (group["keySize"], group["ivSize"], group["tagSize"]) != (256, 96, 128):
        return Outcome.NOT_READ
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from salus.errors import IntegrityError
    from salus.trust.vault import SYSTEM, Vault

    key, iv, aad, msg, ct, tag = (bytes.fromhex(case[name]) for name in ("key", "iv", "aad", "msg", "ct", "tag"))
    with tempfile.TemporaryDirectory() as folder:
        vault = Vault.make(Path(folder) / "keys")
        vault._ciphers[SYSTEM] = (AESGCM(key), b"")
        try:
            opened = vault.unseal(SYSTEM, iv + ct + tag, aad) == msg
        except IntegrityError:
            return outcome(case["result"], accepted=False)
        sealed = vault.unseal(SYSTEM, vault.seal(SYSTEM, msg, aad), aad) == msg
    return outcome(case["result"], accepted=True) if opened and sealed else Outcome.WRONG


RUNNERS = {"EDDSA": ed25519, "AES-GCM": aes_gcm}
"""By the file's ``algorithm``; of any other nothing is exposed."""


def wycheproof(folder: Path) -> Iterator[tuple[str, Outcome]]:
    """Every case of every file."""
    for path in sorted(folder.glob("*.json")):
        suite = json.loads(path.read_bytes())
        runner = RUNNERS.get(suite["algorithm"], lambda group, case: Outcome.NOT_READ)
        for group in suite["testGroups"]:
            for case in group["tests"]:
                yield f"{path.name}: {case['tcId']}", runner(group, case)


def main() -> int:
    arguments = argument_parser(__doc__ or "").parse_args()
    folder = arguments.data / "wycheproof"
    tally, figures = Tally(), Counter[str]()
    for name, ended in wycheproof(folder):
        tally.add(name, ended, "nothing in salus takes it" if ended is Outcome.NOT_READ else "not as the case says")
        kind = name.partition(": ")[0].removesuffix(".json")
        figures[
            f"{kind}_{'not_exposed' if ended is Outcome.NOT_READ else 'passed' if ended in PASSED else 'failed'}"
        ] += 1
    for name, right in enrolment() if tally.n else ():
        figures[f"{name.partition(': ')[0]}_{'passed' if right else 'failed'}"] += 1
    exposed = tally.n - tally.counts[Outcome.NOT_READ]
    return report(
        check="trust.keys",
        tally=tally,
        covers="Ed25519 and AES-256-GCM, of the sizes that salus uses, accept and refuse what Wycheproof says",
        truth=Truth.OUTSIDE,
        split=Split.UNSEEN,
        data=arguments.data,
        files=sorted(folder.glob("*.json")),
        figures={"n": exposed, "passed": tally.passed, "not_exposed": tally.n - exposed, **figures},
        methods=["trust.log"],
        as_json=arguments.json,
        ok=exposed > 0 and tally.passed == exposed and not any(name.endswith("_failed") for name in figures),
    )


if __name__ == "__main__":
    sys.exit(main())
