-- What is on the ground? Mean share of each land-cover class at the samples of each stratum, and at
-- all sites with a candidate: over-weighted classes stand out.
--
--     geosr sql land_cover
WITH asked AS (
    SELECT DISTINCT c.manifest_id, c.site_id, m.name, m.layer, m.layer_version
    FROM candidates AS c
    JOIN manifests AS m USING (manifest_id)
),
chosen AS (
    SELECT manifest_id, site_id, any_value(stratum) AS stratum FROM manifest
    WHERE role = 'sample'
    GROUP BY manifest_id, site_id
),
counts AS (
    SELECT
        a.manifest_id,
        count(*) AS sites,
        count_if(c.stratum = 'urban') AS urban,
        count_if(c.stratum = 'non_urban') AS non_urban
    FROM asked AS a
    LEFT JOIN chosen AS c USING (manifest_id, site_id)
    GROUP BY a.manifest_id
)
SELECT
    a.name,
    a.manifest_id,
    a.layer,
    v.class,
    round(100 * sum(v.frac) / any_value(n.sites), 2) AS percent_of_sites,
    round(100 * sum(CASE WHEN c.stratum = 'urban' THEN v.frac END)
        / nullif(any_value(n.urban), 0), 2) AS percent_of_urban_samples,
    round(100 * sum(CASE WHEN c.stratum = 'non_urban' THEN v.frac END)
        / nullif(any_value(n.non_urban), 0), 2) AS percent_of_non_urban_samples
FROM asked AS a
JOIN site_cover AS v USING (site_id, layer, layer_version)
JOIN counts AS n USING (manifest_id)
LEFT JOIN chosen AS c USING (manifest_id, site_id)
GROUP BY a.name, a.manifest_id, a.layer, v.class
ORDER BY a.name, a.manifest_id, v.class
