-- How do samples spread over splits? For each manifest: blocks, samples by stratum, and the share
-- of the samples that each split got.
--
--     geosr sql splits
SELECT
    m.name,
    s.manifest_id,
    s.subset,
    s.split,
    count(DISTINCT s.block) AS blocks,
    count(*) AS samples,
    count_if(s.stratum = 'urban') AS urban,
    count_if(s.stratum = 'non_urban') AS non_urban,
    round(100 * count(*) / sum(count(*)) OVER (PARTITION BY s.manifest_id, s.subset), 1) AS percent
FROM manifest AS s
JOIN manifests AS m USING (manifest_id)
WHERE s.role = 'sample'
GROUP BY m.name, s.manifest_id, s.subset, s.split
ORDER BY m.name, s.manifest_id, s.subset, s.split
