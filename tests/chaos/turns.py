"""Threads that take turns, so that dice and not the machine say in what order they call: a failure can be repeated.

Exactly one of them runs at a time. Each gives its turn away before every call to what they share."""

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType

Act = Callable[[], None]
_GO: ContextVar[threading.Semaphore | None] = ContextVar("go", default=None)
"""Of whose turn it is; a thread that works for an act in a copy of its context steps in its place."""


class Turns:
    """`run` it once."""

    def __init__(self, dice: random.Random | None) -> None:
        """Without dice all run at once, as the machine likes it."""
        self._dice = dice
        self._back = threading.Semaphore(0)
        self._errors: list[BaseException] = []

    @property
    def in_order(self) -> bool:
        return self._dice is not None

    def step(self) -> None:
        """Let others go first, perhaps; does nothing in a thread that isn't one of those that take turns."""
        go = _GO.get()
        if self._dice is not None and go is not None:
            self._back.release()
            go.acquire()

    @contextmanager
    def alone(self, lock: threading.Lock) -> Iterator[None]:
        """Hold a lock over several turns."""
        while not lock.acquire(blocking=not self.in_order):
            self.step()
        try:
            yield
        finally:
            lock.release()

    def run(self, acts: Mapping[str, Act]) -> None:
        """Do them all to their ends. Raises the first error of any."""
        gos = {name: threading.Semaphore(0) for name in acts}
        ended: set[str] = set()

        def body(name: str) -> None:
            _GO.set(gos[name])
            if self._dice is not None:
                gos[name].acquire()
            try:
                acts[name]()
            except BaseException as error:
                self._errors.append(error)
            finally:
                ended.add(name)
                self._back.release()

        threads = [threading.Thread(target=body, args=(name,), name=name, daemon=True) for name in acts]
        for thread in threads:
            thread.start()
        if self._dice is not None:
            weights = {name: self._dice.choice((1, 1, 2, 8)) for name in acts}
            while waiting := [name for name in acts if name not in ended]:
                chosen = self._dice.choices(waiting, [weights[name] for name in waiting])[0]
                gos[chosen].release()
                self._back.acquire()
        for thread in threads:
            thread.join()
        if self._errors:
            raise self._errors[0]


class Tolerated:
    """Errors that are right in a disturbed vault, by class: they end an act quietly, and are counted."""

    def __init__(self, count: Callable[[str], None], *errors: type[BaseException]) -> None:
        self._count = count
        self._errors = errors

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        if error is None or not isinstance(error, self._errors):
            return False
        self._count(type(error).__name__)
        return True
