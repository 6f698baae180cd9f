-- Why were candidates dropped? For each manifest: how many candidates, of how many sites, each
-- verdict took, and how far apart in time their scenes lie.
--
--     geosr sql why_dropped
SELECT
    m.name,
    c.manifest_id,
    c.verdict,
    count(*) AS candidates,
    count(DISTINCT c.site_id) AS sites,
    count(DISTINCT c.pair_id) AS pairs,
    round(100 * count(*) / sum(count(*)) OVER (PARTITION BY c.manifest_id), 1) AS percent,
    round(median(abs(c.gap_s)) / 86400, 2) AS median_gap_days
FROM candidates AS c
JOIN manifests AS m USING (manifest_id)
LEFT JOIN (
    SELECT manifest_id, rule, min(step) AS step FROM funnel GROUP BY manifest_id, rule
) AS f
    ON f.manifest_id = c.manifest_id AND f.rule = c.verdict
GROUP BY m.name, c.manifest_id, c.verdict, f.step
ORDER BY m.name, c.manifest_id, f.step NULLS LAST, c.verdict
