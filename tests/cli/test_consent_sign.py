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


def test_a_kind_of_data_is_withheld_and_what_is_told_of_it(town):
    town.consent()
    town.salus("consent", "withhold", "p1", "--category", "genome", "--as-shown", "flagged", "--as", "pat")
    said = town.salus("consent", "withhold", "p1", "--category", "image", "--from", "dr-lee", "--as", "pat")
    listed = town.salus("consent", "list", "p1", "--as", "pat")
    assert "deny (flagged)  everybody: genome  in force" in listed
    assert "deny (hidden)  dr-lee: image  in force" in listed
    assert "Withheld by the patient: genome." in town.salus("plan", "p1", "--as", "dr-lee")
    assert "withheld by the patient: genome\n" in town.salus("findings", "p1", "--as", "dr-lee")
    assert "TREAT  flagged: genome" in town.salus("log", "patient", "p1", "--as", "pat")
    town.salus("consent", "revoke", "p1", said.split()[1], "--as", "pat")
    town.salus("consent", "withhold", "p1", "--category", "note", "--witnessed", "--as", "operator")
    assert "patient" in town.fails(
        "consent", "withhold", "p1", "--category", "note", "--as-shown", "interlock", "--witnessed", "--as", "operator"
    )
    assert "not an actor" in town.fails("consent", "withhold", "p1", "--category", "note", "--from", "x", "--as", "pat")
    assert town.fails("consent", "withhold", "p1", "--as", "pat")
    assert town.fails("consent", "withhold", "p1", "--category", "note", "--as", "dr-lee")


def test_what_is_signed_elsewhere_is_said_in_one_line(town):
    from salus.app.web import consents as web_consents
    from salus.trust.consent_drafts import denial_resource
    from tests.conftest import AT

    body = denial_resource(id="d", patient="p1", dated=AT, categories=["genome"], shown="interlock")
    assert web_consents.in_one_line(body) == "withholds genome from everybody (interlock)"
