"""The address keeps what it holds when it changes, whatever other runs of the same session do meanwhile."""

from __future__ import annotations

from pathlib import Path

from streamlit.testing.v1 import AppTest


def a_page_whose_click_overlaps_with_a_look() -> None:
    """Between a click's run and its callback, a look that was sent earlier sets the session's address back."""
    import streamlit as st
    from streamlit.runtime.scriptrunner import get_script_run_ctx

    from workbench.pages.ui import address

    def clicked() -> None:
        context = get_script_run_ctx()
        assert context
        with context.session_state.query_params() as held:
            held.populate_from_query_string("run=one")  # what ScriptRunContext.reset does for the look's run
        address.put(camera="2")

    address.settle()
    st.button("Camera 2", on_click=clicked)


def test_a_look_that_overlaps_with_a_click_takes_no_filter_from_the_address() -> None:
    page = AppTest.from_function(a_page_whose_click_overlaps_with_a_look, default_timeout=60)
    for name, value in {"run": "one", "subtask": "Anomaly Detection", "product": "nut", "from": "60"}.items():
        page.query_params[name] = value
    page.run()
    page.button[0].click().run()
    assert not page.exception
    held = {name: value[-1] if isinstance(value, list) else value for name, value in page.query_params.items()}
    assert held == {"run": "one", "subtask": "Anomaly Detection", "product": "nut", "camera": "2"}


def test_what_was_written_while_a_page_was_drawn_is_seen_at_its_next_look(data_folder: Path) -> None:
    def script() -> None:
        from workbench.pages.ui import reads

        reads.follow(reads.snapshot()._replace(stamp="before"), refresh=True)

    page = AppTest.from_function(script, default_timeout=60).run()
    assert not page.exception
    assert page.session_state["shared.drawn"][0][1] == "before"


def test_writing_twice_is_writing_once_and_none_takes_out() -> None:
    def script() -> None:
        import streamlit as st

        from workbench.pages.ui import address

        if st.query_params.get("line") == "1":
            address.put(line=None, camera="a b&c")
            address.put(line=None, camera="a b&c")
        assert address.asked() == st.query_params.to_dict() == {"run": "one", "camera": "a b&c"}

    page = AppTest.from_function(script, default_timeout=60)
    page.query_params["run"], page.query_params["line"] = "one", "1"
    page.run()
    assert not page.exception
