"""Red flags on the authors' own messages in many voices, in other languages, and in what they must not be raised by.

The tables were made on these messages: the shares say that nothing was lost, and nothing about messages by others.
"""

import pytest

from salus.assistant import doubt, emergency, flags, foreign, leaning, redflags, reply
from salus.assistant.denial import denied
from salus.assistant.matching import Index, Span, index, near
from salus.assistant.reading import reading
from salus.errors import ConfigurationError
from tests.assistant.messages import lines

MISSED_AT_MOST, FALSE_AT_MOST = 0.02, 0.01


def test_emergencies_in_many_voices_are_raised():
    messages = lines("emergencies")
    missed = [m for m in messages if not redflags.check(m)]
    assert len(messages) >= 800
    assert len(missed) <= MISSED_AT_MOST * len(messages), missed


def test_harmless_messages_in_many_voices_are_not():
    messages = lines("harmless")
    raised = [(m, [r.words for r in found]) for m in messages if (found := redflags.check(m))]
    assert len(messages) >= 800
    assert len(raised) <= FALSE_AT_MOST * len(messages), raised


def test_emergencies_plainly_put_are_raised_whatever_is_asked_beside_them():
    missed = [m for m in lines("plain") if not redflags.check(m)]
    assert len(missed) <= 4, missed
    assert not [m for m in missed if redflags.look(m).held_back]


def test_what_is_held_back_is_answered_with_whom_to_call():
    held = [m for m in lines("harmless") if redflags.look(m).held_back]
    assert held
    for message in held:
        assert redflags.check(message) == ()
        assert emergency.respond(message) is None
        closed = emergency.closed(reply.unknown(), message)
        assert closed.notice == f"{reply.UNKNOWN} {emergency.IF_IT_HAPPENS}"
    assert emergency.closed(reply.unknown(), "what is my last potassium") == reply.unknown()


@pytest.mark.parametrize(
    "message",
    [
        "he is not breathing",
        "my dad is unconscious and i cannot wake him",
        "i took the whole bottle of pills",
        "i want to kill myself",
        "my 5 week old has a fever of 38.6",
    ],
)
def test_some_signs_are_never_held_back_whatever_stands_beside_them(message):
    harmless = "Which recipe do you suggest for our charity bake sale next month? How do I book a course in July?"
    assert redflags.check(f"{harmless} {message}. {harmless}")


def test_harmless_words_beside_a_sign_do_not_talk_it_down():
    harmless = " ".join(m if m[-1] in ".?!" else m + "." for m in lines("harmless")[-6:-2])
    for sign in ("i have crushing chest pain", "my wife has a droopy face and slurred speech"):
        assert redflags.check(f"{harmless} {sign}. {harmless}")
    assert doubt.score("i have crushing chest pain") > doubt.ALARMS[0]


def test_english_is_not_taken_for_another_language():
    assert [m for m in lines("emergencies") + lines("harmless") if foreign.language(m) != "en"] == []


@pytest.mark.parametrize(
    ("language", "flag", "message"),
    [
        ("de", "chest-pain", "Mein Vater hat seit einer Stunde starke Schmerzen in der Brust und schwitzt"),
        ("de", "stroke", "meine Frau lallt plötzlich und der rechte Arm ist schwach"),
        ("de", "suicide", "ich kann nicht mehr und will mich umbringen"),
        ("de", "infant", "unser Baby ist 5 Wochen alt und hat 38,7 Fieber"),
        ("fr", "chest-pain", "mon mari a mal dans la poitrine et il est très pâle"),
        ("fr", "unconscious", "elle ne se réveille pas et je ne sais pas quoi faire"),
        ("fr", "poisoning", "mon fils de 2 ans a avalé de la javel"),
        ("es", "breathing", "mi hijo no puede respirar y tiene los labios morados"),
        ("es", "bleeding", "mi abuelo está vomitando sangre desde esta mañana"),
        ("es", "seizure", "la niña está con convulsiones"),
        ("it", "stroke", "mia madre ha la bocca storta e non riesce a parlare"),
        ("it", "pregnancy", "sono incinta di 30 settimane e ho perdite di sangue"),
    ],
)
def test_the_main_signs_are_raised_in_four_other_languages(language, flag, message):
    assert foreign.language(message) == language
    assert flag in {r.flag.id for r in redflags.check(message)}


@pytest.mark.parametrize(
    "message",
    [
        "Wie bekomme ich einen Termin für die Grippeimpfung bei Ihnen?",
        "Ich habe keine Schmerzen in der Brust und keine Atemnot, brauche nur ein Rezept",
        "mi padre tuvo un infarto hace 10 años, puede vacunarse?",
        "quels sont les signes d'un infarctus ?",
        "vorrei spostare il mio appuntamento di domani con il medico",
        "пожалуйста запишите меня к врачу на завтра",
    ],
)
def test_what_is_not_read_is_said_to_be_not_read(message):
    assert not redflags.check(message)
    reply = emergency.respond(message)
    assert reply
    assert (reply.kind, reply.topic, reply.sentences) == ("unknown", emergency.NOT_READ, ())
    assert "112" in reply.notice or "emergency number" in reply.notice


def test_an_english_question_that_raises_nothing_is_left_to_the_record():
    assert emergency.respond("what is my last potassium") is None


@pytest.mark.parametrize(
    ("here", "not_here"),
    [
        ("he has trouble breathing and blue lips", "in my novel the hero has trouble breathing and blue lips"),
        ("my face swelled up and i cannot breathe", "the leaflet says my face may swell up and i cannot breathe"),
        ("she passed out at school", "if she passed out at school would the teacher ring me"),
        ("my mum is having a stroke", "do strokes run in families"),
        ("fever of 39 and chemo last week", "temperature of 36.9 and chemo last week"),
        ("transplant 4 months ago, fever 39 and shaking", "4 months ago i had a fever and was shaking"),
        ("this headache came like a thunderclap", "this tax form gives me a headache"),
        ("my chest is killing me and i am sweating", "this heat is killing me and i am sweating"),
        ("my toddler swallowed a button battery", "what if my toddler swallowed a button battery one day"),
        ("his sugar is 2.1 and he is confused", "his sugar is 6.1 and he is asleep"),
    ],
)
def test_a_sign_counts_only_in_this_life(here, not_here):
    assert redflags.check(here)
    assert not redflags.check(not_here)


def test_words_that_ran_together_and_dropped_letters_are_read():
    for message in (
        "chestpain and swetting",
        "he is uncontious",
        "shes notbreathing",
        "cantbreathe",
        "hes having a seizre",
    ):
        assert redflags.check(message), message


def test_a_denial_reaches_a_list_but_not_another_clause():
    assert denied(["no", "fever", "or"])
    assert denied(["i", "do", "not", "have", "any"])
    assert not denied(["no", "relief", "from", "tablets", ",", "my"])
    assert not denied(["he", "does", "not", "know", "where", "he", "is", "and", "has"])


def test_phrases_are_found_by_their_first_word():
    table = index({"a": "big red dog, bad* _ dog|cat.flap", "b": "# weeks"})
    found = table.find(["a", "big", "red", "dog", "and", "badly", "hurt", "cat", "flap", "for", "12", "weeks", "."])
    assert found == {"a": [Span(1, 4), Span(5, 9)], "b": [Span(10, 12)]}
    with pytest.raises(ConfigurationError):
        Index().add("c", "_ dog")
    with pytest.raises(ConfigurationError):
        Index().add("c", "do!g")


def test_near_is_order_free_and_stops_at_sentences():
    places = [0, 1, 2, 102, 103]
    assert near([Span(0, 1)], [Span(2, 3)], 2, places) == [Span(0, 3)]
    assert near([Span(2, 3)], [Span(0, 1)], 2, places) == [Span(0, 3)]
    assert near([Span(2, 3)], [Span(3, 4)], 6, places) == []


def test_the_second_look_tells_its_words_and_never_silences():
    rule = leaning.model()
    assert rule.threshold > 0
    assert len(rule.weights) >= 1 << 12
    raised = [r for m in lines("emergencies") for r in redflags.check(m) if r.flag.id == leaning.FLAG]
    assert all(r.words for r in raised)
    assert not leaning.leans(reading("my"), lambda: 9.0)
    assert not {
        w for m in lines("emergencies") for r in redflags.check(m) if r.flag.id == leaning.FLAG for w in r.words
    } & (leaning.STOP_WORDS)


def test_every_flag_has_sources_and_every_source_is_used():
    table = flags.table()
    assert {s for f in table.flags for s in f.sources} == set(table.citations)
    assert all(f.when or f.id == leaning.FLAG for f in table.flags)
