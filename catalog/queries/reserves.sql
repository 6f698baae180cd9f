-- What would a reserve replace, and what did it? For each manifest and split: samples, reserves by
-- stratum, how many samples a reserve stands behind, and how many have taken a place so far.
--
--     geosr sql reserves
WITH behind AS (
    SELECT
        manifest_id,
        subset,
        split,
        stratum,
        count_if(role = 'sample') AS samples,
        count_if(role = 'reserve') AS reserves
    FROM manifest
    GROUP BY manifest_id, subset, split, stratum
),
taken AS (
    SELECT r.manifest_id, r.subset, r.split, r.stratum, count(*) AS taken
    FROM samples AS s
    JOIN manifest AS r ON r.manifest_id = s.manifest_id AND r.sample_id = s.sample_id
    WHERE s.replaces IS NOT NULL
    GROUP BY r.manifest_id, r.subset, r.split, r.stratum
)
SELECT
    m.name,
    b.manifest_id,
    b.subset,
    b.split,
    b.stratum,
    b.samples,
    b.reserves,
    round(b.samples / nullif(b.reserves, 0), 1) AS samples_a_reserve,
    coalesce(t.taken, 0) AS taken
FROM behind AS b
JOIN manifests AS m USING (manifest_id)
LEFT JOIN taken AS t USING (manifest_id, subset, split, stratum)
ORDER BY m.name, b.manifest_id, b.subset, b.split, b.stratum
