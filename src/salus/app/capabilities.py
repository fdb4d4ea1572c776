"""What rooms below the findings can do (trust, record, intake), and what the house does with cards, for their cards."""

from __future__ import annotations

from salus.findings.capability import Capability

GOVERNANCE = Capability(
    id="findings.cards",
    version="1.0.0",
    title="Method cards: source attributes, applied model card, bill of materials, trace",
    intended_use=(
        "Let an organisation see, before it uses a method, what it is for, on whom it was measured and what is not "
        "known, in the forms that regulation and the Coalition for Health AI ask for."
    ),
    inputs=("the registry of methods", "what validation measured"),
    produces=("card", "31 source attributes", "applied model card in XML"),
    population="Every method and capability of salus; a stranger's method shows the same card from its own statements.",
    references=(
        "45 CFR 170.315(b)(11)(iv), source attributes of predictive decision support interventions",
        "Coalition for Health AI, applied model card schema v0.2",
    ),
    licence="Apache-2.0",
    limits=(
        "A card repeats what its author states and what was measured; it is no clearance or certification.",
        'Fairness in subgroups and validity in local data read "not provided" until somebody measures them.',
    ),
)

READING = Capability(
    id="terminology.reading",
    version="1.0.0",
    title="What codes, names, units and doses mean",
    intended_use=(
        "Tell methods, plans and trials what an entry of a record says, in the codes and words that its tables know."
    ),
    inputs=("codings (ICD, SNOMED CT, LOINC, RxNorm, ATC, NDC and others)", "words", "UCUM units", "sigs"),
    produces=("concepts with their certainty", "ingredients and classes", "amounts in one unit", "structured doses"),
    population="Entries of adults' records in English, codes and names of several countries; other words are named.",
    references=(
        "NOTICE names every source with version and licence; `salus terminology origins` lists those in use",
        "UCUM specification 2.1, ucum.org",
    ),
    licence="Apache-2.0; the tables by their sources' licences",
    limits=(
        'What is not read is "not understood" and keeps negatives open; what is misread (the checks\' wrong rows) does'
        " not.",
        "The sample of the recognition check was looked at while tables were mended: it is no independent estimate.",
        "SNOMED CT and RxNorm are known only as far as free sources map them; a release of your own adds the rest.",
        "Free words are read whole or not at all: a sentence about several things belongs to a note.",
        "Laboratory values are not corrected for the assay.",
    ),
)

HL7V2 = Capability(
    id="record.hl7v2",
    version="1.0.0",
    title="HL7 v2 intake (ADT, ORU^R01) over MLLP and from files",
    intended_use="Takes admissions and results of hospital systems into the record and names what was lost.",
    inputs=("HL7 v2 messages",),
    produces=("FHIR R4 resources", "loss list by segment and field", "acknowledgements"),
    population="Messages of version 2.3 to 2.8 about exactly one person who has an identifier.",
    references=(
        "HL7 Version 2.5.1, chapters 2, 3 and 7",
        "HL7 Version 2 to FHIR mapping tables, github.com/HL7/v2-to-fhir at 8c9b414b",
    ),
    licence="Apache-2.0",
    limits=(
        "Other message types, merges, moves, links and deletions are refused (AR): a person has to decide those.",
        "Messages are applied in the order in which they come; an older one that comes late overwrites a newer one.",
        "A time without an offset keeps only its day, unless MSH-7 or the operator gives the sender's zone.",
        "Counts of resources are compared with one other converter; values are not compared one by one.",
        "Which fields become resources, where the guide leaves it open, was learnt from that converter.",
        "Of 57 sample messages (47 of version 2.8) 21 were stored; the mapping was made on them.",
        "MLLP is plain TCP: TLS has to be put in front.",
    ),
)

ANONYMITY = Capability(
    id="trust.anonymity",
    version="1.1.0",
    title="k-anonymous release of a table, with l-diversity and t-closeness where wanted",
    intended_use="Hand a table of many people to researchers so that each row looks like at least k - 1 others.",
    inputs=("a table of strings", "a hierarchy of generalisations for each quasi-identifier"),
    produces=("k-anonymous table", "loss of information in bits", "re-identification risk"),
    population="Tables with one row a person; full-domain generalisation of up to 5 million combinations of levels.",
    references=(
        "Samarati P. Protecting respondents' identities in microdata release. IEEE TKDE 2001;13:1010-1027",
        "Kohlmayer F et al. Flash: efficient, stable and optimal k-anonymity. IEEE PASSAT 2012:708-717",
        "De Waal T, Willenborg L. Information loss through global recoding and local suppression. 1999",
    ),
    licence="Apache-2.0",
    limits=(
        "k-anonymity hides a person among k; where all k share a sensitive value, that value is told, unless "
        "l-diversity or t-closeness is asked for: these were held to their definitions, not to another program.",
        "Which columns identify is the caller's judgement: a column without a hierarchy is released as it is.",
        "A hidden row keeps its other columns: where few are hidden, who falls out of every class is told by that.",
        "Several releases of the same people can be joined against each other: that is not looked at.",
    ),
)

DEIDENTIFICATION = Capability(
    id="trust.deidentification",
    version="1.1.0",
    title="Record without Safe Harbor's identifiers, notes without those that the record holds",
    intended_use=(
        "Hand one patient's record to research without Safe Harbor's identifiers, by the patient's consent to that and "
        "after a person has read its notes."
    ),
    inputs=("record", "note"),
    produces=("FHIR resources without identifiers", "notes without the identifiers that the record holds"),
    population="FHIR R4 records; notes in English (of names handed in, 87 % were found in other languages).",
    references=("45 CFR 164.514(b)(2)", "HHS Office for Civil Rights, guidance on de-identification, 2012"),
    licence="Apache-2.0",
    limits=(
        "Names that stand nowhere in the record and follow no title are not found in notes: somebody must read them.",
        "Safe Harbor also asks that nobody in the house knows how the rest could identify: no program can tell that.",
        "Genome, images and signals are not released: they can identify by themselves.",
        "On generated English sentences 99.5 % were hidden where their names were handed in as the record's own; by "
        "patterns alone 23 %.",
    ),
)

ERASURE = Capability(
    id="trust.erasure",
    version="1.0.1",
    title="Erasure by shredding a patient's key",
    intended_use=(
        "Erase a patient who asks for it, in the store and in backups restored to it, and leave proofs of others "
        "standing."
    ),
    inputs=("the patient's signed-in request", "an operator's word"),
    produces=("a record that salus can no longer open", "an entry in the log that names a number, not the patient"),
    population="Every patient of a store, with the backups that were made of it.",
    references=("Regulation (EU) 2016/679 (GDPR), Article 17", "RFC 6962, Certificate Transparency"),
    licence="Apache-2.0",
    limits=(
        "Copies of the key folder have to be destroyed by hand: with one of them an old backup can be read.",
        "Enrolment entries of the patient's own actor stay in the log, sealed under the house's key.",
        "Files in quarantine belong to nobody yet and are not found; what was handed out is not called back.",
    ),
)

FHIR_SERVER = Capability(
    id="server.fhir",
    version="1.0.0",
    title="FHIR R4 server with SMART sign-in and CDS Hooks",
    intended_use=(
        "Let other software read, search and add to a patient's record, and show the first items of the care plan "
        "where the record is viewed, under the same gate, log and consent as everything else."
    ),
    inputs=("FHIR R4 JSON over HTTP", "CDS Hooks 2.0 requests"),
    produces=("FHIR R4 JSON", "CDS Hooks cards"),
    population="Patients of one store whose records are released to the actor who asks.",
    references=(
        "HL7 FHIR R4 (4.0.1), RESTful API and Search",
        "SMART App Launch 2.2, Backend Services and asymmetric client authentication",
        "CDS Hooks 2.0, hook patient-view",
    ),
    licence="Apache-2.0",
    limits=(
        "Measured on nine CDS Hooks payloads; sign-in, reading, search and adding were held to no outside truth.",
        "No update, delete, patch, batch, conditional request, chained search, _include or XML; what is not done is "
        "refused, never ignored.",
        "Resources are taken in without validation against profiles.",
        "A search that names no patient looks into at most 2,000 records for a total or an order, and says so beyond.",
        "Only Ed25519 keys sign in; while the store cannot be written nobody signs in anew.",
    ),
)

CONSENT = Capability(
    id="trust.consent",
    version="1.0.0",
    title="Who may see what: consent, policies, emergencies",
    intended_use="Let the patient's own signed decisions, and nothing else by default, decide every read of a record.",
    inputs=("FHIR R4 and R5 Consents", "policies of an organisation", "an access request"),
    produces=("permit, deny or no consent", "what must be left out"),
    population="Consents whose every element is understood; any other is refused with the path of what is not.",
    references=(
        "FHIR R4 (4.0.1) and R5 (5.0.0), Consent",
        "IHE ITI, Privacy Consent on FHIR (PCF)",
        "HL7 Data Segmentation for Privacy; v3-ActCode, v3-ActReason, v3-Confidentiality",
    ),
    licence="Apache-2.0; code lists of IHE PCF and the SHIFT Task Force under CC BY 4.0",
    limits=(
        "Policy texts that a Consent only names decide nothing.",
        "Labels follow from codes: a diagnosis told in free text alone is labelled by nobody.",
        "A salus store files R4 Consents whose actors it knows; R5 and other actors are for the library.",
        "Who holds a private key is its owner: a stolen key decides until its actor is taken out.",
    ),
)

LOG = Capability(
    id="trust.log",
    version="1.0.0",
    title="The tamper-evident log: tiles, proofs, witnesses",
    intended_use=(
        "Prove, off-line and years later, which reads the gate logged, on what basis, and that no entry was changed."
    ),
    inputs=("every decision of the gate and every write",),
    produces=("signed checkpoints", "tiles", "inclusion and consistency proofs", "cosignatures"),
    population="Logs of one house; any log that follows the C2SP formats for the witness.",
    references=(
        "RFC 6962; RFC 9162, section 2.1",
        "C2SP signed-note, tlog-checkpoint, tlog-tiles, tlog-witness, tlog-cosignature, tlog-proof at 5ba5ee83",
    ),
    licence="Apache-2.0",
    limits=(
        "Without a witness, a chain or a receipt in somebody's hands a proof is self-attested, and says so.",
        "What is logged is what went through the gate: whoever runs as the store's user with its keys can go round it.",
        "Witnesses are asked when an operator asks them (salus log cosign), not at every entry.",
    ),
)

AUDIT = Capability(
    id="trust.audit",
    version="1.0.0",
    title="Entries of the log as IHE BALP AuditEvents",
    intended_use="Show accesses in the form that audit repositories and patients' portals read.",
    inputs=("entries of a record's log", "FHIR R4 AuditEvents"),
    produces=("AuditEvents of the BALP profiles", "what an AuditEvent lacks"),
    population="Sixteen profiles of IHE ITI BasicAudit, measured on 19 events of twelve; other events as plain R4.",
    references=("IHE ITI, Basic Audit Log Patterns at 09fe7293", "FHIR R4, AuditEvent"),
    licence="Apache-2.0; profiles of IHE under CC BY 4.0",
    limits=(
        "SAML comprehensive agents and ITI-71 are not in the tables.",
        "The network address of a client is not logged and stands as unknown.",
    ),
)

ANCHOR = Capability(
    id="trust.anchor",
    version="1.1.0",
    title="Checkpoints of the log anchored in a blockchain, and a registry of salted consents",
    intended_use="Give a house's partners one more witness that its log was not rewritten, on their own chain.",
    inputs=("signed checkpoints of the log", "digests of consents"),
    produces=("points on a chain", "the log held to them", "salted hashes of consents, given and ended"),
    population="EVM chains; tried on py-evm and anvil.",
    references=("EIP-1193, EIP-658 (status of a receipt)", "C2SP tlog-checkpoint"),
    licence="Apache-2.0",
    limits=(
        "A chain adds a witness, not integrity: the log is checked without it.",
        "What came after the newest anchored checkpoint is not protected by the chain.",
        "Whether a block is final is the chain's matter; salus reads the receipt of one node.",
    ),
)

PAGES = Capability(
    id="web.pages",
    version="1.0.0",
    title="Pages for patients and clinicians",
    intended_use=(
        "A patient reads the plan in plain words, sees who looked and decides who may read; a clinician reads the plan "
        "of who released it, with findings, uncertainty and the cited places. All of it behind the gate."
    ),
    inputs=("care plan", "findings", "log", "consents"),
    produces=("pages of HTML", "signed consents"),
    population="Everybody who is an actor of the house and has a browser; no script is needed.",
    references=("W3C, Web Content Accessibility Guidelines 2.2", "W3C, Content Security Policy Level 3"),
    licence="Apache-2.0",
    limits=(
        "Signing in and signing consents need the person's own key file or command line; there is no password.",
        "Accessibility is checked by axe-core, which finds only part of what can be wrong; no users were asked.",
        "The pages are in English.",
        "A consent that says more than the page's terms can is shown as such, not in full.",
    ),
)

QUESTIONNAIRES = Capability(
    id="record.questionnaires",
    version="1.0.1",
    title="Questionnaire on how one lives, and a diary",
    intended_use="Let patients tell of smoking, alcohol, activity, food and their own goal; risk and plan use it.",
    inputs=("answers of the patient or a proxy",),
    produces=("QuestionnaireResponse", "Observation", "AUDIT-C total", "note"),
    population="Adults; the questions are in English.",
    references=(
        "Bush K et al. The AUDIT alcohol consumption questions (AUDIT-C). Arch Intern Med 1998;158:1789-1795",
        "Coleman KJ et al. Initial validation of an exercise vital sign. Med Sci Sports Exerc 2012;44:2071-2076",
        "HL7 Structured Data Capture, observation-based extraction",
    ),
    licence="Apache-2.0",
    limits=(
        "Answers are what the patient says; nothing is checked against measurements.",
        "Answers to salus's own questionnaire that come in FHIR files are kept, and not read as observations.",
        "An answer counts for two years (set by salus). Not measured on outside data.",
    ),
)
