"""Which saved thresholds call the pictures of runs defective, in one line a run: what stands beside derived alarms."""

from __future__ import annotations

from collections.abc import Sequence

from warehouse.queries import alarm_rules
from warehouse.queries.alarm_rules import AlarmRule
from warehouse.queries.thresholds import Thresholds
from warehouse.store import Store
from workbench.analysis import alarm_rule_words
from workbench.review import operating


def of_runs(store: Store, run_ids: Sequence[str], rule: AlarmRule) -> dict[str, str]:
    """A sentence for each run; nothing where pictures are called what their answers say."""
    signal = alarm_rules.of_signal(rule)
    if signal is None:
        return {}
    thresholds, runs = Thresholds(store.data), {run_id: store.run(run_id) for run_id in run_ids}
    return {
        run_id: alarm_rule_words.sentence(
            rule, thresholds.in_force(run_id, signal), run, operating.normals_hash(store, run)
        )
        for run_id, run in runs.items()
        if run is not None
    }
