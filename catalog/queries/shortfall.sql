-- Were the quotas met, and if not, what stood in the way? For each manifest and stratum: sites with a
-- candidate, samples and reserves, and the verdict that dropped most candidates of the others.
--
--     geosr sql shortfall
WITH per_site AS (
    SELECT
        manifest_id,
        coalesce(stratum, 'unknown') AS stratum,
        site_id,
        bool_or(verdict IN ('kept', 'reserve', 'not_best', 'over_quota')) AS passes
    FROM candidates
    GROUP BY manifest_id, coalesce(stratum, 'unknown'), site_id
),
dropped AS (
    SELECT
        manifest_id,
        coalesce(stratum, 'unknown') AS stratum,
        verdict,
        row_number() OVER (
            PARTITION BY manifest_id, coalesce(stratum, 'unknown') ORDER BY count(*) DESC, verdict
        ) AS place
    FROM candidates
    WHERE verdict NOT IN ('kept', 'reserve', 'not_best', 'over_quota')
    GROUP BY manifest_id, coalesce(stratum, 'unknown'), verdict
),
chosen AS (
    SELECT
        manifest_id,
        stratum,
        count_if(role = 'sample') AS samples,
        count_if(role = 'reserve') AS reserves
    FROM manifest
    GROUP BY manifest_id, stratum
)
SELECT
    m.name,
    p.manifest_id,
    p.stratum,
    count(*) AS sites,
    count_if(p.passes) AS sites_that_pass,
    coalesce(any_value(c.samples), 0) AS samples,
    coalesce(any_value(c.reserves), 0) AS reserves,
    any_value(d.verdict) AS most_dropped_by
FROM per_site AS p
JOIN manifests AS m USING (manifest_id)
LEFT JOIN chosen AS c USING (manifest_id, stratum)
LEFT JOIN dropped AS d
    ON d.manifest_id = p.manifest_id AND d.stratum = p.stratum AND d.place = 1
GROUP BY m.name, p.manifest_id, p.stratum
ORDER BY m.name, p.manifest_id, p.stratum
