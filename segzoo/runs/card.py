"""The model card of a run: what the network is, was trained on, scores and cannot do, in the form that hubs read.

The header follows the specification of the Hugging Face Hub, https://github.com/huggingface/hub-docs (`modelcard.md`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from segzoo.errors import DISTRIBUTION
from segzoo.reporting.pages import markdown
from segzoo.runs.config import Choice
from segzoo.runs.finished import Run
from segzoo.scoring.scores import explained, title

TASK = "image-segmentation"
HEADLINE = ("mean_iou", "mean_dice", "pixel_accuracy")
"""The scores of the header."""
OF_CLASSES = ("iou", "dice", "precision", "recall")
"""The scores of classes that are shown."""
IDENTIFIER = re.compile(r"[A-Za-z0-9.+-]+")
"""A licence that has an identifier, as those of SPDX."""

WORDS = {"true", "false", "yes", "no", "on", "off", "null"}
"""Texts that are other values in YAML."""


def card(run: Run) -> str:
    """The content of a run's README.md; the same for a run that is repeated with the same version."""
    config, info = run.config, run.info
    given = info.licence.lower() if IDENTIFIER.fullmatch(info.licence) else ""
    name = f"{config.model.name} on {config.dataset.name}"
    return markdown(
        "card.md",
        header="\n".join(_yaml(_header(run, name, given))),
        name=name,
        version=run.manifest["versions"].get(DISTRIBUTION, ""),
        classes=run.classes,
        config=config,
        info=info,
        given=given,
        scored=run.scored,
        splits=[["split", "images"], *([split, f"{len(ids):,}"] for split, ids in run.splits.items())],
        overall=[["score", "value"], *([title(key), _number(value)] for key, value in run.overall.items())],
        by_class=_by_class(run),
        definitions=[
            (title(key), explained(text, run.better.get(key)))
            for key, text in run.metrics["definitions"].items()
            if key in run.better
        ],
        seen=_seen(run),
        warnings=run.warnings,
        shape=(*run.frame.input_size, info.channels),
        training=_training(run),
    )


def _header(run: Run, name: str, licence: str) -> dict[str, Any]:
    """The metadata, in the order of the specification."""
    config, scores = run.config, {key: run.overall[key] for key in HEADLINE if run.overall.get(key) is not None}
    dataset = {"type": config.dataset.name, "name": config.dataset.name, "split": run.metrics["split"]}
    metrics = [{"type": key, "value": value, "name": title(key)} for key, value in scores.items()]
    return {
        **({"license": licence} if licence else {}),
        "library_name": "keras",
        "pipeline_tag": TASK,
        "tags": [TASK, "segzoo", config.model.name],
        "datasets": [config.dataset.name],
        "metrics": [*scores],
        "model-index": [
            {"name": name, "results": [{"task": {"type": TASK}, "dataset": dataset, "metrics": metrics}]},
        ],
    }


def _by_class(run: Run) -> list[list[str]]:
    shown = [key for key in OF_CLASSES if key in run.by_class]
    rows = [[label, *(_number(run.by_class[key].get(label)) for key in shown)] for label in run.classes]
    return [["class", *map(title, shown)], *rows]


def _seen(run: Run) -> str:
    """How the network sees images."""
    size = " x ".join(map(str, run.frame.image_size))
    if run.frame.view == "crop":
        return (
            f"It sees images at their own scale, in tiles of {size} pixels, so it does not know things of another size."
        )
    return f"It sees images resized to {size} pixels, where what is small may be lost."


def _training(run: Run) -> list[list[str]]:
    config = run.config
    rows = [[kind, _choice(getattr(config, kind))] for kind in ("model", "augmentation", "trainer", "loss")]
    numbers = {"epochs": len(run.history) or None, "steps": config.steps, "seconds": config.seconds, "seed": run.seed}
    rows += [[f"{name} begins with", weights.name] for name, weights in (config.starting_weights or {}).items()]
    return [["what", "value"], *rows, *([key, f"{value}"] for key, value in numbers.items() if value is not None)]


def _choice(choice: Choice) -> str:
    options = ", ".join(f"{key} = {value}" for key, value in choice.options.items())
    return f"{choice.name}{f' ({options})' if options else ''}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


def _yaml(value: Any, indent: str = "") -> Iterator[str]:
    """A table or list as lines of YAML; texts are quoted as JSON does, which YAML reads."""
    items = value.items() if isinstance(value, Mapping) else ((None, item) for item in value)
    for key, item in items:
        start = f"{indent}{key}:" if key is not None else f"{indent}-"
        if not isinstance(item, Mapping | list):
            yield f"{start} {item if _plain(item) else json.dumps(item, ensure_ascii=False)}"
        elif key is not None:
            yield start
            yield from _yaml(item, indent if isinstance(item, Sequence) else f"{indent}  ")
        else:
            first, *others = _yaml(item, f"{indent}  ")
            yield f"{start} {first.lstrip()}"
            yield from others


def _plain(value: Any) -> bool:
    """Whether a value is a text that YAML reads as it is, without quotes."""
    return isinstance(value, str) and re.fullmatch(r"[a-z][a-z_-]*[a-z]", value) is not None and value not in WORDS
