-- At which latitudes are the samples? By bands of :band degrees, beside all sites with a
-- candidate.
--
--     geosr sql latitudes --arg band=5
WITH drawn AS (
    SELECT DISTINCT manifest_id, site_id FROM candidates
),
banded AS (
    SELECT
        d.manifest_id,
        floor(g.lat / :band) * :band AS from_lat,
        d.site_id,
        s.sample_id
    FROM drawn AS d
    JOIN sites AS g USING (site_id)
    LEFT JOIN manifest AS s
        ON s.manifest_id = d.manifest_id AND s.site_id = d.site_id AND s.role = 'sample'
)
SELECT
    m.name,
    b.manifest_id,
    b.from_lat,
    count(DISTINCT b.site_id) AS sites,
    count(b.sample_id) AS samples,
    round(
        100 * count(DISTINCT CASE WHEN b.sample_id IS NOT NULL THEN b.site_id END)
        / count(DISTINCT b.site_id), 1
    ) AS percent_taken
FROM banded AS b
JOIN manifests AS m USING (manifest_id)
GROUP BY m.name, b.manifest_id, b.from_lat
ORDER BY m.name, b.manifest_id, b.from_lat
