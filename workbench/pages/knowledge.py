"""The knowledge base, product by product: what waits, what a draft changes, what it does, and whether it may go live.

In the address: `product` (dataset/product), `text` (description_id), `revision`; `blast=on` once its images were asked
for, which needs the encoder.
"""

from __future__ import annotations

from html import escape

import streamlit as st

from warehouse import names
from warehouse.records import Description
from workbench.analysis import charts_knowledge
from workbench.inspection.errors import InspectionError
from workbench.pages import address, knowledge_cards, knowledge_reads, parts, shared
from workbench.pages.knowledge_reads import Product
from workbench.pages.parts import card, chart, header, html
from workbench.review import curation, gate, proposals
from workbench.review.errors import REFUSALS

SHOWN = 12  # images of a blast radius
now = knowledge_reads.snapshot()


def choose(description: Description) -> None:
    """Open a revision."""
    address.write(text=description.description_id, revision=str(description.revision), blast=None)


def author() -> str:
    """Who is signed in, else this dashboard."""
    name = st.user.get("email") if st.user.get("is_logged_in") else None
    return str(name or "dashboard")


def act(what: str) -> None:
    """One change, as a short transaction; said on the page, done or not."""
    store, asked = knowledge_reads.store(now), st.session_state
    try:
        if what == "edit":
            saved = curation.edit(
                store, chosen.description_id, asked["knowledge.text"], author(), asked["knowledge.why"]
            )
            choose(saved.draft)
            asked["knowledge.said"] = f"Revision {saved.draft.revision} is a draft."
        elif what == "accept":
            text = asked["knowledge.proposal"]
            saved = proposals.accept(store, asked["knowledge.proposed"], author(), text)
            choose(saved.draft)
            asked["knowledge.said"] = f"The proposal is draft r{saved.draft.revision}."
        elif what == "publish":
            curation.publish(store, chosen.description_id, chosen.revision, author(), asked.get("knowledge.reason"))
            asked["knowledge.said"] = f"Revision {chosen.revision} is published."
        elif what == "tonight":
            knowledge_reads.statements(now).await_test(
                chosen.description_id, chosen.revision, author(), "to be tested tonight"
            )
            asked["knowledge.said"] = f"Revision {chosen.revision} waits for tonight's run."
        elif what == "retire":
            why = asked["knowledge.retire"] or "no reason given"
            knowledge_reads.statements(now).retire(chosen.description_id, chosen.revision, author(), why)
            asked["knowledge.said"] = f"Revision {chosen.revision} is retired."
        elif what == "rollback":
            knowledge_reads.statements(now).rollback(asked["knowledge.version"], author(), asked["knowledge.back"])
            asked["knowledge.said"] = f"Version {asked['knowledge.version']} is published again."
    except REFUSALS as error:
        asked["knowledge.said"] = f"Not done: {error}"


def begin(key: str, about: object, text: str = "") -> None:
    """Fill a box anew when it is about something else than before; its key alone would keep what was typed for that."""
    if key not in st.session_state or st.session_state.get(f"{key}.about") != about:
        st.session_state[key], st.session_state[f"{key}.about"] = text, about


def show_actions(why_not: str | None) -> None:
    """What can be done with the chosen revision."""
    about = (chosen.description_id, chosen.revision)
    with st.popover("Edit"):
        begin("knowledge.text", about, chosen.text)
        st.text_area("Text", key="knowledge.text", height=180)
        begin("knowledge.why", about)
        st.text_input("Why", key="knowledge.why", placeholder="what is better about it")
        st.button("Save as draft", key="knowledge.edit", on_click=act, args=["edit"])
    with st.popover("More"):
        st.caption("Take this revision out, or go back to a set that was published before. Nothing is deleted.")
        begin("knowledge.retire", about)
        st.text_input("Reason to retire it", key="knowledge.retire")
        st.button("Retire", key="knowledge.away", on_click=act, args=["retire"])
        versions = knowledge_reads.versions(now)
        names: list[str] = list(versions)
        st.selectbox("Version to go back to", names, key="knowledge.version", format_func=lambda name: versions[name])
        begin("knowledge.back", names[:1])
        st.text_input("Reason to go back", key="knowledge.back")
        st.button("Roll back", key="knowledge.rollback", on_click=act, args=["rollback"])
    if chosen.state in ("draft", "testing"):
        if why_not is None:
            st.button("Publish", type="primary", key="knowledge.publish", on_click=act, args=["publish"])
            return
        with st.popover("Publish"):
            st.caption(parts.plain(f"The gate: {why_not}. Publishing all the same needs a reason, which is kept.", 400))
            begin("knowledge.reason", about)
            st.text_input("Reason", key="knowledge.reason")
            st.button("Publish against the gate", key="knowledge.publish", on_click=act, args=["publish"])
        if chosen.state == "draft":
            st.button("Test tonight", type="primary", key="knowledge.tonight", on_click=act, args=["tonight"])


def show_waiting(product: Product) -> None:
    """Proposals and drafts that wait for a person, before everything else."""
    proposed = knowledge_reads.proposed(now, product.key)
    if not proposed and not product.waiting:
        return
    counts = [(len(proposed), "proposal"), (len(product.waiting), "draft")]
    note = ", ".join(knowledge_cards.many(count, what) for count, what in counts if count)
    with card("waiting", "Waiting for a person", note, fill=False):
        for place, found in enumerate(proposed):
            with st.container(horizontal=True, vertical_alignment="center"):
                html(f"<b>{escape(names.split(found.description_id)[-1])}</b>{knowledge_cards.proposal(found)}")
                with st.popover("Edit and accept"):
                    if place == 0:
                        st.session_state["knowledge.proposed"] = found.description_id
                        begin("knowledge.proposal", (found.description_id, found.text), found.text)
                        st.text_area("Text", key="knowledge.proposal", height=180)
                        if found.findings:
                            html(knowledge_cards.findings(found.findings))
                        st.button("Accept as draft", key="knowledge.accept", on_click=act, args=["accept"])
                    else:
                        st.caption("Accept the first one before.")
        if product.waiting:
            html(knowledge_cards.waiting(product.waiting, product.results))


def show_text(product: Product, old: Description | None) -> None:
    """The chosen text against the published one, with where its sentences come from."""
    against = (
        f"r{chosen.revision} against published r{old.revision}" if old and old != chosen else f"r{chosen.revision}"
    )
    why = knowledge_cards.parts_of(chosen.reason, 80)
    note = escape(f"by {chosen.author}{f': {why}' if why else ''}")
    with card("text", escape(f"{chosen.entry.replace('_', ' ')}, {against}"), note, fill=False):
        found = curation.check(chosen.text, chosen.description_id, product.published)
        difference = knowledge_cards.difference(old.text if old else "", chosen.text)
        seen = knowledge_reads.seen(now, chosen.description_id, chosen.revision)
        html(knowledge_cards.STYLE + difference + knowledge_cards.seen(seen) + knowledge_cards.findings(found))
        html(knowledge_cards.provenance(knowledge_reads.sentences(now, chosen.description_id, chosen.revision)))


def show_lift(product: Product) -> None:
    """What each text of the product helps and harms."""
    with card("lift", f"Descriptions of {escape(product.name)}", "right with the text minus without, points; 95 %"):
        found = knowledge_cards.bars(product.lifts, product.texts)
        if not found:
            html('<div class="note">Not measured yet. A sample is asked again without each text:</div>')
            st.code(f"workbench knowledge lift --only {product.key}", language="bash", wrap_lines=True)
            return
        chart(charts_knowledge.lift(parts.ink(), found), "knowledge.lift", knowledge_cards.lift_sentence(found))
        html(f'<div class="note">{knowledge_cards.lift_sentence(found)}</div>')


def show_own_lift(product: Product) -> None:
    """The chosen description's lift from run to run, and what its chosen revision does to which questions."""
    seen = knowledge_cards.over_time(product.lifts, chosen.description_id)
    if not seen:
        return
    entry = escape(chosen.entry.replace("_", " "))
    with st.grid(3, min_column_width=300, gap=12, dense=True) as grid:
        with (
            grid.cell(column_span=2),
            card(
                "own", f"{entry}: lift from run to run", "right with it minus without, points over all questions; 95 %"
            ),
        ):
            said = "; ".join(f"{bar.name}: {charts_knowledge.points(bar.lift)}" for bar in seen)
            chart(charts_knowledge.over_time(parts.ink(), seen), "knowledge.own", said)
        revision, table = knowledge_cards.by_subtask(product.lifts, chosen, old)
        with grid.cell(), card("subtasks", f"What r{revision} does", "questions right only with it, or only without"):
            html(table)


def show_gate(product: Product) -> None:
    """The chosen revision's test."""
    key = (chosen.description_id, chosen.revision)
    attempt, result = product.attempts.get(key), product.results.get(key)
    with card("gate", "Publish gate"):
        if attempt is None or result is None:
            if chosen.state in ("published", "retired") and attempt is None:
                html('<div class="note">Went live without a test; the history says why. Only drafts are tested.</div>')
                return
            state = "Its test is not finished; the same command goes on." if attempt else "Not tested yet."
            html(f'<div class="note">{state} It asks the questions the text changes with both texts:</div>')
            st.code(f"workbench knowledge test {chosen.description_id}", language="bash", wrap_lines=True)
            return
        html(knowledge_cards.verdict(result))
        rows = knowledge_cards.gate_rows(result)
        said = f"Affected {charts_knowledge.points(result.difference)} points, {result.verdict}"
        chart(charts_knowledge.gate(parts.ink(), rows, attempt.margin), "knowledge.gate", said)
        html(knowledge_cards.gate_table(attempt, result))


def show_budget(product: Product) -> None:
    """What of the alpha budget is spent."""
    spent = product.spent
    with card("budget", "Alpha budget", f"5 % for {escape(product.name)} since its last better"):
        chart(charts_knowledge.budget(parts.ink(), spent, gate.BUDGET), "knowledge.budget", f"{sum(spent):.2%} spent")
        tests = "no test since" if not spent else f"{len(spent)} {'test' if len(spent) == 1 else 'tests'}"
        used = f"<b>{100 * sum(spent):.1f} of 5 % spent</b>"
        html(f'<div class="note">{used}, {tests}. Each revision is tested once.</div>')


def show_blast() -> None:
    """Which images the chosen text would reach."""
    with card("blast", "Blast radius", "images that would be shown something else", fill=False):
        if "blast" not in st.query_params:
            html('<div class="note">Told from the stored vectors of images and texts; no image is asked again.</div>')
            st.button("Show these images", key="knowledge.blast", on_click=lambda: address.write(blast="on"))
            return
        try:
            found = knowledge_reads.blast(now, chosen)
        except InspectionError as error:
            html(f'<div class="note">{escape(str(error))}</div>')
            return
        html(
            f'<div class="note"><b>{found.images:,} of {found.of:,} images</b> of the newest run, {found.questions:,} '
            f"questions; a test takes about {found.seconds:,.0f} s. Showing {min(SHOWN, found.images)} of "
            f"{found.images:,}.</div>"
        )
        with st.grid("auto", min_column_width=96, gap=10):
            for place, each in enumerate(found.first):
                with st.container(key=f"link-thumb-knowledge-{place}", gap=None):
                    html(parts.thumbnail(each.source, "unlabelled", each.problem))
                    link = {"run": found.run_id, "image": each.image_id}
                    st.page_link(parts.CASE, label=parts.plain(each.label, 40), query_params=link)


products = knowledge_reads.products(now)
if not products:
    parts.instead(
        "Knowledge",
        "No text is stored yet.",
        "The knowledge base is empty",
        "Texts about products and their defects are what retrieval chooses from.",
        "workbench knowledge import domain_knowledge.json",
    )
keys = list(products)
asked_text = st.query_params.get("text", "")
asked_key = st.query_params.get("product", asked_text.rpartition("/")[0])
product = knowledge_reads.product(now, asked_key if asked_key in products else keys[0])
chosen = product.chosen(asked_text, st.query_params.get("revision"))
old = product.published_of(chosen.description_id)
result = product.results.get((chosen.description_id, chosen.revision))
why_not = product.why_not(chosen)

with header("Knowledge", knowledge_cards.finding(chosen, old, result, why_not), product.under):
    address.choose(
        "Product",
        keys,
        product.key,
        "knowledge.product",
        lambda key: address.write(product=key, text=None, revision=None, blast=None),
        format_func=lambda key: f"{key} · {products[key]}",
        width=230,
    )
    address.choose(
        "Description",
        product.newest_first,
        chosen,
        "knowledge.description",
        choose,
        format_func=knowledge_cards.name,
        width=230,
    )
    parts.export(
        "knowledge",
        {
            "descriptions": lambda: knowledge_cards.text_rows(product.texts),
            "lift": lambda: product.lifts,
            "tests": lambda: knowledge_cards.test_rows(product.attempts, product.results),
        },
    )
    show_actions(why_not)
if said := st.session_state.pop("knowledge.said", None):
    html(f'<div class="note" role="status"><b>{escape(said)}</b></div>')
if problems := knowledge_reads.waiting(now).problems:
    html(knowledge_cards.problems(problems))
show_waiting(product)
with st.grid(3, min_column_width=300, gap=12, dense=True) as grid:
    with grid.cell(column_span=2, row_span=2):
        show_text(product, old)
        show_lift(product)
    with grid.cell():
        show_gate(product)
    with grid.cell():
        show_budget(product)
show_own_lift(product)
show_blast()
with card("history", "History", "newest first", fill=False):
    html(knowledge_cards.history(knowledge_reads.changes(now, chosen.description_id)))
shared.follow(now, refresh=False)
