-- Where is more to be had? Tile pairs by the sites that lie inside their overlaps and were not drawn; from
-- the grid, which all subsets without chips share, and from the chips of a subset.
--
--     geosr sql undrawn
SELECT
    m.name,
    d.manifest_id,
    d.subset AS drawn_from,
    d.lr_tile,
    d.hr_tile,
    d.n_sites,
    d.n_drawn,
    d.n_sites - d.n_drawn AS undrawn
FROM draws AS d
JOIN manifests AS m USING (manifest_id)
ORDER BY undrawn DESC, m.name, d.manifest_id, d.subset, d.lr_tile, d.hr_tile
