"""One function over many things on several cores; the results come in the order of the things."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from sniffer.errors import SnifferError

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(work: Callable[[Item], Result], items: Sequence[Item], jobs: int) -> Iterator[Result]:
    """`map(work, items)`, by up to `jobs` processes at a time. What `work` knows they know too (they are forks),
    and its results must be picklable. Raises SnifferError where a process ends before its work does."""
    jobs = min(jobs, len(items))
    if jobs <= 1:
        yield from map(work, items)
        return
    context = multiprocessing.get_context("fork")
    turn = context.Value("L", 0)
    pipes: list[Connection] = []
    workers: list[Any] = []
    try:
        for _ in range(jobs):
            receiving, sending = context.Pipe(duplex=False)
            worker = context.Process(target=_take_turns, args=(work, items, turn, sending), daemon=True)
            with warnings.catch_warnings():  # numpy's idle threads do nothing that a fork could interrupt
                warnings.simplefilter("ignore", DeprecationWarning)
                worker.start()
            sending.close()
            pipes.append(receiving)
            workers.append(worker)
        yield from _collected(pipes, len(items))
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join()


def _take_turns(work: Callable[[Item], Result], items: Sequence[Item], turn: Any, results: Connection) -> None:
    while True:
        with turn.get_lock():
            place = turn.value
            turn.value += 1
        if place >= len(items):
            results.close()
            return
        results.send((place, work(items[place])))


def _collected(pipes: list[Connection], count: int) -> Iterator[Any]:
    """Results as they arrive, held back until it is their turn."""
    early: dict[int, Any] = {}
    for place in range(count):
        while place not in early:
            if not pipes:
                raise SnifferError("a process ended before its work was done (was there too little memory?)")
            for pipe in wait(pipes):
                assert isinstance(pipe, Connection)
                try:
                    done, result = pipe.recv()
                except EOFError:
                    pipes.remove(pipe)
                else:
                    early[done] = result
        yield early.pop(place)
