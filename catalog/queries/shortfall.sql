-- Were the quotas met, and if not, what stood in the way? For each manifest and part of its quotas: samples
-- and reserves that were asked for and found, and why samples are lacking.
--
--     geosr sql shortfall
SELECT
    m.name,
    q.manifest_id,
    q.subset,
    q.stratum,
    q.band,
    q.asked,
    q.samples,
    q.asked - q.samples AS lacking,
    q.reserves_asked,
    q.reserves,
    q.reason
FROM quotas AS q
JOIN manifests AS m USING (manifest_id)
ORDER BY lacking DESC, m.name, q.manifest_id, q.subset, q.stratum, q.band
