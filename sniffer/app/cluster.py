"""The steps of a study on the workers of a cluster: Dask distributed (extra `cluster`)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from sniffer import extras
from sniffer.errors import SnifferError, UsageError

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Tasks that are handed out at a time, for each thread of the workers: more would wait in the memory of the scheduler.
TASKS_A_THREAD = 4
#: How long to wait for a scheduler, in seconds.
CONNECT_SECONDS = 20


class Cluster:
    """Workers that are reached through a scheduler."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def in_order(
        self, work: Callable[[Any, Item], Result], shared: object, items: Sequence[Item],
        failed: Callable[[Item, str], Result],
    ) -> Iterator[Result]:  # fmt: skip
        """`work(shared, item)` for each item, on the workers; the results in the order of the items.

        A task whose worker ends is done again by another; one that ends several workers is given to `failed` with the
        reason. Only a bounded number of tasks and results exists at a time.
        """
        from distributed import KilledWorker

        # A task, and no scattered value: what a worker held when it ended can be made again.
        everywhere = self._client.submit(_same, shared, pure=False)
        waiting: deque[tuple[Item, Any]] = deque()
        position = 0
        try:
            while waiting or position < len(items):
                while position < len(items) and len(waiting) < self._room():
                    item = items[position]
                    waiting.append((item, self._client.submit(work, everywhere, item, pure=False)))
                    position += 1
                item, future = waiting.popleft()
                try:
                    yield future.result()
                except KilledWorker as error:
                    yield failed(item, f"{getattr(error, 'allowed_failures', 3) + 1} workers ended while they read it")
                finally:
                    future.release()
        finally:
            for _, future in waiting:
                future.cancel()

    def _room(self) -> int:
        threads = int(sum(self._client.nthreads().values()))
        return max(TASKS_A_THREAD, TASKS_A_THREAD * threads)


def _same(value: Item) -> Item:
    return value


@contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """Connect to a scheduler (`tcp://host:8786`). Raises UsageError where there is none, or no Dask."""
    try:
        from distributed import Client
    except ImportError:
        raise UsageError(extras.missing("distributed", "--scheduler")) from None
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UsageError(f"--scheduler {address}: cannot be reached: {str(error).partition(chr(10))[0]}") from None
    try:
        yield Cluster(client)
    except OSError as error:
        raise SnifferError(f"--scheduler {address}: the connection was lost: {error}") from None
    finally:
        client.close()
