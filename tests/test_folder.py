import subprocess
import sys

import pytest

from segzoo.errors import ConfigError, SegzooError
from segzoo.runs.folder import run_folder


def leave(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def fail(out, error, *shown):
    with run_folder(out, "", resume=False) as folder:
        leave(folder.path, *shown)
        raise error


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_without_out_the_next_free_name_below_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = []
    for _ in range(3):
        with run_folder(None, "unet-shapes", resume=False) as folder:
            folders.append(folder.path.as_posix())
    assert folders == ["runs/unet-shapes", "runs/unet-shapes-2", "runs/unet-shapes-3"]


@pytest.mark.parametrize("error", [SegzooError("wrong"), KeyboardInterrupt()])
@pytest.mark.parametrize(("shown", "stays"), [((), False), (("splits.csv",), False), (("history.csv",), True)])
def test_a_run_that_fails_leaves_a_folder_only_with_something_in_it(tmp_path, error, shown, stays):
    with pytest.raises(type(error)):
        fail(tmp_path / "run", error, "config.toml", *shown)
    assert (tmp_path / "run").exists() == stays


def test_a_run_to_go_on_with_stays_whatever_happens(tmp_path):
    leave(tmp_path / "run", "config.toml")
    with pytest.raises(SegzooError, match="wrong"), run_folder(tmp_path / "run", "", resume=True):
        raise SegzooError("wrong")
    assert names(tmp_path / "run") == {"config.toml"}


def test_a_crash_leaves_its_log(tmp_path):
    with pytest.raises(ZeroDivisionError):
        fail(tmp_path / "run", ZeroDivisionError(), "log.txt")
    assert names(tmp_path / "run") == {"log.txt"}


def test_what_is_half_written_goes(tmp_path):
    leave(tmp_path / "run", "config.toml", ".0123abcd-history.csv")
    leave(tmp_path / "run" / "samples", ".89abcdef-a.png", "b.png")
    with run_folder(tmp_path / "run", "", resume=True):
        pass
    assert names(tmp_path / "run") == {"config.toml", "samples"}
    assert names(tmp_path / "run" / "samples") == {"b.png"}


@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_of_something_else_is_left_alone(tmp_path, resume):
    leave(tmp_path / "photos", "a.jpg")
    with pytest.raises(ConfigError, match="choose another --out"), run_folder(tmp_path / "photos", "", resume):
        pass
    assert names(tmp_path / "photos") == {"a.jpg"}


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="file/run"), run_folder(tmp_path / "file" / "run", "", resume=False):
        pass


def test_another_process_is_kept_out_until_this_one_ends(tmp_path):
    code = (
        "import sys, pathlib; from segzoo.runs.folder import run_folder\n"
        "with run_folder(pathlib.Path(sys.argv[1]), '', resume=True): pass"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    with run_folder(tmp_path / "run", "", resume=False) as folder:
        leave(folder.path, "config.toml")
        refused = subprocess.run(command, capture_output=True, text=True)
    assert "another process is at work" in refused.stderr
    assert subprocess.run(command).returncode == 0
