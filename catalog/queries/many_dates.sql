-- Which sites were seen on many dates? Sites with at least :least pairs that pass the rules on scenes:
-- so many could serve them, of which the best are taken. A pair counts once, whatever subsets the site is in.
--
--     geosr sql many_dates --arg least=2
SELECT
    m.name,
    c.manifest_id,
    c.site_id,
    round(any_value(s.lon), 4) AS lon,
    round(any_value(s.lat), 4) AS lat,
    any_value(c.stratum) AS stratum,
    count(DISTINCT c.pair_id) AS pairs,
    count(DISTINCT c.lr_scene_id) AS lr_scenes,
    count(DISTINCT c.hr_scene_id) AS hr_scenes,
    round(min(abs(c.gap_s)) / 86400, 2) AS least_gap_days,
    round(max(abs(c.gap_s)) / 86400, 2) AS greatest_gap_days
FROM candidates AS c
JOIN manifests AS m USING (manifest_id)
JOIN sites AS s USING (site_id)
WHERE c.verdict IN ('kept', 'reserve', 'shared_ground', 'not_best', 'over_quota')
GROUP BY m.name, c.manifest_id, c.site_id
HAVING count(DISTINCT c.pair_id) >= :least
ORDER BY pairs DESC, m.name, c.manifest_id, c.site_id
