"""What people write on a run, on the Runs page: its name, tags and note in its line, and where they are changed."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from markupsafe import Markup

from warehouse.errors import Refused
from warehouse.queries.run_notes import NoteChange, RunNotes
from warehouse.records.run_notes import RunNote
from warehouse.records.scoring import Run
from workbench.pages.ui import reads
from workbench.pages.ui.components import html
from workbench.pages.ui.signed_in_actor import actor

_MESSAGE = "runs.note.message"


def line(note: RunNote | None) -> Markup:
    """A run's name and tags, for a list; empty without any."""
    if note is None or not (note.name or note.tags):
        return Markup()
    tags = Markup(" ").join(Markup('<span class="chip">{}</span>').format(tag) for tag in note.tags)
    return Markup('<div class="row"><span><b>{}</b> {}</span></div>').format(note.name, tags)


def edit(now: reads.Snapshot, run: Run, note: RunNote | None) -> None:
    """The form behind a button: name, tags, note, hidden."""
    with st.popover("Name and notes"), st.form(f"runs.note.{run.run_id}", border=False):
        name = st.text_input("Name", note.name if note else "", help="Stands for the run wherever one is named.")
        tags = st.text_input("Tags", ", ".join(note.tags) if note else "", help="Separated by commas.")
        text = st.text_area("Note", note.note if note else "", height=90)
        hidden = st.checkbox("Leave it out of lists", bool(note and note.hidden))
        if st.form_submit_button("Save"):
            wanted = {tag.strip() for tag in tags.split(",") if tag.strip()}
            held = set(note.tags) if note else set()
            change = NoteChange(name.strip(), text, wanted - held, held - wanted, hidden)
            try:
                RunNotes(Path(now.data)).change(run.run_id, change, actor=actor())
            except Refused as error:
                st.session_state[_MESSAGE] = str(error)
            st.rerun()
    if message := st.session_state.pop(_MESSAGE, None):
        html(Markup('<div class="note"><b>{}</b></div>').format(message))
