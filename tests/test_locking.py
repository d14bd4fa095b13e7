import threading

from segzoo import locking
from segzoo.locking import holding


def test_who_must_wait_is_told_so(tmp_path, monkeypatch):
    told, entered, lines = threading.Event(), [], []

    class Terminal:
        def __init__(self, stderr):
            assert stderr

        def print(self, text, **how):
            lines.append(text)
            told.set()

    def other():
        with holding(tmp_path):
            entered.append(True)

    monkeypatch.setattr(locking, "Console", Terminal)
    thread = threading.Thread(target=other)
    with holding(tmp_path), holding(tmp_path):
        thread.start()
        told.wait()
        assert not entered
    thread.join()
    assert lines == [f"waiting for another process to fill {tmp_path}"]
    assert entered
