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
