"""The stage: complete manifests in, a static STAC catalog out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from geosr_lake.errors import IncompleteError, UsageError
from geosr_lake.ids import safe_segment
from geosr_lake.lake import Lake, Progress
from geosr_lake.lake.progress import Silent
from geosr_lake.publish import swap, terms
from geosr_lake.publish.collection import collection_id, title
from geosr_lake.publish.documents import MIRROR, content_digest, documents, items
from geosr_lake.publish.mirror import write_mirror
from geosr_lake.publish.source import Release, load_release, manifest_ids


@dataclass(frozen=True)
class PublishedRelease:
    """One collection; `changed` is False where its files were there already."""

    manifest_id: str
    task: str
    collection_id: str
    folder: str
    items: dict[str, int]
    changed: bool


@dataclass(frozen=True)
class PublishSummary:
    """What was published.

    Attributes:
        catalog: The root document.
        releases: The manifests that were published, by this run or by the same run before.
        incomplete: Manifests that were left out -> why.
        changed: Whether any byte of the catalog was written.
    """

    catalog: str
    releases: tuple[PublishedRelease, ...]
    incomplete: dict[str, str]
    changed: bool


def publish(
    lake: Lake,
    manifest_ids: Sequence[str] | None = None,
    *,
    zarr_type: str = "versioned",
    progress: Progress | None = None,
) -> PublishSummary:
    """Publish manifests below ``<lake>/catalog``.

    The same again writes nothing. What other manifests have published stays.

    Args:
        lake: The lake.
        manifest_ids: Manifests; None: every one whose cubes are complete.
        zarr_type: `versioned` or `plain`, a key of `terms.ZARR_TYPES`.
        progress: Told of every step.

    Raises:
        UsageError: If there is no such manifest or media type, or nothing to publish at all.
        IncompleteError: If a cube of a manifest that was asked for by name is not complete.
    """
    if zarr_type not in terms.ZARR_TYPES:
        raise UsageError(
            f"{zarr_type!r} is no media type of Zarr", next_step="Take versioned or plain."
        )
    bar = progress or Silent()
    with lake.stage("publish", "publish") as run:
        releases, incomplete = _gather(lake, manifest_ids, bar)
        if not releases:
            raise IncompleteError(
                "No manifest has complete cubes: there is nothing to publish",
                where="; ".join(incomplete.values()) or str(lake.root),
                next_step="Run `geosr cubes materialize`.",
            )
        catalog = lake.folder / "catalog"
        swap.clear_drafts(catalog)
        done = tuple(_place(catalog, r, terms.ZARR_TYPES[zarr_type], bar) for r in releases)
        links = swap.published(catalog)
        for release, placed in zip(releases, done, strict=True):
            links[release.manifest_id] = swap.child_link(
                placed.folder, release.task.name, release.manifest_id, title(release)
            )
        moved = swap.write_root(catalog, links)
        changed = moved or any(placed.changed for placed in done)
        run.counts |= {
            "collections": len(done),
            "items": sum(sum(placed.items.values()) for placed in done),
            "changed": int(changed),
        }
        run.detail |= {"releases": [placed.folder for placed in done], "incomplete": incomplete}
    return PublishSummary(str(catalog / "catalog.json"), done, incomplete, changed)


def _gather(
    lake: Lake, wanted: Sequence[str] | None, bar: Progress
) -> tuple[list[Release], dict[str, str]]:
    names = manifest_ids(lake) if wanted is None else list(dict.fromkeys(wanted))
    bar.start("Reading samples and cubes", total=len(names))
    releases, incomplete = [], {}
    for name in names:
        try:
            releases.append(load_release(lake, safe_segment(name)))
        except IncompleteError as error:
            if wanted is not None:
                raise
            incomplete[name] = error.what
        bar.advance()
    return releases, incomplete


def _place(catalog: Path, release: Release, zarr_type: str, bar: Progress) -> PublishedRelease:
    folder = f"{release.manifest_id}-{content_digest(release, zarr_type)}"
    target = catalog / folder
    bar.start(f"Publishing {collection_id(release)}")
    whole = target.is_dir() and swap.is_whole(target, documents(release, zarr_type), [MIRROR])
    if not whole:
        draft = swap.draft_folder(catalog, folder)
        bar.advance(swap.write_documents(draft, documents(release, zarr_type)))
        write_mirror(draft / MIRROR, items(release, zarr_type))
        swap.place(draft, target)
    return PublishedRelease(
        manifest_id=release.manifest_id,
        task=release.task.name,
        collection_id=collection_id(release),
        folder=folder,
        items={cube.split: cube.n_samples for cube in release.cubes},
        changed=not whole,
    )
