"""Keys that may be enrolled, and those that must not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.errors import ConfigurationError, InputError
from salus.trust.identity import Identity, check_enrolment, demo_identity, is_demo_key, valid_name, verify_signature

P = 2**255 - 19
LOW_ORDER = [
    1,  # the neutral element
    P - 1,  # order 2
    0,  # order 4
    0 | 1 << 255,
    2707385501144840649318225287225658788936804267575313519463743609750303021,  # order 8 (libsodium's block list)
]


@given(st.binary(min_size=32, max_size=32))
@settings(max_examples=20, deadline=None)
def test_keys_made_the_ordinary_way_are_accepted(seed):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    check_enrolment(Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw())


@pytest.mark.parametrize("number", LOW_ORDER)
def test_points_of_low_order_are_refused(number):
    with pytest.raises(InputError):
        check_enrolment(number.to_bytes(32, "little"))


def test_non_canonical_mixed_order_and_ill_formed_keys_are_refused():
    from salus.trust.identity import _P, _add, _recover_x

    good = Identity.generate("a").public_key
    with pytest.raises(InputError):
        check_enrolment((P + 1).to_bytes(32, "little"))
    with pytest.raises(InputError):
        check_enrolment(good[:31])
    y = int.from_bytes(good, "little") & ((1 << 255) - 1)
    x = _recover_x(y, int.from_bytes(good, "little") >> 255)
    assert x is not None
    mixed = _add((x, y, 1, x * y % _P), (0, _P - 1, 1, 0))
    inverse = pow(mixed[2], _P - 2, _P)
    mx, my = mixed[0] * inverse % _P, mixed[1] * inverse % _P
    with pytest.raises(InputError):
        check_enrolment((my | (mx & 1) << 255).to_bytes(32, "little"))


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
