"""Notes for the tests: one that tells a story, and a strategy for odd ones."""

from __future__ import annotations

from hypothesis import strategies as st

NOTE = """CHIEF COMPLAINT
Follow-up after stent.

HISTORY OF PRESENT ILLNESS
58-year-old woman with a history of NSTEMI in 2024 treated with a drug-eluting stent to the LAD, on clopidogrel 75 mg
daily and aspirin 81 mg. No history of stroke or TIA. She denies bleeding. Omeprazole was stopped in March.

FAMILY HISTORY
Mother with stroke in her 60s.

ALLERGIES
Penicillin (rash)

PLAN
If LDL remains above 70, start ezetimibe. Return if chest pain recurs.
"""

NOTES = st.lists(
    st.sampled_from(
        ["PMH:", "Family History\n", "No ", "stroke ", "TIA", ". ", "\n", "\r\n",
         "Plavix ", "75 mg ", "- ", "1. ", "?",
         "Allergies: ", "Plan\n", "if ", "stopped ", "father ", "denies ", "history of ", "in 2019 ",
         "’s ", "🫀", ": no", "possible ", "and ", ", ", "restarted ", "potassium ", "20 ", "mEq ",
         "is contraindicated ", "İ", "ß"]
    ),
    max_size=40,
).map("".join) | st.text()  # fmt: skip
