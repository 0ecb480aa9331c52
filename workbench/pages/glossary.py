"""Glossary: our terms in one sentence each, from docs/glossary.md."""

from __future__ import annotations

from markupsafe import Markup

from workbench.pages.ui import components
from workbench.pages.ui.components import card, header, html


def terms() -> list[tuple[str, str]]:
    """Term and sentence, in the file's order."""
    lines = (components.ASSETS / "glossary.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [(term, sentence) for term, sentence in rows[2:]]


header("Glossary", Markup("One word for one thing, in code, columns, pages and prose."))
with card("terms", "", fill=False):
    html(components.table([(Markup("<b>{}</b>").format(term), sentence) for term, sentence in terms()], numbers=0))
