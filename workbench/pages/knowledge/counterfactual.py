"""The Case page's counterfactual: this case with one retrieved text edited, same block and seed, side by side.

Only runs of the embedded demo model are asked again here: it loads in a second. For a real model the page would have to
hold its weights; those cases are asked again by testing the draft.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from markupsafe import Markup

from warehouse import names
from warehouse.errors import WorkbenchError
from warehouse.records.scoring import Patch, Prediction, Run
from warehouse.store import Store
from workbench.analysis.charts import common
from workbench.pages.ui import components, reads
from workbench.pages.ui.caching import cached
from workbench.pages.ui.components import card, chart, html
from workbench.pages.ui.reads import Snapshot

if TYPE_CHECKING:  # these load PyTorch, which takes seconds: only who asks again waits for it
    from workbench.curation.counterfactual import Counterfactual
    from workbench.scoring.replay import Replay


@cached(1, "loading the model")
def _replay(data: str, run_id: str) -> Replay:
    from workbench.scoring import replay

    return replay.load(Store(Path(data)), run_id)


def texts(now: Snapshot, run: Run, prediction: Prediction) -> dict[str, str]:
    """The retrieved texts that may be said otherwise, by description_id, best first; none but for the demo model."""
    if not prediction.descriptions or not run.demo or not run.knowledge_version:
        return {}
    known = reads.texts(now, run.knowledge_version)
    ranked = [each.description_id for each in prediction.descriptions]
    return {name: known[name].text for name in ranked if name in known}


def show_counterfactual(now: Snapshot, run: Run, prediction: Prediction, known: Mapping[str, str]) -> None:
    """What would have been with another text in place of one of those that were retrieved."""
    with card("counterfactual", "What if a text said something else?", "same images, same seed; nothing is stored"):
        shown = list(known)
        called = {each.description_id: names.readable((each.product, each.entry)) for each in prediction.descriptions}
        here = f"{prediction.image_id}.{prediction.question_id}"
        chosen = st.selectbox("Retrieved text", shown, format_func=lambda each: called[each], key=f"case.what.{here}")
        key = f"case.text.{here}.{chosen}"
        text = st.text_area("Say instead", known[chosen], key=key, height=100)
        asked = st.button("Ask again", key="case.counterfactual")
        if not asked:
            return
        from workbench.curation import counterfactual

        try:
            found = counterfactual.ask(
                Store(Path(now.data)), run.run_id, prediction.image_id, prediction.question_id, chosen, text.strip(),
                _replay(now.data, run.run_id),
            )  # fmt: skip
        except WorkbenchError as error:
            html(Markup('<div class="note">{}</div>').format(str(error)))
            return
        _show(found)


def _show(found: Counterfactual) -> None:
    html(Markup('<div class="lead">{}</div>').format(found.said))
    with st.grid(2, min_column_width=300, gap=12) as grid:
        for title, prediction, patches in (
            ("As it was", found.before, found.patches_before),
            ("With the edited text", found.after, found.patches_after),
        ):
            with grid.cell(), card(f"counterfactual-{title}", title, fill=True):
                _side(title, prediction, patches, found.truth)


def _side(title: str, prediction: Prediction, patches: tuple[Patch, ...], truth: str | None) -> None:
    if prediction.option_probabilities:
        texts = {option.letter: option.text for option in prediction.options}
        before, after = prediction.initial_option_probabilities, prediction.option_probabilities
        figure = common.options(components.ink(), texts, before, after, prediction.answer, truth)
        said = ", ".join(f"{letter} {share:.2f}" for letter, share in after.items())
        chart(figure, f"case.counterfactual.options.{title}", f"{title}: {said}")
    if prediction.entropy:
        injected: dict[int, list[int]] = {}
        for number, patch in enumerate((each for each in patches if each.accepted), start=1):
            injected.setdefault(patch.iteration, []).append(number)
        best, tokens = prediction.best_iteration, prediction.token_entropy
        figure = common.trace(components.ink(), prediction.entropy, tokens, best, injected)
        chart(figure, f"case.counterfactual.trace.{title}", f"{title}: entropy over iterations")
    rows = [
        [f"{each.rank}", names.readable((each.product, each.entry)), _score(each.score)]
        for each in prediction.descriptions
    ]
    html(Markup('<div class="wrap">{}</div>').format(components.table(rows, ["rank", "retrieved", "score"])))
    accepted = ", ".join(f"{each.row}·{each.col}" for each in patches if each.accepted) or "none"
    html(Markup('<div class="note">patches injected (row·column): {}</div>').format(accepted))


def _score(score: float | None) -> str:
    return "by product" if score is None else f"{score:.2f}".replace("-", "−")
