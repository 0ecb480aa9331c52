"""Faults in what compares pictures and in operating points, for `make mutants`; see `planted_faults.py`."""

from __future__ import annotations

from benchmarks.planted_faults import Mutant

MUTANTS = (
    Mutant(
        "a threshold that promises less overkill than it has",
        "workbench/comparison/thresholds.py",
        "return self._counted / (self.pieces + 1)",
        "return self._counted / (self.pieces + 4)",
        "tests/comparison/test_thresholds.py::test_realised_overkill_stays_within_what_the_threshold_states",
    ),
    Mutant(
        "a threshold's bound at 50 % confidence",
        "workbench/comparison/thresholds.py",
        "stats.beta.ppf(CONFIDENCE, self._counted",
        "stats.beta.ppf(0.5, self._counted",
        "tests/comparison/test_thresholds.py::test_fifty_nine_normals_give_five_percent_with_confidence",
    ),
    Mutant(
        "a normal compared with the other pictures of its own piece",
        "workbench/comparison/comparison.py",
        "self.bank.nearest(self.bank.class_vector(normal), self._nearest, normal)",
        "self.bank.nearest(self.bank.class_vector(normal), self._nearest)",
        "tests/comparison/test_thresholds.py::test_overkill_of_comparing_stays_within_what_leaving_one_out_states",
    ),
    Mutant(
        "a piece's smallest score in place of its largest",
        "workbench/comparison/comparison.py",
        "pieces[normal.unit] = max(score, pieces.get(normal.unit, score))",
        "pieces[normal.unit] = min(score, pieces.get(normal.unit, score))",
        "tests/comparison/test_thresholds.py::test_a_piece_counts_once_with_its_largest_score",
    ),
    Mutant(
        "a threshold judged on the pieces it was chosen on",
        "workbench/analysis/operating_point.py",
        'choose(detection_curves.curve(rows.filter(pl.col("fold") != fold)), aim)',
        "choose(detection_curves.curve(rows), aim)",
        "tests/analysis/test_operating_point.py::"
        "test_scores_that_tell_nothing_look_good_on_their_own_pieces_and_not_on_others",
    ),
    Mutant(
        "precision's ends from the wrong ends of the rates",
        "workbench/analysis/detection_curves.py",
        "for each in (ratio, high, low))",
        "for each in (ratio, low, high))",
        "tests/analysis/test_detection_curves.py::test_intervals_hold_the_truth_as_often_as_they_say",
    ),
    Mutant(
        "recall's interval as if pictures of a piece were independent",
        "workbench/analysis/detection_curves.py",
        "running(2 * before + 1)",
        "running(np.ones(len(size)))",
        "tests/analysis/test_detection_curves.py::test_a_point_s_rates_have_the_interval_of_all_rates",
    ),
    Mutant(
        "defects' regions weighted by their pixels",
        "workbench/analysis/pixel_metrics.py",
        "np.where(beside, 0.0, 1 / sizes[labels]) / regions",
        "np.where(beside, 0.0, 1 / sizes[1:].sum())",
        "tests/analysis/test_pixel_metrics.py::test_aupro_is_anomalib_s",
    ),
    Mutant(
        "the area of a picture's overlap over the rate in place of its logarithm",
        "workbench/analysis/pixel_metrics.py",
        "/ len(on), np.log(rates)))",
        "/ len(on), rates))",
        "tests/analysis/test_pixel_metrics.py::test_aupimo_is_anomalib_s",
    ),
    Mutant(
        "defective parts for a one-sided test",
        "workbench/analysis/planning.py",
        "special.ndtri(1 - alpha / 2)",
        "special.ndtri(1 - alpha)",
        "tests/analysis/test_planning.py::test_two_sets_need_what_statsmodels_says",
    ),
    Mutant(
        "a warning's interval though a few images have most of the answers",
        "workbench/analysis/calibration.py",
        "elif not cluster_robust.enough(np.asarray(effective)):",
        "elif effective < 0:",
        "tests/analysis/test_calibration.py::test_nothing_is_said_of_a_warning_that_a_few_large_images_decide",
    ),
    Mutant(
        "the oldest version of a threshold in place of the newest",
        "warehouse/queries/alarm_rules.py",
        "PARTITION BY product, camera ORDER BY version DESC",
        "PARTITION BY product, camera ORDER BY version",
        "tests/warehouse/test_alarm_rules.py::test_thresholds_move_alarms_forth_and_back_and_no_stored_answer_changes",
    ),
    Mutant(
        "the threshold of all products before that of the product",
        "warehouse/queries/alarm_rules.py",
        """("t.product", "''"), ("''", "t.camera"), ("''", "''"))""",
        """("''", "''"), ("''", "t.camera"), ("t.product", "''"))""",
        "tests/warehouse/test_alarm_rules.py::test_alarms_are_what_a_plain_count_over_scores_and_thresholds_says",
    ),
    Mutant(
        "a defect's kind judged by its own piece",
        "workbench/comparison/defect_kinds.py",
        "if each.piece != piece and each.piece not in found:",
        "if each.piece not in found:",
        "tests/comparison/test_defect_kinds.py::"
        "test_several_pictures_of_a_piece_count_once_and_never_judge_their_own_piece",
    ),
    Mutant(
        "a suspect shown as the normal picture",
        "workbench/comparison/likeness.py",
        "mine = [each for each in mine if each not in suspects]",
        "mine = [each for each in mine if suspects is not None]",
        "tests/comparison/test_likeness.py::test_a_suspect_stands_for_nothing",
    ),
    Mutant(
        "a template at the end of the reach",
        "workbench/comparison/template.py",
        "(1 + product) / 2 < AGREEMENT or max(abs(down), abs(across)) == reach",
        "(1 + product) / 2 < AGREEMENT",
        "tests/comparison/test_template.py::test_another_layout_another_size_and_a_shift_beyond_reach_are_no_template",
    ),
)
