"""What has been predicted into a folder, read again by the next process, whatever the last one has left."""

import json
import os

import pytest

from segzoo.errors import ConfigError
from segzoo.inference.record import Table, prediction_folder

FACTS = {"networks": ["abc"], "frame": (20, 24), "overlap": 0.25}
ROWS = [{"page": 0, "pixels": 12}, {"page": 1, "pixels": 3}]


def table(folder):
    return Table(folder / "table.csv", ["page", "pixels"])


@pytest.fixture
def written(tmp_path):
    """A table of three files."""
    new = table(tmp_path)
    new.tidy()
    for file in ("b.png", 'odd, "name"\n.tif', "a.png"):
        new.append(file, ROWS)
    return tmp_path / "table.csv"


def test_a_table_is_read_as_it_was_written(tmp_path, written):
    again = table(tmp_path)
    assert list(again) == ["b.png", 'odd, "name"\n.tif', "a.png"]
    expected = [{"file": 'odd, "name"\n.tif', "page": "0", "pixels": "12"}]
    assert again.rows('odd, "name"\n.tif')[:1] == expected
    before = written.read_bytes()
    again.tidy()
    assert written.read_bytes() == before


def test_wherever_a_line_is_torn_the_rows_before_it_are_kept(tmp_path, written):
    whole = written.read_bytes()
    rows = whole.count(b"\n") - 2 - 1  # of which two are in a name
    for end in range(len(whole)):
        written.write_bytes(whole[:end])
        again = table(tmp_path)
        found = [row for file in again for row in again.rows(file)]
        assert len(found) <= rows
        assert again_is_a_beginning(found, whole[:end])
        again.tidy()
        again.append("c.png", ROWS)
        assert [row["file"] for row in table(tmp_path).rows("c.png")] == ["c.png", "c.png"]


def again_is_a_beginning(found, torn):
    """Whether these are the rows before the last end of a line that ends a row."""
    complete = torn.decode().replace('"odd, ""name""\n.tif"', "odd").split("\n")[1:-1]
    plain = [tuple(row.split(",")[1:]) for row in complete if row.count(",") == 2]
    return [(row["page"], row["pixels"]) for row in found] == plain


def test_damage_in_the_middle_costs_what_comes_after_it(tmp_path, written):
    lines = written.read_bytes().splitlines(keepends=True)
    written.write_bytes(b"".join([lines[0], b"b.png,0\n", *lines[2:3], b'"', *lines[3:]]))
    assert [table(tmp_path).rows(file) for file in table(tmp_path)] == [[{"file": "b.png", "page": "1", "pixels": "3"}]]


def test_a_name_that_is_no_text_is_read_as_it_was_written(tmp_path):
    name = os.fsdecode(b"\xff.png")
    new = table(tmp_path)
    new.tidy()
    new.append(name, ROWS)
    table(tmp_path).tidy()
    assert table(tmp_path).rows(name)[1]["file"] == name


def test_files_are_put_in_order_and_others_stay_before_them(tmp_path, written):
    known = table(tmp_path)
    known.remove("nothing.png")
    known.tidy(["a.png", "c.png", "b.png"])
    assert list(table(tmp_path)) == ['odd, "name"\n.tif', "a.png", "b.png"]
    known.remove("a.png")
    known.tidy()
    assert list(table(tmp_path)) == ['odd, "name"\n.tif', "b.png"]


def test_a_folder_keeps_what_was_predicted_with(tmp_path):
    out = tmp_path / "deep" / "out"
    for _ in range(2):
        with prediction_folder(out, FACTS):
            assert json.loads((out / "prediction.json").read_text()) == FACTS | {"frame": [20, 24]}
    assert [path.name for path in out.iterdir()] == ["prediction.json"]


def test_other_networks_or_options_are_named(tmp_path):
    with prediction_folder(tmp_path / "out", FACTS):
        pass
    message = r'made otherwise: networks was \["abc"\] and is \["abd"\]; overlap was 0.25 and is not given; '
    with (
        pytest.raises(ConfigError, match=message),
        prediction_folder(tmp_path / "out", FACTS | {"networks": ["abd"], "overlap": None}),
    ):
        pass


def test_a_folder_of_other_things_is_refused_but_what_a_killed_process_has_left_is_not(tmp_path):
    (tmp_path / ".0123abcd-prediction.json").touch()
    (tmp_path / ".lock").touch()
    with prediction_folder(tmp_path, FACTS):
        assert {path.name for path in tmp_path.iterdir()} == {".lock", "prediction.json"}
    (tmp_path / "prediction.json").unlink()
    (tmp_path / "letter.txt").touch()
    with (
        pytest.raises(ConfigError, match="holds no predictions; choose another --out"),
        prediction_folder(tmp_path, FACTS),
    ):
        pass


def test_what_cannot_be_written_or_read_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot write to .*file"), prediction_folder(tmp_path / "file", FACTS):
        pass
    for text in ("{", "[]"):
        (tmp_path / "prediction.json").write_text(text)
        with pytest.raises(ConfigError, match=r"cannot read .*prediction.json"), prediction_folder(tmp_path, FACTS):
            pass


NETWORK = {"sha256": "ab", "precision": "float32", "view": "crop"}


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ({"networks": [NETWORK | {"sha256": "cd"}]}, "the network was another"),
        ({"networks": [NETWORK | {"view": "resize"}]}, "view was crop and is resize"),
        ({"networks": [NETWORK, NETWORK]}, "networks were 1 and are 2"),
        ({"tta": "flips"}, "tta was not given and is flips"),
        ({"overlays": False}, "overlays was true and is false"),
    ],
)
def test_what_was_predicted_otherwise_is_told_in_words(tmp_path, now, told):
    before = {"networks": [NETWORK], "tta": None, "overlays": True}
    with prediction_folder(tmp_path, before):
        pass
    with (
        pytest.raises(ConfigError, match=f"were made otherwise: {told}; give the same, or another --out"),
        prediction_folder(tmp_path, before | now),
    ):
        pass
