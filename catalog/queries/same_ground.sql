-- Which sites do several manifests use, and for the same split? Ground that one manifest trains on
-- and another tests on is a leak between the two: see `geosr manifest audit`.
--
--     geosr sql same_ground
SELECT
    a.manifest_id,
    b.manifest_id AS other,
    a.split,
    b.split AS other_split,
    count(DISTINCT a.site_id) AS sites
FROM manifest AS a
JOIN manifest AS b USING (site_id)
WHERE a.manifest_id < b.manifest_id
GROUP BY a.manifest_id, b.manifest_id, a.split, b.split
ORDER BY a.manifest_id, other, a.split, other_split
