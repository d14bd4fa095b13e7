"""Model cards of runs: their header as hubs read it, and what they say of a network."""

import re

import numpy as np
import pytest
import yaml
from stored_runs import change, write_run

import segzoo
from segzoo.files.tables import csv_text
from segzoo.reporting.pages import escaped
from segzoo.runs.card import card


def stored(folder, **options):
    """A finished run that was written by hand."""
    write_run(folder, [0.25, 0.75], **options)
    ids = {"train": 1200, "val": 2, "test": 2}
    rows = [{"id": f"{split}/{number}", "split": split} for split, count in ids.items() for number in range(count)]
    (folder / "splits.csv").write_text(csv_text(rows), "utf-8")
    return folder


def licensed(folder, licence):
    path = folder / "manifest.json"
    change(path, dataset=segzoo.open_run(folder).manifest["dataset"] | {"licence": licence})
    return card(segzoo.open_run(folder))


def header(text):
    """The metadata at the top of a card."""
    assert text.startswith("---\n")
    return yaml.safe_load(text[4:].partition("\n---\n")[0])


def test_a_run_ends_with_its_card(trained):
    text = (trained.folder / "README.md").read_text("utf-8")
    assert text == card(trained)
    results = [
        {
            "task": {"type": "image-segmentation"},
            "dataset": {"type": "shapes", "name": "shapes", "split": "test"},
            "metrics": [
                {"type": key, "value": trained.metrics[key], "name": name}
                for key, name in {
                    "mean_iou": "mean IoU",
                    "mean_dice": "mean Dice",
                    "pixel_accuracy": "pixel accuracy",
                }.items()
            ],
        }
    ]
    assert header(text) == {
        "license": "apache-2.0",
        "library_name": "keras",
        "pipeline_tag": "image-segmentation",
        "tags": ["image-segmentation", "segzoo", "unet"],
        "datasets": ["shapes"],
        "metrics": ["mean_iou", "mean_dice", "pixel_accuracy"],
        "model-index": [{"name": "unet on shapes", "results": results}],
    }
    assert "one of 4 classes: background, circle, square, triangle." in text
    assert f"| circle | {trained.metrics['iou']['circle']:.4f} |" in text
    assert trained.warnings
    assert [sentence for sentence in trained.warnings if f"- Warning: {escaped(sentence)}." not in text] == []
    assert "It sees images resized to 20 x 24 pixels" in text


def test_the_lines_for_python_give_classes(trained, monkeypatch):
    monkeypatch.chdir(trained.folder)
    (code,) = re.findall(r"```python\n(.*?)```", (trained.folder / "README.md").read_text("utf-8"), re.DOTALL)
    names = {}
    exec(code, names)
    assert names["classes"].shape == (20, 24)
    assert np.isfinite(names["logits"]).all()


@pytest.mark.parametrize(
    ("licence", "given", "said"),
    [
        ("CC-BY-SA-4.0", "cc-by-sa-4.0", "Licence of the data: CC-BY-SA-4.0. The header gives the network the same"),
        ("ask the hospital", None, "Licence of the data: ask the hospital. The header names none"),
        ("", None, "The dataset states no licence."),
    ],
)
def test_the_licence_is_that_which_the_dataset_states(tmp_path, licence, given, said):
    text = licensed(stored(tmp_path / "run"), licence)
    assert header(text).get("license") == given
    assert said in text


def test_names_and_options_of_any_kind_are_shown_as_they_are(tmp_path):
    classes = ("*ring* | {{ 1 }}", "no", "<b>: [sky]")
    folder = stored(tmp_path / "run", model="null", classes=classes, dataset={"name": "a: b #c"})
    change(folder / "metrics.json", mean_dice=None)
    change(folder / "manifest.json", network=segzoo.open_run(folder).manifest["network"] | {"view": "crop"})
    text = card(segzoo.open_run(folder))
    table = header(text)
    assert (table["tags"][2], table["datasets"]) == ("null", ["a: b #c"])
    assert table["metrics"] == ["mean_iou", "pixel_accuracy"]
    assert r"| \*ring\* \| {{ 1 }} | 0.5000 |" in text
    assert r"&lt;b&gt;: \[sky\] | none |" in text
    assert "| train | 1,200 |" in text
    assert "in tiles of 8 x 8 pixels" in text
