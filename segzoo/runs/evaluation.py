"""What an evaluation has scored, and how: the content of its `evaluation.json`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from segzoo.runs.config import Choice

UNKNOWN = Choice(name="unknown")
"""The trainer and the loss of networks and masks that no run has made."""


class Evaluation(BaseModel):
    """What was evaluated, and how. Folders are relative to that of the evaluation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str | None = None
    """The folder of the run whose network it was."""
    network: str | None = None
    """SHA-256 of the file of the network, or of the weights of one that was in no file."""
    predictions: str | None = None
    """The folder of the masks that another tool has made."""
    tta: str | None = None
    """The test-time augmentation."""
    classes: dict[str, str] = Field(default={})
    """Classes of the network for those of the dataset that are called otherwise."""

    def options(self) -> dict[str, Any]:
        """What decides the scores beside the network and the data."""
        return self.model_dump(include={"tta", "classes"}, exclude_defaults=True)
