"""What the assistant can do, described for its cards."""

from __future__ import annotations

from salus.findings.capability import Capability

RED_FLAGS = Capability(
    id="assistant.redflags",
    version="2.1.0",
    title="Red flags in what people write",
    intended_use=(
        "Send a person whose message tells of an emergency that is happening now to emergency care, before anything "
        "else is done with the message. It names the words that raised the flag and makes no diagnosis."
    ),
    inputs=("one message in English, of at most 8,000 characters",),
    produces=(
        "emergency, with the words that raised it and the public lists they stand on; or nothing",
        "for a message in another language: an emergency by its main signs, or a note that it was not read",
    ),
    population=(
        "Adults and parents writing in everyday English, of many countries. Measured on messages that "
        "physicians called emergencies, on consumer health questions and on messages written without sight of it (one "
        "setting was chosen with the result in view). Of "
        "German, French, Spanish and Italian only the main signs are recognised; of other languages nothing is, and "
        "the reply says so."
    ),
    references=(
        "American College of Emergency Physicians, warning signs of medical emergencies (MedlinePlus 001927)",
        "NHS ambulance service, When to call 999; NHS conditions: anaphylaxis, head injury, meningitis",
        "CDC Hear Her, Urgent Maternal Warning Signs; American Heart Association, Know the signs",
        "Royal College of Physicians, NEWS2, 2017; the whole list: salus/assistant/tables/redflags/flags.toml",
    ),
    licence="Apache-2.0",
    limits=(
        "Silence is not safety: a message that raises no flag may still tell of an emergency.",
        "Concepts in lay words and which of them stand together, not understanding: pictures nobody listed, irony and "
        "long chains of hints are missed. Of six batches of our own messages, each scored before its words were "
        "taken into the tables, it caught between 79 % (oddly put) and 98 % (plainly put); of a later one of 148 oddly "
        "put messages, 118.",
        "Some harmless messages raise a flag: of the same batches 2 % to 12 %; of a later one of 302 that mostly spoke "
        "of the body, of harm or of death in another sense, 19. A second look, a small model fitted to our own "
        "messages, can add a flag.",
        "Another small model can hold a flag back where all words of a message say that nothing happens now. In "
        "cross-validation on our own messages it held back 1 of 100 emergencies that the rules had raised. It never "
        "does so for thoughts of suicide, an overdose, somebody who cannot be woken or does not breathe, a baby of "
        "weeks, or a named emergency that is feared; the reply then still says whom to call if it happens now.",
        "The four other languages are small lists of the main signs, tried on a few dozen sentences of our own.",
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
