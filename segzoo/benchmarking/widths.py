"""The widths at which models are compared, found in a process of its own: `python -m segzoo.benchmarking.widths OUT`.

It builds networks, and a process that has TensorFlow at work would keep a GPU from the cells.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from segzoo.benchmarking.plan import Plan, read_plan
from segzoo.errors import SegzooError
from segzoo.processes.terminal import quiet
from segzoo.runs.experiment import resolve


def matched(plan: Plan) -> Plan:
    """The plan with the widths at which each model has about as many parameters as the baseline, on each dataset.

    Raises:
        SegzooError: if a network cannot be built.
    """
    from segzoo.benchmarking.matching import match_parameters

    widths: dict[str, dict[str, dict[str, Any]]] = {}
    notes: dict[str, dict[str, str]] = {}
    definition = plan.definition
    for dataset in definition.datasets:
        experiments = {one.label: resolve(definition.config(dataset, one)) for one in definition.models}
        models = {label: (one.config.model.name, one.model) for label, one in experiments.items()}
        first = experiments[definition.baseline]
        size = first.config.image_size or first.info.image_size
        found = match_parameters(models, definition.baseline, first.info.channels, len(first.info.classes), size)
        notes[dataset.label] = {label: match.note for label, match in found.items()}
        widths[dataset.label] = {
            label: {match.model.width: getattr(match.model, match.model.width)} if match.model.width else {}
            for label, match in found.items()
        }
    return replace(plan, widths=widths, notes=notes)


def main() -> None:
    """Add the widths to a benchmark's `benchmark.toml`."""
    out = Path(sys.argv[1])
    try:
        with quiet():
            plan = matched(read_plan(out))
        plan.write(out)
    except SegzooError as error:
        print(f"segzoo: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
