"""What was the case when, whatever order it was told in."""

from hypothesis import given
from hypothesis import strategies as st

from sniffer.judge.coverage import MAX_MARKS, Losses, Mark, Marks, SourceUptime, latest
from sniffer.model import Loss

marks = st.lists(st.builds(Mark, st.integers(0, 60), st.booleans()), max_size=12, unique_by=lambda mark: mark.time_ns)


def presence(items: list[Mark], assumed: bool, expires: int | None) -> SourceUptime:
    found = SourceUptime(assumed, 0.0, expires)
    for mark in items:
        found.add(mark)
    return found


@given(marks, st.booleans(), st.none() | st.integers(1, 20), st.integers(0, 60), st.integers(0, 20))
def test_up_throughout_is_up_at_every_moment(
    items: list[Mark], assumed: bool, expires: int | None, start: int, length: int
) -> None:
    def up(time: int) -> bool:
        before = [mark for mark in items if mark.time_ns <= time]
        if not before:
            return assumed
        last = max(before)
        return last.on and (expires is None or time <= last.time_ns + expires)

    found = presence(items, assumed, expires).up_throughout(start, start + length)
    # The gap between an expiry and the next sign of life may be shorter than our clock ticks: look in between too.
    moments = range(start, start + length + 1)
    lapses = any(
        expires is not None and mark.on and start <= mark.time_ns + expires < start + length
        and not any(mark.time_ns < other.time_ns <= mark.time_ns + expires for other in items)
        for mark in items
    )  # fmt: skip
    assert found == (all(up(time) for time in moments) and not lapses)


@given(marks)
def test_the_order_of_telling_makes_no_difference(items: list[Mark]) -> None:
    assert presence(items, True, None).marks.items == presence(items[::-1], True, None).marks.items


def test_what_was_said_of_a_device_or_of_all() -> None:
    told = Marks()
    for mark in (Mark(1, True, "a", "kitchen"), Mark(2, False, "a"), Mark(3, True, "a", "hall")):
        told.add(mark)
    kitchen = frozenset({"kitchen"})
    assert latest(told, kitchen, 0) is None
    assert [bool((m := latest(told, kitchen, time)) and m.on) for time in (1, 2, 3)] == [True, False, False]


def test_old_marks_that_still_hold_are_kept() -> None:
    told = Marks()
    for time in range(100):
        told.add(Mark(time, True, "a", "kitchen"))
    told.add(Mark(5, False, "b"))
    told.prune(50)
    assert [mark.time_ns for mark in told.items[:3]] == [5, 50, 51]


def test_marks_are_bounded() -> None:
    told = Marks()
    for time in range(MAX_MARKS + 100):
        told.add(Mark(time, True))
    assert len(told.items) == MAX_MARKS


def test_losses() -> None:
    losses = Losses()
    second = 1_000_000_000
    for start, end in ((10, 12), (12, 15), (40, 41)):
        losses.add(Loss("lan", start * second, end * second, 1))
    assert losses.items == [(10 * second, 15 * second), (40 * second, 41 * second)]
    assert losses.touch(15 * second, 20 * second)
    assert not losses.touch(16 * second, 39 * second)
    losses.prune(20 * second)
    assert len(losses.items) == 1
