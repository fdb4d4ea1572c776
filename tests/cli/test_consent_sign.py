"""``salus consent sign``: with the own key, without a store, and only what is a consent that can be read in full."""

import base64
import json

from salus.trust import consent_drafts
from salus.trust.identity import Identity, verify_signature
from tests.cli.town import empty  # noqa: F401
from tests.conftest import AT


def draft(town, **more):
    body = consent_drafts.consent_resource(id="k", patient="p1", dated=AT, permit=["record"], actors=["dr-lee"])
    path = town.folder / "consent-to-sign.json"
    path.write_text(json.dumps({**body, **more}), "utf-8")
    return body, path


def test_it_signs_with_the_own_key_and_says_what_the_consent_says(empty):  # noqa: F811
    identity = Identity.generate("pat")
    identity.save(town_keys(empty))
    body, path = draft(empty)
    done = empty.run("consent", "sign", str(path), "--as", "pat")
    assert (done.status, done.err) == (0, "lets dr-lee read record\n")
    signed, proof = (entry["resource"] for entry in json.loads(done.out)["entry"])
    assert signed == body
    signature = base64.b64decode(proof["signature"][0]["data"])
    assert verify_signature(identity.public_key, signature, consent_drafts.signed_bytes(body))
    assert empty.run("consent", "sign", str(path), "--as", "pat", "--out", "signed.json").out == ""
    assert json.loads((empty.folder / "signed.json").read_bytes())["type"] == "transaction"


def test_what_cannot_be_understood_is_not_signed(empty):  # noqa: F811
    Identity.generate("pat").save(town_keys(empty))
    for more in ({"provision": {"type": "permit", "dataPeriod": {}}}, {"resourceType": "Patient"}, {"dateTime": 3}):
        _, path = draft(empty, **more)
        done = empty.run("consent", "sign", str(path), "--as", "pat", "--out", "signed.json")
        assert (done.status, done.out) == (1, "")
        assert done.err.count("\n") == 1
        assert not (empty.folder / "signed.json").exists()


def town_keys(town):
    folder = town.folder / "identities"
    folder.mkdir(exist_ok=True)
    return folder
