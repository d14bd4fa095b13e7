"""Work in threads: as many as there are processors to use, results in order, and errors where they belong."""

import os
import threading

import pytest

from segzoo.processes.threads import ahead, in_parallel


def test_the_first_error_of_a_thread_is_raised():
    def fail(item):
        if item == 3:
            raise ValueError("three")
        return item

    assert in_parallel(fail, [1, 2]) == [1, 2]
    with pytest.raises(ValueError, match="three"):
        in_parallel(fail, range(10))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system does not bind processes to processors")
def test_there_are_no_more_threads_than_processors_that_may_be_used():
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        workers = in_parallel(lambda _: threading.get_ident(), range(1000))
    finally:
        os.sched_setaffinity(0, allowed)
    assert len(set(workers)) == 1


def test_what_is_made_ahead_comes_in_order_and_not_too_early():
    made = []

    def items():
        for item in range(5):
            made.append(item)
            yield item

    taken = []
    for item in ahead(items()):
        taken.append(item)
        assert len(made) <= len(taken) + 1
    assert taken == [0, 1, 2, 3, 4]


def test_an_error_made_ahead_comes_where_its_item_would():
    def items():
        yield 1
        raise ValueError("two")

    coming = ahead(items())
    assert next(coming) == 1
    with pytest.raises(ValueError, match="two"):
        next(coming)
