-- What became of the candidates, by subset, stratum and split? For each manifest: candidates, those that
-- were kept or stand in reserve, and what dropped most of the others. It adds up to the funnel.
--
--     geosr sql funnel_by_split
WITH counted AS (
    SELECT
        manifest_id,
        subset,
        coalesce(stratum, 'unknown') AS stratum,
        coalesce(split, 'by order') AS split,
        verdict,
        count(*) AS n
    FROM candidates
    GROUP BY ALL
),
ranked AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY manifest_id, subset, stratum, split
            ORDER BY verdict IN ('kept', 'reserve'), n DESC, verdict
        ) AS place
    FROM counted
)
SELECT
    m.name,
    r.manifest_id,
    r.subset,
    r.stratum,
    r.split,
    sum(r.n) AS candidates,
    coalesce(sum(r.n) FILTER (WHERE r.verdict = 'kept'), 0) AS kept,
    coalesce(sum(r.n) FILTER (WHERE r.verdict = 'reserve'), 0) AS in_reserve,
    any_value(r.verdict) FILTER (WHERE r.place = 1 AND r.verdict NOT IN ('kept', 'reserve'))
        AS most_dropped_by,
    coalesce(any_value(r.n) FILTER (WHERE r.place = 1 AND r.verdict NOT IN ('kept', 'reserve')), 0)
        AS dropped_by_it
FROM ranked AS r
JOIN manifests AS m USING (manifest_id)
GROUP BY m.name, r.manifest_id, r.subset, r.stratum, r.split
ORDER BY m.name, r.manifest_id, r.subset, r.stratum, r.split
