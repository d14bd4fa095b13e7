"""TensorFlow's chatter and what plugins log go to the log; what they print reaches the user."""

import logging
import subprocess
import sys

import pytest

from segzoo.files.tables import csv_text
from segzoo.processes.terminal import chatter_to, messages_to

SCRIPT = """
import os, sys
from pathlib import Path
from segzoo.processes.terminal import chatter_to
with chatter_to(Path(sys.argv[1])):
    os.write(2, b"chatter\\n")
    print("for the user", file=sys.stderr)
    {inside}
os.write(2, b"after\\n")
"""


def talk(tmp_path, inside="pass"):
    log = tmp_path / "log.txt"
    script = SCRIPT.replace("{inside}", inside)
    done = subprocess.run([sys.executable, "-c", script, log], capture_output=True, text=True, check=False)
    return log.read_text(), done.stderr


def test_descriptor_2_goes_to_the_log_and_sys_stderr_to_the_user(tmp_path):
    log, err = talk(tmp_path)
    assert log == "chatter\n"
    assert err == "for the user\nafter\n"


def test_a_crash_prints_the_end_of_the_log(tmp_path):
    _, err = talk(tmp_path, "raise RuntimeError('crash')")
    assert "chatter" in err
    assert "RuntimeError: crash" in err


def test_an_error_for_people_prints_no_log(tmp_path):
    _, err = talk(tmp_path, "from segzoo.errors import SegzooError; raise SegzooError('yours')")
    assert "chatter" not in err


def test_stderr_is_put_back(tmp_path):
    before = sys.stderr
    with pytest.raises(KeyError), chatter_to(tmp_path / "log.txt"):
        raise KeyError
    assert sys.stderr is before


def test_what_a_package_logs_goes_to_the_log_only_while_it_is_asked_to(tmp_path, caplog):
    logger, log = logging.getLogger("segzoo_test_talker.part"), tmp_path / "log.txt"
    with messages_to(log, {"segzoo_test_talker"}):
        logger.info("done: %d", 3)
        logger.debug("too much")
        logging.getLogger("segzoo_test_other").warning("not asked for")
    logger.warning("after")
    assert log.read_text() == "segzoo_test_talker.part: done: 3\n"
    assert [record.message for record in caplog.records] == ["not asked for", "after"]
    assert not logger.isEnabledFor(logging.INFO)


def test_tables_read_back_to_the_same_floats_and_leave_absent_scores_empty():
    import numpy as np

    text = csv_text(
        [{"id": "a", "x": 0.1 + 0.2, "y": np.float64("nan")}, {"id": "b,c", "x": np.float64(1 / 3), "y": 1}]
    )
    assert text == 'id,x,y\na,0.30000000000000004,\n"b,c",0.3333333333333333,1\n'
