"""Calls as they travel, turned into calls of the node; shared by the hand-over socket and the HTTP service."""

from collections.abc import Callable
from typing import Any

from phoenix_core.storage import wire
from phoenix_core.storage.errors import BadRequest
from phoenix_core.storage.jobs import JobDesk
from phoenix_core.storage.node import StorageNode

STORED_PAGE_PACKS = 10_000


def call_job(desk: JobDesk, token: str, call: wire.Call) -> object:
    """Any call of a job that needs no descriptor. Raises PhoenixError."""
    answer = _OF_JOBS.get(type(call))
    if answer is None:
        raise BadRequest(detail=f"{type(call).__name__} can't be asked for this way")
    return answer(desk, token, call)


def call_core(node: StorageNode, call: wire.Call) -> object:
    """Any call of the core; the caller has checked its token. Raises PhoenixError."""
    return _OF_THE_CORE[type(call)](node, call)


def _stored_page(node: StorageNode, call: wire.StoredPacks) -> list[tuple[bytes, int]]:
    later = sorted((pack, length) for pack, length in node.stored_packs() if pack > call.after)
    return list(later[:STORED_PAGE_PACKS])


_OF_JOBS: dict[type, Callable[[JobDesk, str, Any], object]] = {
    wire.Present: lambda desk, token, call: desk.present(token, call.ids, call.writer),
    wire.Locate: lambda desk, token, call: desk.locate(token, call.ids),
    wire.StageSnapshot: lambda desk, token, call: desk.stage_snapshot(token, call.sealed),
    wire.RenewLease: lambda desk, token, _: desk.renew_lease(token),
}

_OF_THE_CORE: dict[type, Callable[[StorageNode, Any], object]] = {
    wire.Status: lambda node, _: node.status(),
    wire.OpenLease: lambda node, call: node.open_lease(call.lease, call.job, call.server_id, call.parent or None),
    wire.CloseLease: lambda node, call: node.close_lease(call.lease),
    wire.ListLeases: lambda node, _: node.leases(),
    wire.Grant: lambda node, call: node.grant(call.job, call.pack_ids),
    wire.CoreLocate: lambda node, call: node.locate(call.ids),
    wire.LocateAll: lambda node, call: node.locate_all(call.ids, lost=call.lost),
    wire.PackHeads: lambda node, call: node.pack_heads(call.pack_ids),
    wire.GetPackInfo: lambda node, call: node.pack_info(call.pack_id),
    wire.PacksPage: lambda node, call: node.packs_page(call.after),
    wire.StoredPacks: _stored_page,
    wire.MarkProved: lambda node, call: node.mark_proved(call.pack_id),
    wire.MarkDamaged: lambda node, call: node.mark_damaged(call.pack_id, call.state),
    wire.ListSnapshots: lambda node, _: node.snapshots(),
    wire.ReadSnapshot: lambda node, call: node.read_snapshot(call.snapshot_id),
    wire.DeleteSnapshot: lambda node, call: node.delete_snapshot(call.snapshot_id),
    wire.AppendRecord: lambda node, call: node.append_record(call.sequence, call.record, call.lease or None),
    wire.Records: lambda node, call: node.records(call.after),
    wire.Condemn: lambda node, call: node.condemn(call.pack_ids, None if call.seen_record < 0 else call.seen_record),
    wire.Sweep: lambda node, call: node.sweep(call.sweep),
    wire.VoidSweeps: lambda node, _: node.void_sweeps(),
    wire.RebuildIndex: lambda node, _: node.rebuild_index(),
    wire.ContentsOf: lambda node, call: node.contents_of(call.pack_ids),
    wire.LookAfter: lambda node, call: node.look_after(mend=call.mend),
    wire.AddIndexKey: lambda node, call: node.add_index_key(call.domain, call.epoch, call.key),
}
