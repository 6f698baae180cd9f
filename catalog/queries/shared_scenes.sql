-- Which scenes serve several splits? Their samples share no ground, but a day's weather and light.
--
--     geosr sql shared_scenes
WITH used AS (
    SELECT manifest_id, 'lr' AS side, lr_scene_id AS scene_id, split FROM manifest
    UNION ALL
    SELECT manifest_id, 'hr' AS side, hr_scene_id AS scene_id, split FROM manifest
)
SELECT
    m.name,
    u.manifest_id,
    u.side,
    u.scene_id,
    array_join(sort_array(collect_set(u.split)), ' ') AS splits,
    count(*) AS samples_and_reserves
FROM used AS u
JOIN manifests AS m USING (manifest_id)
GROUP BY m.name, u.manifest_id, u.side, u.scene_id
HAVING count(DISTINCT u.split) > 1
ORDER BY samples_and_reserves DESC, m.name, u.manifest_id, u.side, u.scene_id
