"""The knowledge base, product by product: what waits, what a draft changes, what it does, and whether it may go live.

In the address: `product` (dataset/product), `text` (description_id), `revision`; `blast=on` once its images were asked
for, which needs the encoder.
"""

from __future__ import annotations

import streamlit as st
from markupsafe import Markup

from warehouse.errors import WorkbenchError
from warehouse.records.scoring import Description
from workbench import wording
from workbench.analysis.charts import knowledge
from workbench.curation import e_process, edit, gate, proposals
from workbench.errors import REFUSALS
from workbench.pages.knowledge import cards, normals, product_reads
from workbench.pages.knowledge.product_reads import Product
from workbench.pages.ui import address, components, reads
from workbench.pages.ui.components import card, chart, header, html
from workbench.pages.ui.signed_in_actor import actor

SHOWN = 12  # images of a blast radius
now = product_reads.snapshot()


def choose(description: Description) -> None:
    """Open a revision."""
    address.write(text=description.description_id, revision=str(description.revision), blast=None)


def act(what: str) -> None:
    """One change, as a short transaction; said on the page, done or not."""
    store, asked, who = product_reads.store(now), st.session_state, actor()
    try:
        if what == "edit":
            saved = edit.edit(store, chosen.description_id, asked["knowledge.text"], asked["knowledge.why"], actor=who)
            choose(saved.draft)
            asked["knowledge.said"] = f"Revision {saved.draft.revision} is a draft."
        elif what == "accept":
            text = asked["knowledge.proposal"]
            saved = proposals.accept(store, asked["knowledge.proposed"], text, actor=who)
            choose(saved.draft)
            asked["knowledge.said"] = f"The proposal is draft r{saved.draft.revision}."
        elif what == "publish":
            edit.publish(store, chosen.description_id, chosen.revision, asked.get("knowledge.reason"), actor=who)
            asked["knowledge.said"] = f"Revision {chosen.revision} is published."
        elif what == "tonight":
            product_reads.statements(now).await_test(
                chosen.description_id, chosen.revision, "to be tested tonight", actor=who
            )
            asked["knowledge.said"] = f"Revision {chosen.revision} waits for tonight's run."
        elif what == "nights":
            from workbench.curation import night_trial  # loads PyTorch, which takes longer than the page

            night_trial.open_test(store, [chosen, *asked.get("knowledge.bundle", [])], actor=who)
            asked["knowledge.said"] = f"Every night asks its new pictures about revision {chosen.revision} too."
        elif what == "retire":
            why = asked["knowledge.retire"] or "no reason given"
            product_reads.statements(now).retire(chosen.description_id, chosen.revision, why, actor=who)
            asked["knowledge.said"] = f"Revision {chosen.revision} is retired."
        elif what == "rollback":
            product_reads.statements(now).rollback(asked["knowledge.version"], asked["knowledge.back"], actor=who)
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
        versions = product_reads.versions(now)
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
            st.caption(
                components.plain(f"The gate: {why_not}. Publishing all the same needs a reason, which is kept.", 400)
            )
            begin("knowledge.reason", about)
            st.text_input("Reason", key="knowledge.reason")
            st.button("Publish against the gate", key="knowledge.publish", on_click=act, args=["publish"])
        if chosen.state == "draft":
            st.button("Test tonight", type="primary", key="knowledge.tonight", on_click=act, args=["tonight"])


def show_waiting(product: Product) -> None:
    """Proposals and drafts that wait for a person, before everything else."""
    proposed = product_reads.proposed(now, product)
    if not proposed and not product.waiting:
        return
    counts = [(len(proposed), "proposal"), (len(product.waiting), "draft")]
    note = ", ".join(wording.counted(count, what) for count, what in counts if count)
    with card("waiting", "Waiting for a person", note, fill=False):
        for place, found in enumerate(proposed):
            with st.container(horizontal=True, vertical_alignment="center"):
                html(Markup("<b>{}</b>{}").format(found.place[2], cards.proposal(found)))
                with st.popover("Edit and accept"):
                    if place == 0:
                        st.session_state["knowledge.proposed"] = found.description_id
                        begin("knowledge.proposal", (found.description_id, found.text), found.text)
                        st.text_area("Text", key="knowledge.proposal", height=180)
                        if found.findings:
                            html(cards.findings(found.findings))
                        st.button("Accept as draft", key="knowledge.accept", on_click=act, args=["accept"])
                    else:
                        st.caption("Accept the first one before.")
        if product.waiting:
            html(cards.waiting(product))


def show_text(product: Product, old: Description | None) -> None:
    """The chosen text against the published one, with where its sentences come from."""
    against = (
        f"r{chosen.revision} against published r{old.revision}" if old and old != chosen else f"r{chosen.revision}"
    )
    why = cards.parts_of(chosen.reason, 80)
    note = f"by {chosen.author}{f': {why}' if why else ''}"
    with card("text", f"{chosen.entry.replace('_', ' ')}, {against}", note, fill=False):
        found = edit.check(chosen.text, chosen.description_id, product.published)
        difference = cards.difference(old.text if old else "", chosen.text)
        coverage = product_reads.retrieval_coverage(now, chosen.description_id, chosen.revision)
        html(cards.STYLE + difference + cards.coverage(coverage) + cards.findings(found))
        html(cards.provenance(product_reads.sentences(now, chosen.description_id, chosen.revision)))


def show_lift(product: Product) -> None:
    """What each text of the product helps and harms."""
    with card("lift", f"Descriptions of {product.name}", "right with the text minus without, points; 95 %"):
        found = cards.bars(product.lifts, product.texts)
        if not found:
            html(Markup('<div class="note">Not measured yet. Measure it with:</div>'))
            st.code(f"workbench knowledge lift --only {product.key}", language="bash", wrap_lines=True)
            return
        chart(knowledge.lift(components.ink(), found), "knowledge.lift", cards.lift_sentence(found).striptags())
        html(Markup('<div class="note">{}</div>').format(cards.lift_sentence(found)))


def show_own_lift(product: Product) -> None:
    """The chosen description's lift from run to run, and what its chosen revision does to which questions."""
    seen = cards.over_time(product.lifts, chosen.description_id)
    if not seen:
        return
    entry = chosen.entry.replace("_", " ")
    with st.grid(3, min_column_width=300, gap=12, dense=True) as grid:
        with (
            grid.cell(column_span=2),
            card(
                "own", f"{entry}: lift from run to run", "right with it minus without, points over all questions; 95 %"
            ),
        ):
            said = "; ".join(f"{bar.name}: {knowledge.points(bar.lift)}" for bar in seen)
            chart(knowledge.over_time(components.ink(), seen), "knowledge.own", said)
        revision, table = cards.by_subtask(product.lifts, chosen, old)
        with grid.cell(), card("subtasks", f"What r{revision} does", "questions right only with it, or only without"):
            html(table)


def show_gate(product: Product) -> None:
    """The chosen revision's test."""
    key = (chosen.description_id, chosen.revision)
    attempt, result = product.attempts.get(key), product.results.get(key)
    with card("gate", "Publish gate"):
        if attempt is None or result is None:
            if chosen.state in ("published", "retired") and attempt is None:
                why = "Went live without a test; the history says why. Only drafts are tested."
                html(Markup('<div class="note">{}</div>').format(why))
                return
            state = "Its test is not finished; the same command goes on." if attempt else "Not tested yet."
            html(
                Markup('<div class="note">{} It asks the questions the text changes with both texts:</div>').format(
                    state
                )
            )
            st.code(f"workbench knowledge test {chosen.description_id}", language="bash", wrap_lines=True)
            return
        html(cards.verdict(result))
        rows = cards.gate_rows(result)
        said = f"Affected {knowledge.points(result.difference)} points, {result.verdict}"
        chart(knowledge.gate(components.ink(), rows, attempt.margin), "knowledge.gate", said)
        html(cards.gate_table(attempt, result))


def show_nights(product: Product) -> None:
    """The chosen revision's test over nights, or what there is to test it on."""
    gathered = product.gathered(chosen)
    with card("nights", "Over nights", "one bet a night, on its new pictures"):
        if gathered is not None:
            html(cards.nights_verdict(gathered))
            names = [f"{bet.schedule} {bet.due_at:%d %b}" for bet in gathered.bets]
            better, worse = ([getattr(bet, name) for bet in gathered.bets] for name in ("log_better", "log_worse"))
            limit = e_process.threshold(gathered.test.alpha)
            said = (
                f"Log e {better[-1] if better else 0:.2f} of {limit:.2f} after {wording.counted(len(names), 'night')}"
            )
            chart(knowledge.over_nights(components.ink(), names, better, worse, limit), "knowledge.nights", said)
            html(cards.nights_table(gathered))
            return
        html(Markup('<div class="note">{}</div>').format(product_reads.outlook_of(now, chosen)))
        if other := product.waits_for(chosen):
            html(Markup('<div class="note"><b>It waits</b> for the verdict on {}.</div>').format(cards.drafts(other)))
            return
        others = [each for each in product.waiting if product.gathered(each) is None and each.state == "draft"]
        others = [each for each in others if each.description_id != chosen.description_id]
        if others:
            st.multiselect("Together with", others, key="knowledge.bundle", format_func=cards.name)
        st.button("Test over nights", key="knowledge.nights", on_click=act, args=["nights"])


def show_budget(product: Product) -> None:
    """What of the alpha budget is spent."""
    spent = product.spent
    with card("budget", "Alpha budget", f"5 % for {product.name} since its last better"):
        chart(
            knowledge.budget(components.ink(), spent, gate.BUDGET),
            "knowledge.budget",
            f"{wording.percent(sum(spent), 2)} spent",
        )
        tests = "no test since" if not spent else wording.counted(len(spent), "test")
        used = Markup("<b>{:.1f} of 5 % spent</b>").format(100 * sum(spent))
        html(
            Markup('<div class="note">{}, {}. Each revision is tested once, and once over nights.</div>').format(
                used, tests
            )
        )


def show_blast() -> None:
    """Which images the chosen text would reach."""
    with card("blast", "Blast radius", "images that would be shown something else", fill=False):
        if "blast" not in st.query_params:
            html(Markup('<div class="note">Computed from stored vectors; no image is scored again.</div>'))
            st.button("Show these images", key="knowledge.blast", on_click=lambda: address.write(blast="on"))
            return
        try:
            found = product_reads.blast(now, chosen)
        except WorkbenchError as error:
            html(Markup('<div class="note">{}</div>').format(str(error)))
            return
        html(
            Markup(
                '<div class="note"><b>{:,} of {}</b> of the newest run, {}; '
                "a test takes about {:,.0f} s. Showing {} of "
                "{:,}.</div>"
            ).format(
                found.images,
                wording.counted(found.of, "image"),
                wording.counted(found.questions, "question"),
                found.seconds,
                min(SHOWN, found.images),
                found.images,
            )
        )
        with st.grid("auto", min_column_width=96, gap=10):
            for place, each in enumerate(found.first):
                with st.container(key=f"link-thumb-knowledge-{place}", gap=None):
                    html(components.thumbnail(each.source, "unlabelled", each.problem))
                    link = {"run": found.run_id, "image": each.image_id}
                    st.page_link(components.CASE, label=components.plain(each.label, 40), query_params=link)


def choose_product(key: str) -> None:
    """Which product the page is about."""
    address.choose(
        "Product",
        keys,
        key,
        "knowledge.product",
        lambda key: address.write(product=key, text=None, revision=None, blast=None),
        format_func=lambda key: f"{key} · {products.get(key) or with_normals[key]}",
        width=230,
    )


products, with_normals = product_reads.products(now), normals.products(now)
if not products and not with_normals:
    components.instead(
        "Knowledge",
        "No text is stored yet.",
        "The knowledge base is empty",
        "Texts about products and their defects are what retrieval chooses from; good pictures to compare with come by "
        "workbench knowledge normals import ARCHIVE.",
        "workbench knowledge import domain_knowledge.json",
    )
keys = list(products | with_normals)
asked_text = st.query_params.get("text", "")
asked_key = st.query_params.get("product", product_reads.key_of_text(now, asked_text))
if (key := asked_key if asked_key in keys else keys[0]) not in products:
    with header("Knowledge", Markup("<b>{}.</b> It has normals and no text yet.").format(key)):
        choose_product(key)
    normals.show(now, key)
    reads.follow(now, refresh=False)
    st.stop()
product = product_reads.product(now, key)
chosen = product.chosen(asked_text, st.query_params.get("revision"))
old = product.published_of(chosen.description_id)
result = product.results.get((chosen.description_id, chosen.revision))
why_not = product.why_not(chosen)

with header("Knowledge", cards.finding(chosen, old, result, why_not, product.gathered(chosen)), product.under):
    choose_product(product.key)
    address.choose(
        "Description",
        product.newest_first,
        chosen,
        "knowledge.description",
        choose,
        format_func=cards.name,
        width=230,
    )
    components.export(
        "knowledge",
        {
            "descriptions": lambda: cards.text_rows(product.texts),
            "lift": lambda: product.lifts,
            "tests": lambda: cards.test_rows(product.attempts, product.results),
            "nights": lambda: cards.bet_rows(product.over_nights),
        },
    )
    show_actions(why_not)
if said := st.session_state.pop("knowledge.said", None):
    html(Markup('<div class="note" role="status"><b>{}</b></div>').format(said))
if problems := product_reads.waiting(now).problems:
    html(cards.problems(problems))
show_waiting(product)
has_nights = product.gathered(chosen) is not None or chosen.state in ("draft", "testing")
with st.grid(3, min_column_width=300, gap=12, dense=True) as grid:
    with grid.cell(column_span=2, row_span=3 if has_nights else 2):
        show_text(product, old)
        show_lift(product)
    with grid.cell():
        show_gate(product)
    if has_nights:
        with grid.cell():
            show_nights(product)
    with grid.cell():
        show_budget(product)
show_own_lift(product)
normals.show(now, product.key)
show_blast()
with card("history", "History", "newest first", fill=False):
    html(cards.history(product_reads.changes(now, chosen.description_id)))
reads.follow(now, refresh=False)
