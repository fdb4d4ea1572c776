"""Keys that may be enrolled, and those that must not."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.errors import ConfigurationError, InputError
from salus.trust.identity import Identity, check_enrolment, demo_identity, is_demo_key, valid_name, verify_signature

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def add(p, q):
    """The affine law of -x^2 + y^2 = 1 + d x^2 y^2 (RFC 8032 section 5.1), apart from the code under test."""
    product = D * p[0] * q[0] * p[1] * q[1] % P
    x = (p[0] * q[1] + q[0] * p[1]) * pow(1 + product, -1, P) % P
    return x, (p[1] * q[1] + p[0] * q[0]) * pow(1 - product, -1, P) % P


def multiply(scalar, point):
    total = (0, 1)
    while scalar:
        total, point, scalar = add(total, point) if scalar & 1 else total, add(point, point), scalar >> 1
    return total


def lift(y):
    """The point with this y and an even x, where there is one."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
    return (x if x % 2 == 0 else P - x, y) if x * x % P == square else None


def key(y, sign):
    return (y | sign << 255).to_bytes(32, "little")


BASE = lift(4 * pow(5, -1, P) % P)
ORDER_8 = next(t for t in (multiply(L, lift(y)) for y in range(3, 60) if lift(y)) if multiply(4, t) != (0, 1))
TORSION = [multiply(k, ORDER_8) for k in range(8)]
LOW_ORDER = sorted(
    {key(y, sign) for x, y in TORSION for sign in ((x & 1,) if x else (0, 1))}
    | {key(y + P, sign) for x, y in TORSION if y + P < 2**255 for sign in ((x & 1,) if x else (0, 1))}
)


@given(st.binary(min_size=32, max_size=32))
@settings(max_examples=20, deadline=None)
def test_keys_made_the_ordinary_way_are_accepted(seed):
    check_enrolment(Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw())


def test_the_curve_of_these_tests_is_that_of_the_keys():
    made = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    digest = bytearray(hashlib.sha512(bytes(32)).digest()[:32])
    digest[0] &= 248
    digest[31] = digest[31] & 127 | 64
    x, y = multiply(int.from_bytes(digest, "little"), BASE)
    assert key(y, x & 1) == made
    assert multiply(L, BASE) == (0, 1)
    assert len(set(TORSION)) == 8
    assert len(LOW_ORDER) == 14


@pytest.mark.parametrize("public_key", LOW_ORDER, ids=bytes.hex)
def test_points_of_low_order_are_refused_in_every_spelling(public_key):
    with pytest.raises(InputError):
        check_enrolment(public_key)


@pytest.mark.parametrize("number", [1, 2, 8, 3**50])
def test_points_of_mixed_order_are_refused(number):
    prime_order = multiply(number, BASE)
    check_enrolment(key(prime_order[1], prime_order[0] & 1))
    for point in TORSION[1:]:
        x, y = add(prime_order, point)
        with pytest.raises(InputError):
            check_enrolment(key(y, x & 1))


def test_non_canonical_and_ill_formed_keys_are_refused():
    for y in range(P, 2**255):
        for sign in (0, 1):
            with pytest.raises(InputError):
                check_enrolment(key(y, sign))
    off_curve = next(y for y in range(2, 60) if lift(y) is None)
    good = Identity.generate("a").public_key
    for bad in (key(off_curve, 0), key(off_curve, 1), b"", good[:31], good + b"\0"):
        with pytest.raises(InputError):
            check_enrolment(bad)
    check_enrolment(good)


def test_signatures_and_files(tmp_path):
    identity = Identity.generate("dr-lee")
    identity.save(tmp_path)
    again = Identity.load(tmp_path, "dr-lee")
    signature = again.sign(b"words")
    assert verify_signature(identity.public_key, signature, b"words")
    assert not verify_signature(identity.public_key, signature, b"other words")
    with pytest.raises(ConfigurationError):
        identity.save(tmp_path)
    with pytest.raises(ConfigurationError):
        Identity.load(tmp_path, "nobody")
    for name in ("../up", "", ".hidden", "a b", "x" * 65):
        assert not valid_name(name)


def test_demo_keys_are_known_as_such():
    assert is_demo_key("demo-pat", demo_identity("demo-pat").public_key)
    assert not is_demo_key("pat", Identity.generate("pat").public_key)
