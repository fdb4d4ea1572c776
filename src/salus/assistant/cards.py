"""What the assistant can do, described for its cards."""

from __future__ import annotations

from salus.findings.capability import Capability

RED_FLAGS = Capability(
    id="assistant.redflags",
    version="1.0.0",
    title="Red flags in what people write",
    intended_use=(
        "Send a person whose message tells of an emergency that is happening now to emergency care, before anything "
        "else is done with the message. It names the words that raised the flag and makes no diagnosis."
    ),
    inputs=("one message in English, of at most 8,000 characters",),
    produces=("emergency, with the words that raised it and the public lists they stand on; or nothing",),
    population=(
        "Adults and parents writing in everyday English. Measured on messages that several physicians called "
        "emergencies and on consumer health questions. Other languages are not recognised at all."
    ),
    references=(
        "American College of Emergency Physicians, warning signs of medical emergencies (MedlinePlus 001927)",
        "NHS ambulance service, When to call 999; NHS conditions: anaphylaxis, head injury, meningitis",
        "CDC Hear Her, Urgent Maternal Warning Signs; American Heart Association, Know the signs",
        "Royal College of Physicians, NEWS2, 2017; the whole list: salus/assistant/tables/redflags.toml",
    ),
    licence="Apache-2.0",
    limits=(
        "Silence is not safety: a message that raises no flag may still tell of an emergency.",
        "The emergencies it is measured on were read before its table was written; of our own, scored unseen, it "
        "caught 47 of 54 plainly put and 17 of 30 oddly put ones.",
        "Phrases, not understanding: irony, other languages, unusual words and long chains of hints are missed.",
        "Some harmless messages raise a flag; that is the cheaper mistake. It only ever escalates.",
        "It knows no history and asks nothing back; it is not an alarm system and nobody is called.",
    ),
)

ANSWERS = Capability(
    id="assistant.answers",
    version="1.0.0",
    title="Answers from the own record and a library, each sentence cited",
    intended_use=(
        "Tell a patient, a proxy or a clinician what stands in a record that is released to them: values, medicines, "
        "allergies, plan, appointments, who looked; explain common things in plain words; draft letters to be signed."
    ),
    inputs=("a question in English", "the record under the asker's consent", "a library loaded by the user"),
    produces=("sentences with citations that resolve", "I do not know", "drafts marked as such"),
    population="Questions of the kinds listed in salus/assistant/tables/intents.toml; no free conversation.",
    references=(
        "Ben Abacha A, Demner-Fushman D. A question-entailment approach to question answering. BMC Bioinformatics "
        "2019;20:511 (MedQuAD)",
        "Kincaid JP et al. Research Branch Report 8-75, 1975 (reading grade)",
        "Robertson S, Zaragoza H. The probabilistic relevance framework: BM25 and beyond. 2009",
    ),
    licence="Apache-2.0; MedQuAD is CC BY 4.0 and not shipped",
    limits=(
        "It understands a fixed list of kinds of questions; a question it misreads may be answered beside the point, "
        "but never with a number that does not stand in the cited place.",
        "A negative is told only from a recorded, dated negative; what is not recorded is unknown.",
        "Retrieval was measured on questions of MedQuAD's own wording; people's own wording finds less.",
        "A language model, where an operator sets one up, only rewords, and its words are dropped where facts differ.",
    ),
)
