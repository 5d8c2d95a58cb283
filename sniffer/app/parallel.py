"""One function over many things on several cores; the results come in the order of the things."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from sniffer.errors import SnifferError

Item = TypeVar("Item")
Result = TypeVar("Result")

#: In a worker, the function that it was forked with: a judge with its rules need not be picklable.
_inherited: list[Callable[[Any], Any]] = []


def in_order(work: Callable[[Item], Result], items: Sequence[Item], jobs: int) -> Iterator[Result]:
    """`map(work, items)`, by up to `jobs` processes at a time. Workers are forks and know what `work` knows; results
    must be picklable. Raises SnifferError where a process ends before its work does."""
    jobs = min(jobs, len(items))
    if jobs <= 1:
        yield from map(work, items)
        return
    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_inherited.append, initargs=(work,))
    try:
        with warnings.catch_warnings():  # numpy's idle threads do nothing that a fork could interrupt
            warnings.simplefilter("ignore", DeprecationWarning)
            results = pool.map(_call, items)
        yield from results
    except BrokenProcessPool:
        raise SnifferError("a process ended before its work was done (was there too little memory?)") from None
    finally:
        pool.shutdown(cancel_futures=True)


def _call(item: Any) -> Any:
    (work,) = _inherited
    return work(item)
