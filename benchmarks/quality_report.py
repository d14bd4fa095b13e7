"""Tables and curves of what `time_to_quality.py` has measured."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from curves import Curve, Panel, svg
from measure import rounded, table

Record = dict[str, Any]
"""A side with a seed: a line of the file."""
Sitting = Mapping[str, Record]
"""The sides of a seed by their names: the first side, the recipes of segzoo, and PyTorch."""
Column = Callable[[Record, Sitting], float | None]
"""The figure of a side in a sitting, if it has one."""


def pages(records: Sequence[Record], folder: Path | None = None, losses: Sequence[float] = ()) -> str:
    """A section for each task, in Markdown; a picture of each goes to the folder, if there is one.

    The tables have a column for each of the losses: the time until a validation cross-entropy is as low.
    """
    tasks = list(dict.fromkeys(record["task"] for record in records))
    return "\n\n".join(page(task, [one for one in records if one["task"] == task], folder, losses) for task in tasks)


def page(task: str, records: Sequence[Record], folder: Path | None, losses: Sequence[float]) -> str:
    """Table, picture and origin of a task."""
    sittings: dict[str, dict[str, Record]] = {}
    for record in records:
        sittings.setdefault(record["sitting"], {})[record["side"]] = record
    drifts = [first_of(sitting)["drift"] for sitting in sittings.values()]
    parts = [
        f"## {task}",
        f"Means over seeds, with standard deviations. {first_of(first_of(sittings))['side']} trains first, and the "
        "others as long as that took. An epoch more of it at the end took "
        f"{min(drifts):.2f} to {max(drifts):.2f} times as long as before.",
        quality_table(list(sittings.values()), losses),
    ]
    if folder:
        path = folder / f"{re.sub(r'[^a-z0-9]+', '-', task.lower()).strip('-')}.svg"
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(picture(records), "utf-8")
        parts.append(f"![Validation cross-entropy and mean IoU over time]({path.name})")
    return "\n\n".join([*parts, *dict.fromkeys(record["origin"] for record in records)])


def quality_table(sittings: Sequence[Sitting], losses: Sequence[float]) -> str:
    """A row for each side, over all sittings that have it."""
    columns = {**COLUMNS, **{f"time to {loss:g}, of the first row's whole time": share_to(loss) for loss in losses}}
    names = dict.fromkeys(name for sitting in sittings for name in sitting)
    rows = []
    for name in names:
        having = [sitting for sitting in sittings if name in sitting]
        cells = [cell([value(sitting[name], sitting) for sitting in having]) for value in columns.values()]
        rows.append([", ".join(filter(None, [name, having[0][name]["how"]])), str(len(having)), *cells])
    return table(["training", "seeds", *columns], rows)


def cell(values: Sequence[float | None]) -> str:
    """Mean and standard deviation; or of how many there is no value."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return f"never for {len(values) - len(known)}"
    sd = f" (sd {rounded(statistics.stdev(known), 2)})" if len(known) > 1 else ""
    return f"{rounded(statistics.fmean(known), 3)}{sd}"


def first_of(sitting: Mapping[str, Any]) -> Any:
    """The side that the others are measured by."""
    return next(iter(sitting.values()))


def best(record: Record) -> Mapping[str, float]:
    """The epoch with the lowest validation cross-entropy."""
    return min(record["epochs"], key=lambda epoch: epoch["val_loss"])


def time_to(loss: float, record: Record) -> float | None:
    """Seconds of training to the end of the first epoch that validates so well."""
    times = accumulate(epoch["seconds"] for epoch in record["epochs"])
    reached = zip(times, record["epochs"], strict=True)
    return next((time for time, epoch in reached if epoch["val_loss"] <= loss), None)


def share_to_best(record: Record, sitting: Sitting) -> float | None:
    """The time to the first side's best, of that side's."""
    first = first_of(sitting)
    target = best(first)["val_loss"]
    time, its_time = time_to(target, record), time_to(target, first)
    return time / its_time if time and its_time else None


def share_of_all(record: Record, sitting: Sitting) -> float | None:
    """The time to the first side's best, of all that it trains."""
    return share_to(best(first_of(sitting))["val_loss"])(record, sitting)


def share_to(loss: float) -> Column:
    """The time to a loss, of all that the first side trains."""

    def share(record: Record, sitting: Sitting) -> float | None:
        time = time_to(loss, record)
        return time / sum(epoch["seconds"] for epoch in first_of(sitting)["epochs"]) if time else None

    return share


def speed(record: Record) -> float:
    """Images a second in the last quarter of the epochs: the first one compiles, and in others images may be small."""
    epochs = record["epochs"][-max(1, len(record["epochs"]) // 4) :]
    return float(sum(epoch["images"] for epoch in epochs) / sum(epoch["seconds"] for epoch in epochs))


def advantage(record: Record, sitting: Sitting) -> float:
    """How many times as fast the first recipe is."""
    ours = list(sitting.values())[1]
    return speed(ours) / speed(record)


COLUMNS: Mapping[str, Column] = {
    "validation cross-entropy, best epoch": lambda record, _: best(record)["val_loss"],
    "mean IoU of that epoch": lambda record, _: best(record)["mean_iou"],
    "validation cross-entropy, last epoch": lambda record, _: record["epochs"][-1]["val_loss"],
    "mean IoU of the last epoch": lambda record, _: record["epochs"][-1]["mean_iou"],
    "time to the best loss of the first row, of the first row's": share_to_best,
    "the same, of the whole time": share_of_all,
    "epochs": lambda record, _: len(record["epochs"]),
    "images/s in the last quarter": lambda record, _: speed(record),
    "the second row is so many times as fast": advantage,
    "before the first step, s": lambda record, _: record["before"],
}


def picture(records: Sequence[Record]) -> str:
    """Both curves of all seeds over the time of the first side."""
    whole = {one["sitting"]: sum(epoch["seconds"] for epoch in one["epochs"]) for one in records if one["first"]}
    axis = f"training time, as a share of that of {next(one['side'] for one in records if one['first'])}"
    panels = []
    for title, key in (("validation cross-entropy", "val_loss"), ("mean IoU", "mean_iou")):
        curves: dict[str, list[Curve]] = {}
        for record in records:
            times = accumulate(epoch["seconds"] / whole[record["sitting"]] for epoch in record["epochs"])
            values = [epoch[key] for epoch in record["epochs"]]
            curves.setdefault(record["side"], []).append(list(zip(times, values, strict=True)))
        panels.append(Panel(title, axis, curves, losses=key == "val_loss"))
    return svg(panels)
