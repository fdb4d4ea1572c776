"""What is done to the house itself, by one person or by two: done at once, or proposed, confirmed and carried out.

What takes two people and what has to wait, says :mod:`salus.trust.duties`. An act is the content of its house entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from salus.app.destroying import Destroying
from salus.errors import AccessError, InputError
from salus.trust import duties
from salus.trust.identity import KINDS, Actor, check_enrolment, is_demo_key, valid_name
from salus.trust.policy import parse as parse_policy
from salus.trust.proposals import Proposal

Outcome = Proposal | Mapping[str, Any]
"""What became of an act: the proposal that waits for a second person or for its time, or the entry of what was done."""


def do(house: Destroying, act: Mapping[str, Any], by: str) -> Outcome:
    """Do ``act``, or propose it where it takes two people.

    Returns the entry of what was done, or the proposal. Raises InputError for an act that is not possible, AccessError
    where ``by`` may never do it.
    """
    _check(house, act)
    duty = duties.duty_of(house.registry, act, by)
    if not duty.two:
        return _carry_out(house, act, by)
    content = {
        "reason": "proposed",
        "act": dict(act),
        "wait_hours": duty.wait // timedelta(hours=1),
        "registrars": duty.registrars,
    }
    n = house.note(by, content)
    proposal = house.registry.proposals[n]
    _tell(house, proposal, by, "proposed")
    return proposal


def confirm(house: Destroying, n: int, second: Actor) -> Outcome:
    """Confirm a proposal as its second person. Returns what was done, or the proposal where it waits for its time."""
    proposal = _open(house, n)
    if proposal.due is not None:
        raise InputError("this was confirmed, and waits for its time", remedy="salus proposals list")
    # what it takes, it takes as things stand now: somebody may speak for the patient since it was proposed
    duty = duties.duty_of(house.registry, proposal.act, proposal.by)
    wait = max(duty.wait, proposal.wait)
    proposal = replace(proposal, wait=wait, registrars=proposal.registrars or duty.registrars)
    duties.check_second(house.registry, proposal, second)
    _check(house, proposal.act)
    house.note(second.id, {"reason": "confirmed", "proposal": n, "wait_hours": wait // timedelta(hours=1)})
    proposal = house.registry.proposals[n]
    _tell(house, proposal, second.id, "confirmed")
    return proposal if proposal.wait else _complete(house, proposal)


def stop(house: Destroying, n: int, actor: Actor) -> None:
    """End a proposal: an operator, or whoever speaks for the patient it concerns, can. Raises AccessError."""
    proposal = _open(house, n)
    if actor.kind != "operator" and not (actor.patient and actor.patient == proposal.patient):
        raise AccessError("there is no such proposal, or it is not yours to stop")
    house.note(actor.id, {"reason": "stopped", "proposal": n})
    _tell(house, proposal, actor.id, "stopped")


def settle(house: Destroying) -> None:
    """Carry out what was confirmed and whose time has come; what cannot be done any more is stopped, saying why."""
    for proposal in list(house.registry.proposals.values()):
        if proposal.due is None or proposal.due > house.clock():
            continue
        try:
            _check(house, proposal.act)
            duties.check_standing(house.registry, proposal)
        except (InputError, AccessError) as error:
            house.note("house", {"reason": "stopped", "proposal": proposal.n, "why": error.what})
            _tell(house, proposal, "house", "stopped")
            continue
        _complete(house, proposal)


def _complete(house: Destroying, proposal: Proposal) -> Mapping[str, Any]:
    return _carry_out(house, {**proposal.act, "proposal": proposal.n, "second": proposal.second}, proposal.by)


def vouch(house: Destroying, name: str, second: Actor) -> None:
    """Let a practitioner whom somebody else enrolled count as one of two people."""
    actor = house.registry.actors.get(name)
    if actor is None:
        raise InputError(f"no actor {name!r}")
    duties.check_vouching(house.registry, actor, house.registry.enrolled_by[name], second)
    house.note(second.id, {"reason": "actor-vouched", "id": name})


def _open(house: Destroying, n: int) -> Proposal:
    found = house.registry.proposals.get(n)
    if found is None:
        raise InputError("there is no such proposal", remedy="salus proposals list")
    return found


def _check(house: Destroying, act: Mapping[str, Any]) -> None:
    """Raise InputError for an act that cannot be done as things stand."""
    match act["reason"]:
        case "actor-added":
            _check_enrolled(house, act)
        case "actor-removed":
            if act["id"] not in house.registry.actors:
                raise InputError(f"no actor {act['id']!r}")
        case "policy-added":
            policy = parse_policy(act["policy"], house.registry.actors)
            if policy.id in house.registry.retired or policy.id in house.registry.policies:
                raise InputError(f"there is or was a policy {policy.id!r}", remedy="sign it under a new id")
        case "erasure":
            if act["pid"] in house.registry.held:
                raise InputError("the record is under a legal hold", remedy="salus privacy hold --end, when it is over")


def _check_enrolled(house: Destroying, act: Mapping[str, Any]) -> None:
    registry, key = house.registry, bytes.fromhex(act["key"])
    if not valid_name(act["id"]) or act["kind"] not in KINDS:
        raise InputError("not an actor's name or kind", remedy=f"kinds are {', '.join(KINDS)}")
    if act["id"] in registry.ever:
        raise InputError(f"there is or was an actor {act['id']!r}", remedy="a name is given once: choose another")
    if (act["kind"] in duties.SPEAKERS) != bool(act["patient"]):
        raise InputError("a patient or proxy speaks for one patient; nobody else does", remedy="--patient ID")
    check_enrolment(key)
    if key in {a.public_key for a in registry.ever.values()}:
        raise InputError("this key is or was another actor's", remedy="make a key of its own: salus actor add")
    if is_demo_key(act["id"], key) and not registry.demo:
        raise InputError("a demonstration key: everybody has it", remedy="make a key: salus actor add")


def _carry_out(house: Destroying, act: Mapping[str, Any], by: str) -> Mapping[str, Any]:
    if act["reason"] == "erasure":
        return house.erase(act["pid"], by, act)
    patient = act.get("patient", "")
    if act["reason"] == "actor-removed":
        patient = house.registry.actors[act["id"]].patient
    house.note(by, act)
    if patient:
        told = {k: act[k] for k in ("reason", "id", "kind", "proposal", "second") if k in act}
        house.tell(patient, by, {**told, "notice": act["reason"]})
    return act


def _tell(house: Destroying, proposal: Proposal, by: str, what: str) -> None:
    """Write into the patient's own chain what is about to happen, or was stopped."""
    if proposal.patient:
        told = {
            "reason": what,
            "proposal": proposal.n,
            "act": proposal.act["reason"],
            "id": proposal.act.get("id", ""),
            "notice": what,
        }
        house.tell(proposal.patient, by, told)


def describe(proposal: Proposal) -> str:
    """A proposal in one line, without anything of a patient."""
    act = proposal.act
    what = {
        "actor-added": f"enrol {act.get('id')} as {act.get('kind')}",
        "actor-removed": f"take {act.get('id')} out",
        "policy-added": f"put policy {act.get('policy', {}).get('id')} in force",
        "erasure": "erase a record whose patient asked for it",
    }[act["reason"]]
    waits = f"holds from {proposal.due.isoformat()}" if proposal.due else "waits for a second person"
    return f"{proposal.n}  {what}, proposed by {proposal.by}: {waits}"
