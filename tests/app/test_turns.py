"""Work that can wait steps aside while packets are handled."""

import threading

from sniffer.app.turns import Turns


def test_between_turns_nothing_waits() -> None:
    turns = Turns()
    with turns:
        pass
    turns.step_aside()


def test_work_goes_on_when_the_turn_ends() -> None:
    turns, done = Turns(), threading.Event()

    def work() -> None:
        for _ in range(400):  # each waits 25 ms at most: ten seconds if the end of the turn woke nothing
            turns.step_aside()
        done.set()

    with turns:
        thread = threading.Thread(target=work)
        thread.start()
    assert done.wait(5)
    thread.join()


def test_a_turn_that_does_not_end_delays_but_does_not_stop() -> None:
    turns = Turns()
    with turns:
        turns.step_aside()


def test_a_turn_that_fails_ends_too() -> None:
    turns = Turns()
    try:
        with turns:
            raise ValueError
    except ValueError:
        pass
    assert turns._quiet.is_set()
