"""What turns chosen candidates into a manifest: blocks, splits, ranks, hashes. Plain functions."""

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from geosr_lake.ids import SQL_DIGEST, digest
from geosr_lake.recipe import Quotas, SelectRule, Split, SplitShares

SPLITS: tuple[Split, ...] = ("train", "val", "test")
SUBSET = "sr"
"""The subset of the super-resolution pairs; subsets with labels have names of their own."""

_Key = TypeVar("_Key")
_COPIED = (
    "sample_id",
    "role",
    "stratum",
    "site_id",
    "epsg",
    "x_m",
    "y_m",
    "pair_id",
    "lr_scene_id",
    "hr_scene_id",
    "gap_s",
    "size_m",
)


def draw_key(seed: int, site_id: str) -> str:
    """Return what orders the sites of a tile pair: the least are drawn."""
    return digest(("draw", seed, site_id))


def keep_key_sql(seed: int) -> str:
    """Return the SQL of what orders the candidates of a stratum: the least are kept.

    Not the key of the draw: the least of many sites would win over the least of few.
    """
    return SQL_DIGEST.format(parts=f"'keep', '{seed}', sample_id")


def rank_key(seed: int, sample_id: str) -> str:
    """Return what orders the members of one stratum within a split."""
    return digest(("rank", seed, sample_id))


def room(quotas: Quotas, reserve_frac: float) -> dict[str, tuple[int, int]]:
    """Return for each stratum how many samples are asked for, and how many reserves."""
    asked = {"urban": quotas.urban, "non_urban": quotas.non_urban}
    # Ten times 0.1 is a little more than one in binary: no reserve for a rounding.
    return {name: (n, math.ceil(n * reserve_frac - 1e-9)) for name, n in asked.items()}


def block_of(lon: float, lat: float, block_deg: float) -> str:
    """Return the spatial block of a point: column and row of a lon/lat grid from (0, 0).

    Args:
        lon: Degrees east; 180 counts as -180.
        lat: Degrees north.
        block_deg: Edge of a block, degrees.
    """
    wrapped = lon - 360.0 if lon >= 180.0 else lon
    return f"{math.floor(wrapped / block_deg)}_{math.floor(lat / block_deg)}"


def split_counts(n_blocks: int, shares: SplitShares) -> dict[Split, int]:
    """Return how many of `n_blocks` go to each split.

    Each split with a share above 0 gets at least one while there are blocks (the greatest share
    first), then each block goes where most is missing.
    """
    wanted: dict[Split, float] = {name: getattr(shares, name) for name in SPLITS}
    counts: dict[Split, int] = dict.fromkeys(SPLITS, 0)
    by_share = sorted((name for name in SPLITS if wanted[name] > 0), key=lambda s: -wanted[s])
    for name in by_share[:n_blocks]:
        counts[name] = 1
    for _ in range(n_blocks - sum(counts.values())):
        most = max(by_share, key=lambda name: wanted[name] * n_blocks - counts[name])
        counts[most] += 1
    return counts


def assign_splits(
    sample_blocks: Collection[str], other_blocks: Collection[str], shares: SplitShares, seed: int
) -> dict[str, Split]:
    """Return the split of every block.

    The blocks that hold samples are put in the order of a hash of seed and block and cut by the
    shares; so with three such blocks or more every split holds samples. A block that holds
    reserves only joins the block before it in that order.
    """
    with_samples = set(sample_blocks)
    order = sorted(
        with_samples | set(other_blocks), key=lambda block: digest(("split", seed, block))
    )
    counts = split_counts(len(with_samples), shares)
    splits = [name for name in SPLITS for _ in range(counts[name])]
    assigned: dict[str, Split] = {}
    position = 0
    for block in order:
        if block in with_samples:
            assigned[block] = splits[position]
            position += 1
        else:
            assigned[block] = splits[max(position - 1, 0)] if splits else "train"
    return assigned


def mixed_order(strata: Mapping[_Key, str], keys: Mapping[_Key, str]) -> list[_Key]:
    """Return the members in a shuffled order in which every stretch holds all strata alike.

    Within a stratum members are ordered by key; the i-th of n stands at (i + 1/2) / n.

    Args:
        strata: Stratum of each member.
        keys: Sort key of each member, a hash.
    """
    places: list[tuple[float, str, _Key]] = []
    for stratum in sorted(set(strata.values())):
        members = sorted((m for m in strata if strata[m] == stratum), key=lambda m: keys[m])
        places += [((i + 0.5) / len(members), keys[m], m) for i, m in enumerate(members)]
    return [member for _, _, member in sorted(places, key=lambda place: place[:2])]


def manifest_rows(chosen: list[dict[str, Any]], rule: SelectRule) -> list[dict[str, Any]]:
    """Return the manifest's rows, without its id, from the chosen candidates.

    Args:
        chosen: Candidates with `role`, `stratum`, `lon`, `lat` and the columns of `_COPIED`.
        rule: Gives seed, blocks and shares.

    Returns:
        Rows in order of `sample_id`.
    """
    blocks = {c["sample_id"]: block_of(c["lon"], c["lat"], rule.block_deg) for c in chosen}
    by_role = {
        role: {blocks[c["sample_id"]] for c in chosen if c["role"] == role}
        for role in ("sample", "reserve")
    }
    splits = assign_splits(by_role["sample"], by_role["reserve"], rule.split, rule.seed)
    groups: dict[tuple[str, str], dict[str, str]] = {}
    for c in chosen:
        group = groups.setdefault((c["role"], splits[blocks[c["sample_id"]]]), {})
        group[c["sample_id"]] = c["stratum"]
    ranks = {
        sample: rank
        for members in groups.values()
        for rank, sample in enumerate(
            mixed_order(members, {sample: rank_key(rule.seed, sample) for sample in members})
        )
    }
    rows = [
        {name: c[name] for name in _COPIED}
        | {
            "subset": SUBSET,
            "rank": ranks[c["sample_id"]],
            "block": blocks[c["sample_id"]],
            "split": splits[blocks[c["sample_id"]]],
        }
        for c in chosen
    ]
    return sorted(rows, key=lambda row: str(row["sample_id"]))


def content_hash(rows: Iterable[Mapping[str, object]], columns: Sequence[str]) -> str:
    """Return the SHA-256 over rows in order of `sample_id`, their `columns` in order.

    Numbers are written as Python does, which tells any two doubles apart.
    """
    hasher = hashlib.sha256()
    for row in sorted(rows, key=lambda row: str(row["sample_id"])):
        hasher.update("|".join(repr(row[name]) for name in columns).encode() + b"\n")
    return hasher.hexdigest()


def manifest_id(task: str, select_rule_id: str, rows_hash: str) -> str:
    """Return the id of the manifest with these rows under this rule."""
    return "man-" + digest((task, select_rule_id, rows_hash))
