-- What changes at another cloud limit? For each manifest and stratum: the sites that have a
-- candidate which passes every rule on scenes today, and those that still would if no scene could
-- be cloudier than :max_cloud. Scenes whose cloud share is unknown stay as the recipe has them.
--
--     geosr sql at_cloud_limit --arg max_cloud=0.05
WITH eligible AS (
    SELECT
        *,
        coalesce(lr_cloud_frac, 0) <= :max_cloud AND coalesce(hr_cloud_frac, 0) <= :max_cloud AS passes
    FROM candidates
    WHERE verdict IN ('kept', 'reserve', 'shared_ground', 'not_best', 'over_quota')
)
SELECT
    m.name,
    e.manifest_id,
    e.stratum,
    count(*) AS candidates_now,
    count_if(e.passes) AS candidates_then,
    count(DISTINCT e.site_id) AS sites_now,
    count(DISTINCT CASE WHEN e.passes THEN e.site_id END) AS sites_then,
    count_if(e.verdict = 'kept') AS samples_now,
    count_if(e.verdict = 'kept' AND NOT e.passes) AS samples_lost
FROM eligible AS e
JOIN manifests AS m USING (manifest_id)
GROUP BY m.name, e.manifest_id, e.stratum
ORDER BY m.name, e.manifest_id, e.stratum
