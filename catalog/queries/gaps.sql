-- How far apart in time are the two sides? For each manifest and day of the gap: samples, all
-- candidates that pass the rules on scenes, and the share of the samples up to that day.
--
--     geosr sql gaps
WITH counted AS (
    SELECT
        manifest_id,
        CAST(floor(abs(gap_s) / 86400) AS INT) AS days_apart,
        count_if(verdict = 'kept') AS samples,
        count(*) AS candidates
    FROM candidates
    WHERE verdict IN ('kept', 'reserve', 'shared_ground', 'not_best', 'over_quota')
    GROUP BY manifest_id, days_apart
)
SELECT
    m.name,
    c.manifest_id,
    c.days_apart,
    c.samples,
    c.candidates,
    round(
        100 * sum(c.samples) OVER (PARTITION BY c.manifest_id ORDER BY c.days_apart)
        / nullif(sum(c.samples) OVER (PARTITION BY c.manifest_id), 0), 1
    ) AS percent_up_to_here
FROM counted AS c
JOIN manifests AS m USING (manifest_id)
ORDER BY m.name, c.manifest_id, c.days_apart
