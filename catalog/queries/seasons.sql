-- In which months was the ground seen? Samples by month of the HR scene and stratum; north and south
-- of the equator apart, since their summers are.
--
--     geosr sql seasons
SELECT
    m.name,
    s.manifest_id,
    CASE WHEN g.lat < 0 THEN 'south' ELSE 'north' END AS hemisphere,
    month(h.t_start) AS month,
    count(*) AS samples,
    count_if(s.stratum = 'urban') AS urban,
    count_if(s.stratum = 'non_urban') AS non_urban
FROM manifest AS s
JOIN manifests AS m USING (manifest_id)
JOIN sites AS g USING (site_id)
JOIN scenes AS h ON h.scene_id = s.hr_scene_id
WHERE s.role = 'sample'
GROUP BY ALL
ORDER BY m.name, s.manifest_id, hemisphere, month
