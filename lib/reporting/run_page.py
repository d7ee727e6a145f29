"""A training run as one page that needs nothing else: score, curves, classes, confusions, pictures, recipe, session.

    html = page(RunReport(competition, recipe, summary, rows, gradients, pictures))

It goes by what a run leaves: `summary` is summary.json, `rows` are those of metrics.csv, `gradients` of gradients.csv,
with numbers or None. A run that is not over has no pictures, and before its first validation neither score nor curves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lib.competitions import Competition
from lib.recipe import Recipe
from lib.recipe.layers import leaves
from lib.reporting.curves import DOTS, Line, draw
from lib.reporting.gallery import Picture
from lib.reporting.pages import matrix, swatches, template

MOST_LINES = 12
"""Classes that have a curve of their own, those with most pixels in the truth; and blocks of the network."""

GUESSES = {"empty": "nothing predicted", "majority": "majority class everywhere"}


@dataclass(frozen=True)
class RunReport:
    """All that a page shows of a run."""

    competition: Competition
    recipe: Recipe
    summary: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]] = ()
    gradients: Sequence[Mapping[str, Any]] = ()
    pictures: Sequence[Picture] = ()
    facts: Mapping[str, object] = field(default_factory=dict)
    """What else is told of the session, by name."""


def page(report: RunReport) -> str:
    """The page's HTML, without any reference to a network or to another file."""
    summary, competition, recipe = report.summary, report.competition, report.recipe
    metric, classes = summary.get("metric"), _classes(report)
    changed, usual = _settings(recipe)
    return template("run.html.j2", duration=_duration).render(
        summary=summary,
        metric=metric,
        title=competition.title or competition.name,
        label=competition.metric.label,
        recipe=recipe,
        guesses=GUESSES,
        classes=classes,
        present=[row["name"] for row in classes if row["truth"] or row["predicted"]],
        swatches=swatches(competition),
        charts=_charts(report),
        blocks=_blocks(report),
        matrix=matrix(summary.get("table")),
        worst=sorted((one for one in report.pictures if one.kind == "worst"), key=lambda one: one.score),
        best=sorted((one for one in report.pictures if one.kind == "best"), key=lambda one: -one.score),
        changed=changed,
        usual=usual,
        facts=report.facts,
        sessions=summary.get("sessions", []),
        gpu_hours=sum(one["seconds"] for one in summary.get("sessions", []) if one["gpus"]) / 3600,
        command=_next(summary),
    )


def _next(summary: Mapping[str, Any]) -> str:
    if summary.get("finished"):
        return "python submit.py --run RUN"
    return "python launch.py --resume RUN"


def _classes(report: RunReport) -> list[dict[str, Any]]:
    """The class table at the best epoch, each with its score by the rule, what the majority guess has, its own best."""
    rows = list(report.summary.get("classes") or [])
    everything = sum(row["truth"] for row in rows)
    per_class = (report.summary.get("metric") or {}).get("per_class", {})
    exclusive = bool(report.summary.get("table")) and everything
    most = max(rows, key=lambda row: row["truth"])["name"] if exclusive else None
    found = []
    for row in rows:
        own = [(value, line["epoch"]) for line in report.rows if (value := line.get(f"iou:{row['name']}")) is not None]
        peak = max(own, key=lambda item: item[0]) if own else None
        guess = (row["truth"] / everything if row["name"] == most else 0.0) if exclusive and row["truth"] else None
        more = {"score": per_class.get(row["name"]), "share": row["truth"] / everything if everything else None}
        found.append(dict(row) | more | {"guess": guess, "peak": peak})
    return found


def _charts(report: RunReport) -> list[dict[str, Any]]:
    """The curves that there is anything of."""
    rows, epochs = report.rows, max(1, report.recipe.train.epochs)
    metric = report.summary.get("metric") or {}

    def line(key: str, name: str | None = None, colour: str | None = None, times: float = 1) -> Line:
        points = [(row["epoch"], None if row.get(key) is None else times * row[key]) for row in rows]
        return Line(name or key, points, colour)

    guesses = [Line(GUESSES[name], (), level=value) for name, value in metric.get("baselines", {}).items() if value > 0]
    rates = sorted({key for row in rows for key in row if key.startswith("lr:")})
    charts = [
        draw("Loss", [line("loss", "training loss")], epochs, note="The epoch's mean."),
        draw(report.competition.metric.label, [line("metric", "validation"), *guesses], epochs, form=".4f"),
        draw("Classes: IoU", _by_class(report, line), epochs, form=".3f", note=_left_out(report)),
        draw("Mean IoU and accuracy", [line("miou", "mean IoU"), line("accuracy")], epochs, form=".4f"),
        draw("Learning rate", [line(key, key[3:]) for key in rates] or [line("lr", "learning rate")], epochs),
        draw("Speed", [line("images_per_s", "images/s")], epochs, form=".1f", floor=0),
        draw("Waiting for data", [line("data_wait", "% of the time", times=100)], epochs, form=".1f", floor=0),
        draw(
            "Gradient norm",
            [line("grad_norm", "mean"), line("grad_norm_max", "largest")],
            epochs,
            log=True,
            note=f"Before it is clipped at {report.recipe.train.clip:g}." if report.recipe.train.clip else "",
        ),
    ]
    return [chart for chart in charts if chart]


def _by_class(report: RunReport, line: Any) -> list[Line]:
    colours = swatches(report.competition)
    return [line(f"iou:{name}", name, colours[name]) for name in _with_curves(report)]


def _with_curves(report: RunReport) -> list[str]:
    """Names of the classes that have a curve, in the competition's order."""
    truth = {row["name"]: row["truth"] for row in report.summary.get("classes") or []}
    ranked = sorted(report.competition.names, key=lambda name: -truth.get(name, 0))[:MOST_LINES]
    return [name for name in report.competition.names if name in ranked]


def _left_out(report: RunReport) -> str:
    more = len(report.competition.names) - MOST_LINES
    return f"The {MOST_LINES} classes with most pixels; metrics.csv has the other {more}." if more > 0 else ""


def _blocks(report: RunReport) -> list[dict[str, Any]]:
    """Gradient norms and update ratios of the network's blocks; of many, some are shown, from first to last."""
    epochs = max(1, report.recipe.train.epochs)
    steps = max(1, report.summary.get("training", {}).get("steps_per_epoch") or 1)
    blocks = list(dict.fromkeys(row["block"] for row in report.gradients))
    apart = max(1.0, (len(blocks) - 1) / (MOST_LINES - 1))
    shown = [blocks[round(place * apart)] for place in range(min(len(blocks), MOST_LINES))]
    note = f"{len(shown)} of {len(blocks)} blocks; gradients.csv has all." if len(shown) < len(blocks) else ""
    charts = []
    for key, title in (("grad_norm", "Gradient norm"), ("update_ratio", "Update ratio")):
        lines = [
            Line(block, _points([row for row in report.gradients if row["block"] == block], key, steps), colour)
            for block, colour in zip(shown, _in_order(len(shown)), strict=True)
        ]
        charts.append(draw(title, lines, epochs, log=True, note=note, form=".2g"))
    return [chart for chart in charts if chart]


def _points(rows: Sequence[Mapping[str, Any]], key: str, steps: int) -> list[tuple[float, float | None]]:
    """A block's curve over the epochs; of a long run, the mean of each epoch."""
    points = [(row["step"] / steps, row[key]) for row in rows if row[key] is not None]
    if len(points) <= DOTS:
        return points
    epochs: dict[int, list[float]] = {}
    for epoch, value in points:
        epochs.setdefault(math.ceil(epoch), []).append(value)
    return [(epoch, sum(values) / len(values)) for epoch, values in epochs.items()]


def _in_order(count: int) -> list[str]:
    """Colours from blue to red, which are seen on white and on black."""
    return [f"hsl({230 - 225 * place / max(1, count - 1):.0f} 62% 52%)" for place in range(count)]


def _settings(recipe: Recipe) -> tuple[list[tuple[str, str, str]], list[tuple[str, str]]]:
    """Keys that differ from the defaults, with both values, and the others."""
    defaults, changed, usual = dict(leaves(Recipe().model_dump())), [], []
    for key, value in leaves(recipe.model_dump()):
        if value == defaults[key]:
            usual.append((key, _word(value)))
        else:
            changed.append((key, _word(value), _word(defaults[key])))
    return changed, usual


def _word(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_word, value)) or "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "auto" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _duration(seconds: float) -> str:
    """49s, 3m05s, 2h10m."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60}h{minutes % 60:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"
