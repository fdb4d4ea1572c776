"""The assistant: one message escalated, three answers on Maria's record, one "I do not know", one letter drafted."""

from __future__ import annotations

from salus.cli.tour.slice import Slice, Stage

ALARM = "My husband suddenly can't lift his left arm and his face is drooping, what should I do?"
QUESTIONS = {
    "What is my last potassium?": "4.3 mmol/L",
    "Am I allergic to penicillin?": "No known drug allergy",
    "Has my blood pressure risen?": "rising",
}


def run(stage: Stage) -> str:
    """Ask as Maria; raise unless each answer holds what her record holds and every citation resolves."""
    from salus.app.assistant import conversation as assistant
    from salus.app.demo import CLINICIAN
    from salus.assistant import citations

    maria = stage.examples["maria"]
    session = stage.session("demo-maria")
    alarm = assistant.ask(session, maria.patient, ALARM, maria.at)
    if alarm.kind != "emergency":
        raise AssertionError("an emergency was not recognised")
    sentences = 0
    for question, expected in QUESTIONS.items():
        seen = assistant.ask_seen(session, maria.patient, question, maria.at)
        wrong = list(citations.problems(seen.reply, seen.places))
        if wrong or seen.reply.kind != "answer" or expected not in seen.reply.text:
            raise AssertionError(f"{question}: {wrong or seen.reply.text}")
        sentences += len(seen.reply.sentences)
    if assistant.ask(session, maria.patient, "Do I have asthma?", maria.at).kind != "unknown":
        raise AssertionError("something was said of what the record does not hold")
    letter = assistant.draft(stage.session(CLINICIAN), maria.patient, "letter", maria.at)
    return (
        f"1 message escalated ({alarm.topic}), {len(QUESTIONS)} questions on Maria answered in {sentences} sentences "
        f"whose citations resolve, 1 answered with I do not know, a letter "
        f"of {len(letter.sentences)} cited sentences drafted"
    )


SLICE = Slice(
    name="assistant",
    title="Assistant",
    says="most messages that tell of an emergency are answered with emergency care, before a record is opened",
    capabilities=("assistant.redflags",),
    also="answers from the own record with a citation a sentence, drafts to sign, booking, voice",
    also_capabilities=("assistant.answers",),
    run=run,
    shown=("false_escalations", "recall_at_1"),
)
