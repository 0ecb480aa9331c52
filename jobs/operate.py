"""`workbench operate`: what a threshold on a run's scores costs, and which one to take."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from jobs.options import RUN_HELP, Author, Data, Json, Truth, actor, output_file

if TYPE_CHECKING:
    import polars as pl

    from warehouse.records.scoring import Run
    from warehouse.records.thresholds import Threshold
    from workbench.analysis.operating_report import OperatingReport


def command(
    run: Annotated[str, typer.Argument(help=RUN_HELP)],
    signal: Annotated[
        Literal["defect probability", "comparison", "claim"] | None,
        typer.Option(help="What a threshold is set on (default: the first that the run has).", show_default=False),
    ] = None,
    product: Annotated[str | None, typer.Option(help="Only this product.", show_default=False)] = None,
    camera: Annotated[str | None, typer.Option(help="Only this camera.", show_default=False)] = None,
    prevalence: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of defective parts (default: the audited one, else the set's own)."),
    ] = None,
    cost_escape: Annotated[float, typer.Option(min=0, help="Of a defective part that is called good.")] = 100.0,
    cost_overkill: Annotated[float, typer.Option(min=0, help="Of a good part that is called defective.")] = 1.0,
    escape_at_most: Annotated[
        float | None, typer.Option(min=0, max=1, help="Choose by this escape rate, not by cost.", show_default=False)
    ] = None,
    overkill_at_most: Annotated[
        float | None, typer.Option(min=0, max=1, help="Choose by this overkill rate, not by cost.", show_default=False)
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="Judge this threshold.", show_default=False)] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Write the scores as FILE.parquet or FILE.csv.", callback=output_file),
    ] = None,
    save: Annotated[
        bool, typer.Option("--save", help="Keep the threshold as the next version; stored answers stay as they are.")
    ] = False,
    rollback: Annotated[
        int | None,
        typer.Option(min=0, help="Go back to this version's value; 0: the answers' own claims.", show_default=False),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; kept with the version.")] = "",
    author: Author = None,
    truth: Truth = "archive",
    data: Data = None,
    json_: Json = False,
) -> None:
    """Print a run's operating point: ranking, threshold, escape against overkill at what they cost, parts needed.

    Example: workbench operate RUN --prevalence 0.001 --cost-escape 500
    """
    from warehouse.bounded import same_name
    from warehouse.queries.run_notes import RunNotes
    from warehouse.queries.thresholds import Thresholds
    from warehouse.store import Store
    from workbench import settings
    from workbench.review import operating
    from workbench.review.operating import OperatingRequest
    from workbench.scoring import map_metrics

    numbers = (prevalence, cost_escape, cost_overkill, escape_at_most, overkill_at_most, threshold)
    if not all(each is None or math.isfinite(each) for each in numbers):
        raise typer.BadParameter("costs, rates and thresholds are finite numbers")
    if sum(each is not None for each in (escape_at_most, overkill_at_most, threshold)) > 1:
        raise typer.BadParameter("choose by --escape-at-most, by --overkill-at-most or by --threshold, not by several")
    if save and rollback is not None:
        raise typer.BadParameter("either --save a threshold or --rollback to a version")
    store = Store(settings.data_folder(data))
    found = RunNotes(store.data).run(run)
    product, camera = (None if each is None else same_name(each) for each in (product, camera))
    request = OperatingRequest(
        signal, product, camera, prevalence, cost_escape, cost_overkill, escape_at_most, overkill_at_most, threshold,
        truth,
    )  # fmt: skip
    result = operating.find(store, found, request)
    if output is not None:
        _write(result.scores, result.report, output)
    saved = None
    if save:
        saved = operating.save(store, found, request, result, reason, actor=actor(author))
    elif rollback is not None:
        saved = Thresholds(store.data).rollback(
            result.report.signal, product or "", camera or "", rollback, reason, actor=actor(author)
        )
    versions = [*([saved] if saved else []), *result.versions]
    pixels = map_metrics.of_run(store, found, result.scores)
    if json_:
        stated = {
            "run": run,
            "pixels": asdict(pixels) if pixels else None,
            "truth": truth,
            "product": product,
            "camera": camera,
            **result.report.as_dict(),
        }
        typer.echo(json.dumps({**stated, "versions": [asdict(each) for each in versions]}, indent=1, default=str))
        return
    _show(found, result.report)
    if pixels is not None:
        areas = (("AUROC", pixels.auroc), ("AUPRO", pixels.aupro), ("mean AUPIMO", pixels.aupimo))
        said = ", ".join(f"{name} {'not enough pixels' if area is None else f'{area:.3f}'}" for name, area in areas)
        typer.echo(f"Pixels of the comparison's maps, on at most {map_metrics.MOST} pictures of each kind: {said}.")
    _show_versions(versions, result.normals)
    if saved is not None:
        typer.echo(f"saved as version {saved.version}")


def _write(scores: pl.DataFrame, report: OperatingReport, output: Path) -> None:
    """The scores with what the threshold calls them and the fold of their piece, for other programs."""
    from warehouse import file_permissions
    from warehouse.errors import Refused
    from workbench.analysis import operating_point

    rows = operating_point.called(scores, report.point.threshold)
    rows = rows.with_columns(fold=operating_point.folds(rows["cluster_id"]))
    with file_permissions.users_umask():
        if output.suffix == ".parquet":
            rows.write_parquet(output)
        elif output.suffix == ".csv":
            rows.write_csv(output)
        else:
            raise Refused(f"{output} ends in {output.suffix or 'nothing'}; name a file that ends in .parquet, .csv")


def _show(run: Run, report: OperatingReport) -> None:
    from rich.table import Table

    from jobs import screen
    from workbench import wording
    from workbench.analysis import operating_report

    model = screen.DEMO if run.demo else run.model
    typer.echo(f"operating point of {run.run_id} ({model}), signal: {report.signal}")
    for sentence in operating_report.sentences(report):
        typer.echo(sentence)
    console = screen.stdout()
    if report.groups.height:
        table = Table(
            "product", "camera", "good", "defective", "AUROC", "escape, %", "overkill, %",
            title="By product and camera at this threshold; 95 % intervals by piece", title_justify="left",
        )  # fmt: skip
        for row in report.groups.iter_rows(named=True):
            area = "not enough" if row["auroc"] is None else _interval(row, "auroc", 1.0, 3)
            rates = (_interval(row, name, 100.0, 1) for name in ("escape", "overkill"))
            good = row["images"] - row["defective"]
            table.add_row(row["product"], row["camera"] or "-", f"{good:,}", f"{row['defective']:,}", area, *rates)
        console.print(table)
    if report.causes.height:
        table = Table("product", "defect", "escapes", "overkills", "of the cost", "together", title="Where the cost is")
        for row in report.causes.head(10).iter_rows(named=True):
            shares = (wording.percent(row[name]) for name in ("share", "cumulative"))
            table.add_row(row["product"], row["defect"], f"{row['escapes']:,}", f"{row['overkills']:,}", *shares)
        console.print(table)
    for rows, title in (
        (report.by_size, "share of the picture"),
        (report.by_defect_contrast, "contrast of the defect with what is around it"),
        (report.by_contrast, "contrast of the picture"),
    ):
        if rows.height:
            table = Table(title, "defective", "recall, %", title=f"Recall by {title}", title_justify="left")
            for row in rows.iter_rows(named=True):
                ends = f"{row['smallest']:.3g} to {row['largest']:.3g}"
                table.add_row(ends, f"{row['n']:,}", _interval(row | _renamed(row), "recall", 100.0, 1))
            console.print(table)
    if report.nights.height:
        table = Table("night", "pictures", "called by its answers", "by this threshold", "by both", title="Last nights")
        for row in report.nights.iter_rows(named=True):
            counts = (f"{row[name]:,}" for name in ("images", "called_by_answers", "called_by_threshold", "both"))
            table.add_row(row["night"], *counts)
        console.print(table)


def _show_versions(versions: Sequence[Threshold], normals: str | None) -> None:
    from rich.table import Table

    from jobs import screen

    if not versions:
        return
    table = Table("version", "threshold", "method", "saved", "by", "why", title="Saved thresholds, the newest holds")
    for each in versions:
        value = "the answers' claims" if each.value is None else f"{each.value:.6g}"
        when = f"{each.saved_at:%Y-%m-%d %H:%M} UTC"
        table.add_row(str(each.version), value, each.method, when, each.author, screen.harmless(each.reason))
    screen.stdout().print(table)
    if versions[0].normals != normals:
        typer.echo("note: the newest version was chosen with other normal pictures than this run was compared with")


def _renamed(row: dict[str, float]) -> dict[str, float]:
    return {"recall_low": row["low"], "recall_high": row["high"]}


def _interval(row: dict[str, float | None], name: str, times: float, digits: int) -> str:
    value, low, high = (row[key] for key in (name, f"{name}_low", f"{name}_high"))
    if value is None or low is None or high is None:
        return "-"
    return f"{times * value:.{digits}f} ({times * low:.{digits}f}-{times * high:.{digits}f})"
