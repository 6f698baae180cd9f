-- Which scenes serve most samples? If one of them turns out to be bad, so many samples are lost.
--
--     geosr sql busiest_scenes
WITH used AS (
    SELECT manifest_id, 'lr' AS side, lr_scene_id AS scene_id, split FROM manifest
    WHERE role = 'sample'
    UNION ALL
    SELECT manifest_id, 'hr' AS side, hr_scene_id AS scene_id, split FROM manifest
    WHERE role = 'sample'
)
SELECT
    m.name,
    u.manifest_id,
    u.side,
    u.scene_id,
    any_value(s.item_id) AS item_id,
    any_value(s.t_start) AS t_start,
    count(*) AS samples,
    count(DISTINCT u.split) AS splits
FROM used AS u
JOIN manifests AS m USING (manifest_id)
JOIN scenes AS s USING (scene_id)
GROUP BY m.name, u.manifest_id, u.side, u.scene_id
ORDER BY samples DESC, m.name, u.manifest_id, u.side, u.scene_id
