"""Restores one large file at a time, as the job sees it: its parts go to all workers."""

from collections.abc import Callable, Iterable

import msgspec

from phoenix_core.agent.restore import workermessages as wire
from phoenix_core.agent.restore.blockplan import BlockPlan
from phoenix_core.agent.restore.damage import damage_reason
from phoenix_core.agent.restore.dispatch import Dispatcher
from phoenix_core.agent.restore.largeparts import parts_of
from phoenix_core.agent.restore.records import MISSING, Item, Outcome, missing
from phoenix_core.agent.restore.workermessages import LargeStep
from phoenix_core.agent.restore.writelarge import BEGUN, SEEMS_EQUAL
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.vault.entry import ChunkRef


class LargeFiles:
    def __init__(self, dispatcher: Dispatcher, plan: BlockPlan) -> None:
        self._dispatcher = dispatcher
        self._plan = plan
        self.current: Item | None = None
        """The file under work, also after an error that ends the restore: a temporary file of it may lie in its
        folder."""

    def restore(self, item: Item, chunks: Callable[[], Iterable[ChunkRef]]) -> Outcome:
        """Blocks until the file is through; other work goes on meanwhile. `chunks` gives its chunks, anew at each call.

        Raises the error that a worker failed with, and what the node and the core raise."""
        self.current = item
        try:
            outcome = self._restore(item, chunks)
        except PhoenixError as error:
            reason = damage_reason(error)
            if not reason:
                raise
            outcome = missing(reason)
        self.current = None
        return outcome

    def _restore(self, item: Item, chunks: Callable[[], Iterable[ChunkRef]]) -> Outcome:
        outcome = self._step(item, LargeStep.BEGIN)
        if outcome.state == SEEMS_EQUAL:
            outcome = self._check(item, outcome.name, chunks())
            if outcome.state == MISSING:
                outcome = self._step(item, LargeStep.BEGIN_ANEW)
        if outcome.state != BEGUN:
            return outcome
        temp = outcome.name
        try:
            failed = self._all_parts(item, LargeStep.WRITE, temp, chunks())
        except PhoenixError as error:
            reason = damage_reason(error)
            if not reason:
                raise
            self._dispatcher.drain()
            failed = missing(reason)
        if failed is not None:
            self._step(item, LargeStep.DROP, temp)
            return failed
        return self._step(item, LargeStep.FINISH, temp)

    def _check(self, item: Item, name: bytes, chunks: Iterable[ChunkRef]) -> Outcome:
        return self._all_parts(item, LargeStep.CHECK, name, chunks) or self._step(item, LargeStep.SETTLE, name)

    def _all_parts(self, item: Item, step: LargeStep, name: bytes, chunks: Iterable[ChunkRef]) -> Outcome | None:
        """Returns what went wrong with one of the parts; the rest is then not begun."""
        failed: list[Outcome] = []
        light = msgspec.structs.replace(item, entry=msgspec.structs.replace(item.entry, extents=None))

        def take(outcome: Outcome) -> None:
            if outcome.state == MISSING:
                failed.append(outcome)

        for part in parts_of(item.entry, chunks):
            if failed:
                break
            blocks, places = self._plan.for_chunks(part.refs) if step is LargeStep.WRITE else ((), ())
            number = self._dispatcher.next_number()
            work = wire.Large(number, step, light, name, part.extents, part.refs, blocks, places)
            self._dispatcher.submit(work, lambda done: take(done.outcomes[0][1]))
        self._dispatcher.drain()
        return failed[0] if failed else None

    def _step(self, item: Item, step: LargeStep, name: bytes = b"") -> Outcome:
        answer: list[Outcome] = []
        work = wire.Large(self._dispatcher.next_number(), step, item, name)
        self._dispatcher.submit(work, lambda done: answer.append(done.outcomes[0][1]))
        while not answer:
            self._dispatcher.receive()
        return answer[0]
