-- Where and when are the samples? For each manifest, month and state: samples, and how many of them
-- are urban. The state is that of the photograph's name, as NAIP has it; elsewhere the UTM zone.
--
--     geosr sql coverage
SELECT
    m.name,
    s.manifest_id,
    CASE
        WHEN h.sensor = 'naip' AND h.item_id RLIKE '^[a-z]{2}_' THEN substring(h.item_id, 1, 2)
        ELSE concat('zone ', s.epsg % 100, CASE WHEN s.epsg < 32700 THEN 'N' ELSE 'S' END)
    END AS place,
    date_format(h.t_start, 'yyyy-MM') AS month,
    count(*) AS samples,
    count_if(s.stratum = 'urban') AS urban
FROM manifest AS s
JOIN manifests AS m USING (manifest_id)
JOIN scenes AS h ON h.scene_id = s.hr_scene_id
WHERE s.role = 'sample'
GROUP BY ALL
ORDER BY m.name, s.manifest_id, place, month
