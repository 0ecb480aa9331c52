"""What answers claim: keys and labels first, then whole words, else unknown; and what rows of older programs get."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.warehouse import rows
from tests.warehouse.rows import RUN
from warehouse import claims, migrations, schema, spool
from warehouse.claim_words import asks, denies, read
from warehouse.database import Database, insert
from warehouse.ingest import ingest
from warehouse.records.reviews import Dispute, Settlement
from warehouse.records.scoring import Option, Prediction
from warehouse.store import Store

DEFECT = "Is there any defect in the object?"
# What a good part and a defective one are called, by language; the first word of a pair may be the other's beginning.
PAIRS = [
    ("OK", "NOK"), ("i.O.", "n.i.O."), ("i. O.", "nicht i. O."), ("Pass", "Fail"), ("Passed.", "Not passed."),
    ("Accept", "Reject"), ("Accepted", "Rejected"), ("Good", "Bad"), ("Not defective", "Defective"), ("Go", "No-go"),
    ("Normal.", "Not normal."), ("Normal", "Abnormal"), ("Conforming", "Non-conforming"), ("No defect.", "A defect."),
    ("Non-defective", "Anomalous"), ("defect-free", "damaged"), ("No, it is normal.", "No, it is not normal."),
    ("No (good)", "Yes (defective)"), ("Yes (OK)", "No (not OK)"),
    ("The object is free of defects", "There is a visible defect in the object"), ("No anomaly", "Not OK"),
    ("Gut", "Schlecht"), ("in Ordnung", "nicht in Ordnung"), ("Kein Fehler", "Fehler"), ("fehlerfrei", "fehlerhaft"),
    ("unbeschädigt", "Beschädigt"), ("Nicht defekt", "Ausschuss"),
    ("Bon", "Mauvais"), ("conforme", "non conforme"), ("Sans défaut", "Défectueux"), ("Aucun défaut", "Un défaut"),
    ("Il n'y a pas de défaut", "anormal"),
    ("Bueno", "Malo"), ("sin defectos", "defectuoso"), ("No hay defecto", "no conforme"), ("aceptado", "rechazado"),
    ("Buono", "Difettoso"), ("nessun difetto", "scarto"), ("senza difetti", "non conforme"),
    ("Bom", "Ruim"), ("sem defeitos", "Defeituoso"), ("Nenhum defeito", "não conforme"), ("aprovado", "reprovado"),
    ("Goed", "Slecht"), ("geen defect", "defect"), ("goedgekeurd", "Afgekeurd"), ("in orde", "niet in orde"),
    ("Dobry", "Zły"), ("bez wad", "wadliwy"), ("Brak wad", "wada"), ("w porządku", "nie w porządku"),
]  # fmt: skip


@pytest.mark.parametrize(("good", "defective"), PAIRS)
def test_whole_words_say_which_option_claims_the_defect(good: str, defective: str) -> None:
    for question in ("What state is the object in?", DEFECT, "Is the object normal?"):
        assert claims.Questions().claims(question, (good, defective)) == ("good", "defective")
        assert claims.Questions().claims(question, (defective, good)) == ("defective", "good")


@pytest.mark.parametrize(
    "option",
    ["Nozzle bent", "Notch.", "Now", "Normally.", "Yesterday", "Okra", "Goods", "Option A", "Type 2", "", "…",
     "Scratch.", "A good part with a scratch", "OK, but scratched", "Not good, not bad", "Cannot be detected", "不良",
     "Defect: no", "Anomaly: none", "OK? No"],
)  # fmt: skip
def test_other_words_and_beginnings_of_words_claim_nothing(option: str) -> None:
    assert read(option, DEFECT).claim == "unknown"


@pytest.mark.parametrize("option", ["Cannot tell.", "I don't know", "Unklar", "Je ne sais pas", "No sé", "Nie wiem"])
def test_an_option_may_say_that_nobody_can_tell(option: str) -> None:
    asked = claims.Questions()
    asked.add("State?", ("Blue", option), "Blue", "good")
    assert asked.claims("State?", ("Blue", option)) == ("good", "cannot say")


@pytest.mark.parametrize(
    ("question", "yes"),
    [
        (DEFECT, "defective"),
        ("Is the object normal?", "good"),
        ("Is the part free of defects?", "good"),
        ("Does it show an anomaly compared to the normal sample?", "defective"),
        ("This is a normal image. Is there a defect in the other?", "defective"),
        ("Ist das Teil in Ordnung?", "good"),
        ("Y a-t-il un défaut ?", "defective"),
        ("Há algum defeito no objeto?", "defective"),
        ("What state is the object in?", None),
        ("Is the object good or defective?", None),
        ("Is the object not normal?", None),
    ],
)
def test_a_bare_yes_claims_what_the_question_asks_for(question: str, yes: str | None) -> None:
    other = {"defective": "good", "good": "defective", None: "unknown"}[yes]
    for pair in (("Yes.", "No."), ("ja", "nein"), ("Oui", "Non"), ("Sí", "No"), ("Tak", "Nie"), ("true", "false")):
        assert claims.Questions().claims(question, pair) == (yes or "unknown", other)
    assert asks(question) == yes


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=1, max_size=40),
    st.sampled_from([("Blau", "Rot"), ("0", "1"), ("1", "0"), ("Yes.", "No."), ("Yes", "Cannot tell")]),
)
def test_key_and_label_decide_where_words_do_not_and_wrong_labels_are_outvoted(
    images: list[tuple[bool, int]], options: tuple[str, str]
) -> None:
    asked, right = claims.Questions(), 0
    for defective, luck in images:
        mislabelled = luck == 0
        right += 1 if not mislabelled else -1
        label = "defective" if defective != mislabelled else "good"
        asked.add("Blau oder Rot?", options, options[0] if defective else options[1], label)
    found = asked.claims("Blau oder Rot?", options)
    if options[1] == "Cannot tell":
        assert found[1] == "cannot say"
    elif right > 0:
        assert found == ("defective", "good")
    if right > 0:
        assert found[0] == "defective"
        assert asked.claims("Blau oder Rot?", tuple(reversed(options))) == tuple(reversed(found))
    assert claims.Questions().claims("Blau oder Rot?", ("Blau", "Rot")) == ("unknown", "unknown")


def test_of_more_than_two_options_those_alone_are_known_that_a_key_or_words_tell() -> None:
    asked = claims.Questions()
    options = ("Rot", "Blau", "No defect", "Grün")
    asked.add("Farbe?", options, "Rot", "defective")
    assert asked.claims("Farbe?", options) == ("defective", "unknown", "good", "unknown")


def test_one_wrong_label_does_not_turn_plain_words_round_and_many_right_ones_do() -> None:
    options = ("OK", "NOK")
    for images, expected in ((1, ("unknown", "unknown")), (2, ("unknown", "unknown")), (3, ("defective", "good"))):
        asked = claims.Questions()
        asked.add("State?", options, "NOK", "good", images)
        assert asked.claims("State?", options) == expected
    asked.add("State?", options, "OK", "good", 30)
    assert asked.claims("State?", options) == ("good", "defective")


def test_rows_that_come_without_claims_are_read_by_their_own_label_and_words(data: Path) -> None:
    store = Store(data)
    store.open_run(rows.run())
    blue = (Option("A", "Blue"), Option("B", "Red"))
    made = [
        rows.prediction(0, 0, claims=None, question="Which?", options=blue, correct_answer="B", label="good"),
        rows.prediction(0, 2, claims=None, question="Which?", options=blue, correct_answer=None, label=None),
        rows.prediction(0, 4, claims=None, options=()),
        rows.prediction(0, 1),
    ]
    spool.write_part(data, RUN, 0, made)
    ingest(store)
    found = [one.claims for one in schema.records(Prediction, store.predictions(RUN))]
    assert found == [("defective", "good"), ("unknown", "unknown"), (), None]


def as_it_was(con: duckdb.DuckDBPyConnection, table: str, rows: pa.Table) -> pa.Table:
    """Rows without the columns that the old table doesn't have."""
    return rows.select([name for name, *_ in con.execute(f"DESCRIBE {table}").fetchall()])


@pytest.mark.parametrize("text", ["NOK", "Not normal", "Non-conforming"])
def test_a_warehouse_of_an_older_version_gets_claims_and_its_settled_labels_right(text: str) -> None:
    """Version 3 read what people settled by its first letters, so that NOK labelled the picture good."""
    con = duckdb.connect()
    con.execute((Path(__file__).parent / "schemas/003.sql").read_text(encoding="utf-8"))
    options = (Option("A", "OK"), Option("B", text))
    told = rows.prediction(
        0, 0, "run", question="State?", options=options, label="defective", correct_answer="B", answer="A", claims=None
    )
    lost = dataclasses.replace(told, image_id="another", status="invalid", answer=None)
    unknown = rows.prediction(0, 2, "run", question="Which?", options=(Option("A", "x"), Option("B", "y")), label=None)
    old = schema.table(Prediction, [told, lost, dataclasses.replace(unknown, correct_answer=None)])
    insert(con, "predictions", as_it_was(con, "predictions", old))
    dispute = Dispute(
        "d", told.image_id, told.question_id, 1, "run", "p", "bottle", told.subtask, told.question, options, "A", "B",
        0.5, 0.1, None, 1, rows.NOW,
    )  # fmt: skip
    insert(con, "disputes", as_it_was(con, "disputes", schema.table(Dispute, [dispute])))
    settled = Settlement(
        told.image_id, told.question_id, 1, "d", "wrong", "B", "good", "person", "anna", "", False, rows.NOW
    )
    insert(con, "settlements", as_it_was(con, "settlements", schema.table(Settlement, [settled])))

    migrations.migrate(con)

    assert con.execute("SELECT label FROM settlements WHERE dispute_id = 'd'").fetchall() == [("defective",)]
    assert con.execute("SELECT claims FROM disputes WHERE dispute_id = 'd'").fetchall() == [(["good", "defective"],)]
    facts = con.execute("SELECT image_id, claim, outcome FROM facts WHERE run_id = 'run' ORDER BY ALL").fetchall()
    assert facts == [
        ("another", "unreadable", "invalid"),
        (told.image_id, "good", "escape"),
        (unknown.image_id, None, "unlabelled"),
    ]
    counted = con.execute(
        "SELECT sum(escape), sum(unreadable), sum(unclaimed) FROM cells WHERE subtask IS NOT NULL AND run_id = 'run'"
    ).fetchall()
    assert counted == [(1, 1, 1)]
    con.close()


def test_the_probability_of_a_defect_is_that_of_the_options_that_claim_it(data: Path) -> None:
    store = Store(data)
    store.open_run(rows.run())
    three = tuple(Option(letter, text) for letter, text in (("A", "Scratch"), ("B", "Dent"), ("C", "None of it")))
    made = [
        rows.prediction(0, 0, answer="B"),  # A claims the defect: 0.125
        rows.prediction(0, 2, claims=("good", "defective")),
        rows.prediction(0, 4, options=three, claims=("defective", "defective", "good"),
                        option_probabilities={"A": 0.25, "B": 0.25, "C": 0.5}),
        rows.prediction(0, 6, claims=("unknown", "good")),
        rows.prediction(0, 8, option_probabilities={}),
    ]  # fmt: skip
    spool.write_part(data, RUN, 0, made)
    ingest(store)
    with Database(data).reading() as con:
        found = con.execute("SELECT defect_probability FROM facts ORDER BY image_id").fetchall()
    assert [value for (value,) in found] == [0.125, 0.875, 0.5, None, None]


def test_letters_without_options_claim_what_images_that_agree_tell(data: Path) -> None:
    """As answer files give them; where the letters change places from image to image nothing is known."""
    agreed, mixed = claims.Questions(), claims.Questions()
    for place in range(8):
        agreed.add("Question 1", claims.LETTERS, "A" if place % 2 else "B", "defective" if place % 2 else "good")
        mixed.add("Question 1", claims.LETTERS, "A" if place % 3 else "B", "defective" if place % 2 else "good")
    known, unknown = (each.claims("Question 1", claims.LETTERS) for each in (agreed, mixed))
    assert known == ("defective", "good", *["unknown"] * 24)
    assert set(unknown) == {"unknown"}
    store = Store(data)
    store.open_run(rows.run())
    missed = rows.prediction(0, 0, options=(), claims=known, label="defective", correct_answer="A", answer="B")
    spool.write_part(data, RUN, 0, [missed, dataclasses.replace(missed, image_id="another", claims=unknown)])
    ingest(store)
    with Database(data).reading() as con:
        found = con.execute("SELECT claim, outcome FROM facts ORDER BY image_id").fetchall()
    assert found == [(None, "wrong"), ("good", "escape")]
    assert store.run_summary(RUN).select("escape", "unclaimed").row(0) == (1, 1)


def test_none_of_these_speaks_of_the_other_options() -> None:
    for option in ("None of these; the object is normal.", "Aucun d'entre eux : normal"):
        assert read(option, "").claim == "good"
        assert denies(option)
    assert read("None of these", "Is there any defect?").claim == "unknown"
    assert not denies("None of the above")
