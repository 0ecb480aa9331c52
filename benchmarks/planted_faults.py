"""The faults that `make mutants` plants (`mutants.py`), each with the test that must fail for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault and the test that must fail for it."""

    name: str
    file: str
    old: str  # stands in the file exactly once
    new: str
    test: str


MUTANTS = (
    Mutant(
        "the sign of the covariance term in the AUROC's variance",
        "workbench/analysis/calibration.py",
        "((of_bad + of_good) ** 2).sum()",
        "((of_bad - of_good) ** 2).sum()",
        "tests/test_references.py::"
        "test_the_auroc_s_standard_error_is_the_jackknife_s_where_an_image_s_answers_go_together",
    ),
    Mutant(
        "the exported bootstrap by question instead of by image",
        "workbench/analysis/compare.py",
        'by image: the published number."""\n    sums = pairs.group_by("cluster_id", maintain_order=True).agg(',
        'by image: the published number."""\n    sums = pairs.with_row_index("row").group_by("row").agg(',
        "tests/test_references.py::test_the_exported_difference_s_bootstrap_resamples_images",
    ),
    Mutant(
        "the gate's bound elsewhere at 80 %",
        "workbench/curation/gate.py",
        "flipped_elsewhere.interval(2 * LEVEL - 1)",
        "flipped_elsewhere.interval(2 * 0.8 - 1)",
        "tests/test_references.py::test_the_gate_s_bound_elsewhere_is_one_sided_at_95_percent",
    ),
    Mutant(
        "a rate's degrees of freedom from images in place of effective ones",
        "workbench/analysis/cluster_robust.py",
        "return np.where(squares > 0, size**2 / np.where(squares > 0, squares, 1.0), 0.0)",
        "return np.where(squares > 0, size, 0.0)",
        "tests/analysis/test_cluster_robust.py::test_the_degrees_of_freedom_are_never_more_than_satterthwaite_s",
    ),
    Mutant(
        "scatter trusted however few images have errors",
        "workbench/analysis/cluster_robust.py",
        "+ alone / clusters) / (rare + 1)",
        ") / np.maximum(rare, 1e-9)",
        "tests/analysis/test_cluster_robust.py::test_an_interval_is_wilson_s_of_one_question_an_image_with_t",
    ),
    Mutant(
        "an interval of few effective images shown",
        "workbench/analysis/cluster_robust.py",
        "return clusters >= LEAST - 1e-9",
        "return clusters >= 0",
        "tests/analysis/test_cluster_robust.py::"
        "test_thirty_images_of_one_question_and_one_of_fifty_are_too_few_to_say_anything",
    ),
    Mutant(
        "arms of an ablation corrected as if each stood alone",
        "workbench/analysis/compare.py",
        "share = 1 / max(len(tests) - max(called - 1, 0), 1)",
        "share = 1.0",
        "tests/analysis/test_sign_flips.py::"
        "test_arms_corrected_together_have_holm_s_p_and_words_that_their_intervals_bear_out",
    ),
    Mutant(
        "the gate spends its whole share on better",
        "workbench/curation/gate.py",
        "ON_BETTER, ON_WORSE = 1 / 2, 1 / 4",
        "ON_BETTER, ON_WORSE = 1.0, 1.0",
        "tests/curation/test_gate.py::test_a_test_spends_half_of_its_share_on_better_and_a_quarter_on_worse",
    ),
    Mutant(
        "the audit's interval at 80 %",
        "workbench/review/budget.py",
        "def audit(population: int, judged: int, wrong: int, level: float = 0.9)",
        "def audit(population: int, judged: int, wrong: int, level: float = 0.8)",
        "tests/test_references.py::test_the_audit_s_interval_holds_what_neither_tail_of_5_percent_rejects",
    ),
    Mutant(
        "unsure counted as right, under the reviewed truth",
        "warehouse/queries/truth.py",
        "CASE s.decision WHEN 'unsure' THEN NULL WHEN",
        "CASE s.decision WHEN 'unsure' THEN d.answer WHEN",
        "tests/warehouse/test_truth.py::test_each_way_to_settle_a_case_counts_as_it_should",
    ),
    Mutant(
        "unsure counted as judged, in the audit lane",
        "warehouse/queries/reviews.py",
        "WHERE s.correct_answer IS NOT NULL AND s.stratum <> 'volunteered'",
        "WHERE s.stratum <> 'volunteered'",
        "tests/review/test_blinding.py::test_a_case_that_nobody_could_tell_is_not_judged_in_the_audit_lane",
    ),
    Mutant(
        "s off by 10 %",
        "workbench/model/backbone/hub.py",
        "return float(torch.linalg.vector_norm(torch.stack(norms))) / math.sqrt(matrix.numel())",
        "return 0.9 * float(torch.linalg.vector_norm(torch.stack(norms))) / math.sqrt(matrix.numel())",
        "tests/model/test_sums.py::test_the_unit_of_noise_is_right_for_rows_of_different_size",
    ),
    Mutant(
        "letters read without the token that has a leading space",
        "workbench/model/answer.py",
        'for text in (letter, f" {letter}")',
        "for text in (letter,)",
        "tests/test_references.py::test_a_letter_is_read_alone_and_after_a_space",
    ),
    Mutant(
        "sigma no longer relative to the embeddings",
        "workbench/model/estimators.py",
        "return float(method.sigma * method.sigma_decay**iteration * scale)",
        "return float(method.sigma * method.sigma_decay**iteration)",
        "tests/model/test_estimators.py::test_the_noise_is_sigma_of_the_embeddings_rms",
    ),
    Mutant(
        "ties of the risk-coverage area a step short",
        "workbench/analysis/calibration.py",
        "special.digamma(kept + m + 1) - special.digamma(kept + 1)",
        "special.digamma(kept + m) - special.digamma(kept + 1)",
        "tests/analysis/test_calibration.py::test_equal_signals_are_one_step_of_the_area_averaged_over_their_orders",
    ),
    Mutant(
        "the best area with right answers for wrong ones",
        "workbench/analysis/calibration.py",
        "_area(np.array([wrong, rows.height - wrong]), np.array([wrong, 0]))",
        "_area(np.array([rows.height - wrong, wrong]), np.array([0, wrong]))",
        "tests/analysis/test_calibration.py::test_a_useless_signal_of_two_values_has_the_error_rate_as_its_area_and_a_perfect_one_the_best",
    ),
    Mutant(
        "the calibration error with its noise",
        "workbench/analysis/calibration.py",
        "value = np.sqrt(max(raw - expected, 0.0))",
        "value = np.sqrt(max(raw, 0.0))",
        "tests/analysis/test_calibration.py::test_reliability_bins_hold_equally_many_and_the_error_is_their_gap_less_its_noise",
    ),
    Mutant(
        "the bins' noise off by 10 %",
        "workbench/analysis/calibration.py",
        "np.sqrt(images / np.maximum(images - 1, 1)) / n",
        "0.9 * np.sqrt(images / np.maximum(images - 1, 1)) / n",
        "tests/analysis/test_calibration.py::test_reliability_bins_hold_equally_many_and_the_error_is_their_gap_less_its_noise",
    ),
    Mutant(
        "equal confidences parted by the order of rows",
        "workbench/analysis/calibration.py",
        'rank("average")',
        'rank("ordinal")',
        "tests/analysis/test_calibration.py::test_equal_confidences_are_in_one_bin_whatever_the_order_of_rows",
    ),
    Mutant(
        "overconfidence's interval at 80 %",
        "workbench/analysis/calibration.py",
        "cluster_robust.half_width(scatter, effective, rare, np.asarray(alone))",
        "cluster_robust.half_width(scatter, effective, rare, np.asarray(alone), 0.8)",
        "tests/analysis/test_calibration.py::test_the_calibration_error_s_interval_holds_a_gap_of_ten_points",
    ),
    Mutant(
        "a signal that is no number taken for one",
        "workbench/analysis/calibration.py",
        "pl.col(signal).is_finite()",
        "pl.col(signal).is_not_null()",
        "tests/analysis/test_calibration.py::test_what_is_no_number_is_no_score_and_what_was_left_out_is_counted",
    ),
    Mutant(
        "the AUROC's interval at 80 %",
        "workbench/analysis/calibration.py",
        "special.stdtrit(fewest - 1, 0.975)",
        "special.stdtrit(fewest - 1, 0.9)",
        "tests/test_references.py::test_the_auroc_s_standard_error_is_the_jackknife_s_where_an_image_s_answers_go_together",
    ),
    Mutant(
        "the AUROC of few errors by their scatter alone",
        "workbench/analysis/calibration.py",
        "min(1.0, _FIRM / fewest) ** 2",
        "min(1.0, 0.1 / fewest) ** 2",
        "tests/analysis/test_calibration.py::test_a_perfect_warning_of_a_dozen_errors_is_not_sure_to_be_perfect",
    ),
    Mutant(
        "signals of a capability that a run lacks",
        "workbench/analysis/calibration.py",
        '"entropy": not capabilities.latents',
        '"entropy": False',
        "tests/analysis/test_calibration.py::test_without_probabilities_there_is_no_score_and_what_was_left_out_is_counted",
    ),
    Mutant(
        "Wilson's interval at 90 %",
        "workbench/analysis/metrics.py",
        "NormalDist().inv_cdf(0.975)",
        "NormalDist().inv_cdf(0.95)",
        "tests/analysis/test_metrics.py::test_the_interval_of_eight_in_ten_is_the_published_one",
    ),
    Mutant(
        "hits over chance with their scatter about nothing",
        "workbench/analysis/traces.py",
        "((h - ratio * c) ** 2)",
        "((h - c) ** 2)",
        "tests/test_references.py::test_hits_over_chance_scatter_as_the_jackknife_of_images_says",
    ),
    Mutant(
        "random patches drawn with replacement",
        "workbench/analysis/patches.py",
        "1 - comb(self.cells - self.touched, count) / comb(self.cells, count)",
        "1 - (1 - self.chance) ** count",
        "tests/analysis/test_right_reason.py::test_chance_is_the_share_of_all_choices_of_as_many_patches_that_hit",
    ),
    Mutant(
        "wrong answers right for the right reason",
        "workbench/analysis/right_reason.py",
        'right_reason=pl.col("right") & hit',
        "right_reason=hit",
        "tests/analysis/test_right_reason.py::"
        "test_right_answers_that_point_at_the_defect_are_counted_beside_accuracy_and_chance",
    ),
    Mutant(
        "a region that holds for the very question that names it",
        "workbench/scoring/groundings.py",
        " and named.question_id != question_id",
        "",
        "tests/jobs/test_right_reason.py::"
        "test_a_run_without_patches_is_held_by_the_region_it_names_for_its_other_questions",
    ),
    Mutant(
        "answers that change wherever the picture is painted",
        "workbench/analysis/right_reason.py",
        'changed=pl.col("right_reason") & pl.col("changed")',
        'changed=pl.col("changed")',
        "tests/analysis/test_right_reason.py::"
        "test_painting_out_counts_right_answers_at_the_defect_that_change_beside_painting_elsewhere",
    ),
    Mutant(
        "chance as the mask's share of pixels",
        "workbench/analysis/patches.py",
        "int(grid.sum()), grid.size",
        "int(mask.sum()), mask.size",
        "tests/analysis/test_patches.py::test_taking_every_patch_hits_exactly_as_often_as_chance",
    ),
    Mutant(
        "a letter judged where it is not offered",
        "workbench/analysis/bias.py",
        'pl.col("choices") > place',
        'pl.col("choices") >= place',
        "tests/analysis/test_confusion.py::test_a_letter_is_judged_on_questions_that_offer_it",
    ),
    Mutant(
        "a night's exact test without the half of its own chance",
        "workbench/analysis/drift.py",
        "2 * (min(below, above) + at / 2)",
        "2 * (min(below, above) + at)",
        "tests/analysis/test_drift.py::test_with_one_stratum_the_exact_test_lies_between_fishers_two_readings",
    ),
    Mutant(
        "a distance read before all equal values were seen",
        "workbench/analysis/drift.py",
        "np.append(values[1:] != values[:-1], True)",
        "np.ones(len(values), bool)",
        "tests/analysis/test_drift.py::test_the_distances_of_two_samples_are_scipys",
    ),
    Mutant(
        "tonight's rate at its own mixture",
        "workbench/analysis/drift.py",
        'w=pl.col("share") / pl.col("here")',
        "w=pl.lit(1.0)",
        "tests/analysis/test_drift.py::test_another_mixture_of_products_is_no_change",
    ),
    Mutant(
        "strata that are not taken off tonight",
        "workbench/analysis/worsened.py",
        "x = tonight - (np.bincount(kind, tonight) / n)[kind]",
        "x = tonight - tonight.mean()",
        "tests/analysis/test_worsened.py::test_a_change_is_the_slope_of_the_regression_within_strata",
    ),
    Mutant(
        "the budget's design effect upside down",
        "workbench/review/budget.py",
        "max(1.0, spread / alone)",
        "max(1.0, alone / spread)",
        "tests/review/test_budget.py::test_cases_that_err_together_count_as_one_in_the_design_effect",
    ),
    Mutant(
        "chances as the regression has them, the highest too high",
        "workbench/review/budget.py",
        "return slope * weights, slope * intercept + offset",
        "return weights, intercept",
        "tests/review/test_budget.py::test_the_cases_with_the_highest_chances_are_wrong_about_as_often_as_they_say",
    ),
    Mutant(
        "a case foretold by its own half",
        "workbench/review/budget.py",
        "(judged_half == 1, judged_half == 0)",
        "(judged_half == 0, judged_half == 1)",
        "tests/review/test_budget.py::test_an_image_is_never_told_by_its_own_cases",
    ),
    Mutant(
        "errors left with those caught among them",
        "workbench/review/budget.py",
        "float(chances.sum()) - expected",
        "float(chances.sum())",
        "tests/review/test_budget.py::test_a_batch_is_forecast_of_its_own_cases_and_a_case_drawn_at_random_is_no_likely_one",
    ),
    Mutant(
        "a budget without its audit lane",
        "workbench/review/disputes.py",
        "waiting.first(count, rules.AUDIT_SHARE)",
        "waiting.first(count, 0.0)",
        "tests/review/test_sending.py::test_a_budget_is_forecast_of_the_very_tasks_that_are_sent",
    ),
    Mutant(
        "contradictions as sure as the surer answer",
        "workbench/review/rules.py",
        "score = min(_number(",
        "score = max(_number(",
        "tests/review/test_rules.py::test_answers_of_one_image_that_contradict_each_other",
    ),
    Mutant(
        "the views of a piece as so many pictures in the alarms' interval",
        "workbench/analysis/intervals.py",
        'shared = pl.col("cluster_id").is_not_null() & (n > 1)',
        'shared = pl.col("cluster_id").is_not_null() & (n < 0)',
        "tests/analysis/test_alarms.py::test_the_views_of_a_piece_are_one_in_the_alarms_interval",
    ),
    Mutant(
        "a picture called defective only where all its answers are alarms",
        "workbench/analysis/alarms.py",
        'defective=(outcome == "alarm").any()',
        'defective=(outcome == "alarm").all()',
        "tests/analysis/test_alarms.py::test_two_runs_disagree_on_pictures_that_one_alone_calls_defective",
    ),
    Mutant(
        "pictures of one serial as pieces of their own",
        "warehouse/identity.py",
        "    if entry.serial is None:\n",
        "    if entry.path:\n",
        "tests/archive/test_archive_sidecar.py::test_pictures_of_one_piece_and_copies_of_one_picture_are_one_cluster",
    ),
    Mutant(
        "each row as a cluster of its own",
        "workbench/analysis/image_groups.py",
        'cluster, clusters = _dense(_codes(rows["cluster_id"])[0])',
        "cluster, clusters = np.arange(rows.height), rows.height",
        "tests/analysis/test_clusters.py::test_three_copies_of_every_picture_narrow_no_interval",
    ),
    Mutant(
        "a chart's reference as sure as if its mean were known",
        "workbench/analysis/control_chart.py",
        "allowance = _ALLOWANCE + _NINE_IN_TEN * np.sqrt(",
        "allowance = _ALLOWANCE + 0.0 * np.sqrt(",
        "tests/analysis/test_control_chart.py::test_fewer_reference_nights_make_a_chart_more_careful",
    ),
    Mutant(
        "a chart's alarm over after a night or two",
        "workbench/analysis/control_chart.py",
        "            self.sum = _MENDING * design.limit\n",
        "            self.sum = design.limit\n",
        "tests/analysis/test_control_chart.py::"
        "test_an_alarm_says_since_when_stays_open_and_is_mended_only_after_many_usual_nights",
    ),
    Mutant(
        "the sampling of images taken for nights that differ",
        "workbench/analysis/control_chart.py",
        "(scatter - (nights - 1)) / (total",
        "scatter / (total",
        "tests/analysis/test_control_chart.py::"
        "test_spread_and_mean_are_those_of_the_nights_and_no_spread_is_seen_where_there_is_none",
    ),
    Mutant(
        "a night's value at its own mixture",
        "workbench/analysis/night_values.py",
        'reference["x"].mean() + (pl.col("share") * pl.col("above")).sum() / pl.col("share").sum()',
        'reference["x"].mean() + (pl.col("n") * pl.col("above")).sum() / pl.col("n").sum()',
        "tests/analysis/test_control_chart.py::test_a_night_with_another_mixture_has_the_value_of_the_reference",
    ),
    Mutant(
        "a night as sure as its number of images, whatever its mixture",
        "workbench/analysis/night_values.py",
        'effective=pl.col("share").sum() ** 2 / (pl.col("share") ** 2 / pl.col("n")).sum()',
        'effective=pl.col("n").sum().cast(pl.Float64)',
        "tests/analysis/test_control_chart.py::test_a_night_with_another_mixture_has_the_value_of_the_reference",
    ),
    Mutant(
        "signals that stay said to vanish without a cause",
        "workbench/analysis/causes.py",
        "(signal.name, signal.group, signal.value) not in left)",
        "(signal.name, signal.group, signal.value) in left)",
        "tests/analysis/test_causes.py::test_a_dark_camera_is_told_with_its_time_its_medians_and_what_vanishes_without_it",
    ),
    Mutant(
        "a change of pictures told by images in place of nights",
        "workbench/analysis/picture_changes.py",
        "variance = usual * (1 + 1 / len(means)) + within * max(0.0, 1 / len(now) - small)",
        "variance = within / len(now)",
        "tests/analysis/test_causes.py::test_nights_that_differ_by_themselves_have_seldom_a_change_of_pictures",
    ),
    Mutant(
        "a wager that knows the night it is placed on",
        "workbench/curation/e_process.py",
        "return np.cumsum(values, -1) - values",
        "return np.cumsum(values, -1)",
        "tests/curation/test_e_process.py::test_a_wager_is_settled_before_it_is_known_which_way_the_night_went",
    ),
    Mutant(
        "the whole share of a test over nights spent on better",
        "workbench/curation/e_process.py",
        "ON_BETTER, ON_WORSE = 0.75, 0.125",
        "ON_BETTER, ON_WORSE = 1.0, 0.125",
        "tests/curation/test_e_process.py::test_progress_is_said_as_a_share_of_the_evidence",
    ),
)
