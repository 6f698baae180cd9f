"""What turns chosen candidates into a manifest: blocks, splits, ranks, hashes. Plain functions."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from geosr_lake.ids import digest
from geosr_lake.recipe import Recipe, SelectRule, Split, SplitRule
from geosr_lake.recipe.section import as_text

SPLITS: tuple[Split, ...] = ("train", "val", "test")

_Key = TypeVar("_Key")
_COPIED = (
    "sample_id",
    "subset",
    "role",
    "stratum",
    "block",
    "site_id",
    "epsg",
    "x_m",
    "y_m",
    "pair_id",
    "lr_scene_id",
    "hr_scene_id",
    "gap_s",
    "size_m",
    "chip_row",
)


def rank_key(seed: int, sample_id: str) -> str:
    """Return what orders the members of one stratum within a split."""
    return digest(("rank", seed, sample_id))


def split_of(block: str, shares: SplitRule, seed: int) -> Split:
    """Return the split of a spatial block: where a hash of seed and block falls among the shares.

    It depends on nothing else: the same ground is in the same split of every manifest of a seed.
    """
    part = int(digest(("split", seed, block))[:13], 16) / 16**13
    if part < shares.train:
        return "train"
    return "val" if part < shares.train + shares.val else "test"


def splits_by_order(sites: Sequence[str], shares: SplitRule, seed: int) -> dict[str, Split]:
    """Return the split of every site by its place in an order that knows no place on earth.

    The way of the official release: the last fifth of its records is for tests, and the last
    tenth of the rest for validation. Its order is not known; ours is that of a hash.
    """
    order = sorted(sites, key=lambda site: digest(("record", seed, site)))
    n_learn = round(len(order) * (shares.train + shares.val))
    of_learn = shares.val / (shares.train + shares.val) if n_learn else 0.0
    n_val = int(n_learn * of_learn + 1e-9)
    n_test = len(order) - n_learn
    ends: list[tuple[Split, int]] = [("train", n_learn - n_val), ("val", n_val), ("test", n_test)]
    names = (split for split, n in ends for _ in range(n))
    return dict(zip(order, names, strict=True))


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
        chosen: Candidates with `role`, `split` and the columns of `_COPIED`.
        rule: Gives seed and shares, and whether splits are by block or by order.

    Returns:
        Rows in order of `sample_id`.
    """
    splits = _splits(chosen, rule)
    groups: dict[tuple[str, str, str], dict[str, str]] = {}
    for c in chosen:
        group = groups.setdefault((c["subset"], c["role"], splits[c["sample_id"]]), {})
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
        | {"rank": ranks[c["sample_id"]], "split": splits[c["sample_id"]]}
        for c in chosen
    ]
    return sorted(rows, key=lambda row: str(row["sample_id"]))


def _splits(chosen: list[dict[str, Any]], rule: SelectRule) -> dict[str, Split]:
    if rule.split.mode == "blocks":
        return {c["sample_id"]: c["split"] for c in chosen}
    # All samples of a site go together, and its reserves with them.
    of_site: dict[str, Split] = {}
    for subset in sorted({c["subset"] for c in chosen}):
        for role in ("sample", "reserve"):
            mine = {c["site_id"] for c in chosen if (c["subset"], c["role"]) == (subset, role)}
            of_site |= splits_by_order(sorted(mine - of_site.keys()), rule.split, rule.seed)
    return {c["sample_id"]: of_site[c["site_id"]] for c in chosen}


def content_hash(rows: Iterable[Mapping[str, object]], columns: Sequence[str]) -> str:
    """Return the SHA-256 over rows in order of `sample_id`, their `columns` in order.

    Numbers are written as Python does, which tells any two doubles apart.
    """
    hasher = hashlib.sha256()
    for row in sorted(rows, key=lambda row: str(row["sample_id"])):
        hasher.update("|".join(repr(row[name]) for name in columns).encode() + b"\n")
    return hasher.hexdigest()


def manifest_id(recipe: Recipe, rows_hash: str) -> str:
    """Return the id of the manifest with these rows by this recipe.

    Also by what the choice does not read: name, labels and cubes. Two recipes that differ there
    have manifests of their own, for cubes and collections are made by the manifest.
    """
    task, rule = recipe.selection
    labels = {s.name: s.label.meaning() for s in rule.parts if s.label is not None}
    terms = (task, recipe.name, rule.rule_id, as_text(labels), recipe.cubes.rule_id)
    return "man-" + digest((*terms, rows_hash))
