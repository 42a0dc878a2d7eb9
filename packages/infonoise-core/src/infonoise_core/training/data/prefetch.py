"""Examples prepared in the background, while the network learns from those before them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Self, TypeVar

from infonoise_core.errors import InputError

T = TypeVar("T")
# Micro-batches in preparation for each worker: one at work and one ready.
_AHEAD = 2


class Prefetch(Generic[T]):
    """What `fetch(position, count)` gives for each place of a plan, in the plan's order.

    Threads and not processes: to read files, unpack, decode images and copy arrays releases
    Python's lock, nothing has to be pickled, and memory maps and counts of bad records are shared.
    What is read is the same with any number of workers. An exception comes where its micro-batch
    would have come. To be used in a `with`, which ends the threads.

    Args:
        fetch: A function of its arguments alone, safe to call from several threads: no draws from
            global generators.
        plan: (position, count) of each micro-batch to come, such as `data.micro_batches`.
        workers: Threads that prepare the next ones; 0 prepares each when it is needed.
    """

    def __init__(
        self, fetch: Callable[[int, int], T], plan: Iterable[tuple[int, int]], workers: int = 0
    ) -> None:
        if workers < 0:
            raise InputError(f"--workers {workers}: give 0 or more")
        self._fetch, self._plan = fetch, iter(plan)
        self._ahead = _AHEAD * workers
        self._ready: deque[Future[T]] = deque()
        self._pool = ThreadPoolExecutor(workers, "examples") if workers else None

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._pool is None:
            return self._fetch(*next(self._plan))
        # Nothing is read before the first is needed, so an unused one costs nothing.
        while len(self._ready) <= self._ahead:
            place = next(self._plan, None)
            if place is None:
                break
            self._ready.append(self._pool.submit(self._fetch, *place))
        if not self._ready:
            raise StopIteration
        return self._ready.popleft().result()

    def close(self) -> None:
        """Drop what is not begun and wait for what is."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._ready.clear()
            self._plan = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
