"""The memory of GPUs, as far as that can be seen without one."""

import tensorflow as tf

from segzoo.training import grow_memory


def test_each_gpu_takes_memory_as_it_needs_it_unless_it_is_in_use(monkeypatch):
    grown = []

    def grow(gpu, enable):
        if gpu == "in use":
            raise RuntimeError("Physical devices cannot be modified after being initialized")
        grown.append((gpu, enable))

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["in use", "free"] if kind == "GPU" else [])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", grow)
    grow_memory()
    assert grown == [("free", True)]


def test_without_a_gpu_nothing_is_changed(monkeypatch):
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda gpu, enable: 1 / 0)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    grow_memory()
