"""Which values of the files become which pixel values, and what is measured of each page for it."""

import numpy as np
from own_folders import pages, save

from segzoo_folder import files, looking

MASK = np.tile(np.uint8([0, 255]), (6, 4))


def ramp(low, high, dtype=np.uint16):
    return np.linspace(low, high, 48).reshape(6, 8).astype(dtype)


def measured(root, cache):
    """Of each image the rows of what was measured of its pages, by its name."""
    index = looking.known(root, files.find(root, None).pairs, cache)
    ends = index.images.starts + index.images.pages
    rows = np.split(index.images.measured, ends[:-1])
    return {name.decode(): own[:, :2].tolist() for name, own in zip(index.pairs.ids, rows, strict=True)}


def test_the_least_and_the_largest_value_of_each_page_are_kept_with_its_file(tmp_path, own_cache):
    save(tmp_path / "images/b.png", ramp(7, 900))
    pages(tmp_path / "images/d.tif", [ramp(page, 100 + page) for page in range(3)])
    for name in "bd":
        save(tmp_path / f"masks/{name}.png", MASK)
    expected = {"b": [[7, 900]], "d": [[0, 100], [1, 101], [2, 102]]}
    assert measured(tmp_path, own_cache) == expected
    pages(tmp_path / "images/a.tif", [ramp(50, 60), ramp(70, 80)])
    (tmp_path / "images/c.tif").write_bytes(b"")
    for name in "ac":
        save(tmp_path / f"masks/{name}.png", MASK)
    expected |= {"a": [[50, 60], [70, 80]], "c": []}
    assert measured(tmp_path, own_cache) == expected
    pages(tmp_path / "images/d.tif", [ramp(1, 2)])
    pages(tmp_path / "images/c.tif", [ramp(page, 9) for page in range(4)])
    for kind in ("images", "masks"):
        (tmp_path / kind / "b.png").unlink()
    expected |= {"c": [[page, 9] for page in range(4)], "d": [[1, 2]]}
    del expected["b"]
    assert measured(tmp_path, own_cache) == expected
    assert measured(tmp_path, tmp_path / "anew") == expected
