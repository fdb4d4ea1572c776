"""Separation of duties: what takes two people, what has to wait, and who may be the second.

No single person decides who speaks for a patient, what opens records without consent, who counts as one of two people,
or an erasure. Where a patient's key is replaced or taken out, or a policy overrides denials, three days pass first: the
patient is told, and can stop it in that time. A patient alone lets proxies speak for himself and ends that; a proxy
lets nobody speak. A store that was made for one person alone, or for a demonstration, needs no second person. This is
written down when the store is made, and cannot be changed later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from salus.errors import AccessError, InputError
from salus.trust.identity import Actor
from salus.trust.proposals import Proposal
from salus.trust.registry import Registry

WAIT = timedelta(hours=72)
FOUNDERS = 2
"""How many operators a store's founder enrols alone, himself included."""
SPEAKERS = ("patient", "proxy")


@dataclass(frozen=True, slots=True)
class Duty:
    """What an act requires: whether two people (``two``), how long it then has to wait (``wait``), and whether the
    second person must be an operator, too (``registrars``)."""

    two: bool
    wait: timedelta = timedelta(0)
    registrars: bool = False


FREE = Duty(two=False)


def duty_of(registry: Registry, act: Mapping[str, Any], by: str) -> Duty:
    """The duty under which ``by`` may do ``act`` (a house entry's content). Raises AccessError where ``by`` may never
    do it."""
    _check_first(registry, act, by)
    if registry.alone or registry.demo:
        return FREE
    match act["reason"]:
        case "actor-added":
            return _enrolling(registry, act, by)
        case "actor-removed":
            return _removing(registry, registry.actors[act["id"]], by)
        case "policy-added":
            overrides = any(rule.get("overrides-denial") for rule in act["policy"].get("rules", ()))
            return Duty(two=True, wait=WAIT if overrides else timedelta(0), registrars=True)
        case "erasure":
            return Duty(two=True)
    return FREE


def _check_first(registry: Registry, act: Mapping[str, Any], by: str) -> None:
    """Raise AccessError unless ``by`` is an operator, or speaks for the patient whom the act concerns."""
    actor = registry.actors.get(by)
    if not registry.actors:
        return  # the founder enrols himself
    if actor is None:
        raise AccessError("only an actor of this store may do this", remedy="--as an operator")
    if act["reason"] == "actor-removed":
        _check_removing(registry, registry.actors[act["id"]], actor)
        return
    speaks = act["reason"] == "actor-added" and act["kind"] in SPEAKERS
    if actor.kind == "operator":
        spoken_for = speaks and any(a.patient == act["patient"] for a in registry.actors.values())
        if spoken_for and (registry.alone or registry.demo):
            raise AccessError("somebody speaks for this patient already", remedy="only they can let another do so")
        return
    if not (actor.kind == "patient" and speaks and act["kind"] == "proxy" and actor.patient == act["patient"]):
        raise AccessError("only an operator may do this", remedy="--as an operator")


def _check_removing(registry: Registry, gone: Actor, actor: Actor) -> None:
    if gone.id == actor.id:
        return
    if actor.kind == "patient" and gone.kind == "proxy" and gone.patient == actor.patient:
        return
    if actor.kind != "operator":
        raise AccessError("only an operator may do this", remedy="--as an operator")
    staying = [a for a in registry.actors.values() if a.kind == "operator" and a.id != gone.id]
    if gone.kind == "operator" and len(staying) < FOUNDERS and not (registry.alone or registry.demo):
        raise AccessError(f"{FOUNDERS} operators have to stay", remedy="enrol another first")


def _removing(registry: Registry, gone: Actor, by: str) -> Duty:
    """The duty for taking out ``gone``: somebody who can stop another from speaking for a patient is not taken out by
    others at once."""
    if gone.kind not in SPEAKERS or gone.id == by or registry.actors[by].kind != "operator":
        return FREE
    staying = any(a.patient == gone.patient and a.id != gone.id for a in registry.actors.values())
    return FREE if gone.kind == "proxy" and staying else Duty(two=True, wait=WAIT, registrars=True)


def _enrolling(registry: Registry, act: Mapping[str, Any], by: str) -> Duty:
    kind, patient = act["kind"], act["patient"]
    if kind == "operator":
        return FREE if sum(a.kind == "operator" for a in registry.ever.values()) < FOUNDERS else Duty(two=True)
    if kind == "organisation":
        return Duty(two=True)
    if kind not in SPEAKERS:
        return FREE  # a practitioner opens nothing alone, and is no second person until another vouched for him
    if registry.actors[by].patient == patient:
        return FREE  # only the patient gets here, and only for a proxy: see _check_first
    spoke = any(a.patient == patient for a in registry.ever.values())
    return Duty(two=True, wait=WAIT, registrars=True) if spoke else Duty(two=True)


def check_second(registry: Registry, proposal: Proposal, second: Actor) -> None:
    """Raise AccessError unless ``second`` may confirm what another proposed."""
    first = registry.actors.get(proposal.by)
    kinds = ("operator",) if proposal.registrars else ("operator", "practitioner")
    if second.kind not in kinds or not second.confirmed:
        who = "an operator" if proposal.registrars else "an operator, or a practitioner for whom two people vouched"
        raise AccessError(f"the second person is {who}", remedy="salus actor vouch NAME --as another operator")
    if first is None or first.id == second.id or first.public_key == second.public_key:
        raise AccessError("this takes two people", remedy="--as another member of staff")
    named = {name for rule in proposal.act.get("policy", {}).get("rules", ()) for name in rule["actors"]}
    if second.id in {proposal.act.get("id"), *named}:
        raise AccessError("nobody confirms what is about himself", remedy="--as another member of staff")


def check_standing(registry: Registry, proposal: Proposal) -> None:
    """Raise AccessError where one of the two people behind a confirmed proposal was taken out since."""
    if any(name not in registry.actors for name in (proposal.by, proposal.second)):
        raise AccessError("one of the two people who stood behind it was taken out")


def check_vouching(registry: Registry, actor: Actor, enrolled_by: str, second: Actor) -> None:
    """Raise an error unless ``second`` may vouch for ``actor``, whom somebody else enrolled."""
    if actor.kind != "practitioner" or actor.confirmed:
        raise InputError("nobody has to vouch for this actor")
    if second.kind != "operator" or not second.confirmed or second.id in (actor.id, enrolled_by):
        raise AccessError("another operator than the one who enrolled vouches", remedy="--as another operator")
