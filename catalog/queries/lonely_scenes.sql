-- How many scenes are in no pair? By rule, sensor and year: scenes of the sensors that the rule pairs,
-- and those of them that meet nothing within its window.
--
--     geosr sql lonely_scenes
WITH paired AS (
    SELECT DISTINCT rule_id, lr_scene_id AS scene_id FROM pairs
    UNION
    SELECT DISTINCT rule_id, hr_scene_id AS scene_id FROM pairs
),
sensors AS (
    SELECT DISTINCT p.rule_id, s.sensor
    FROM paired AS p
    JOIN scenes AS s USING (scene_id)
)
SELECT
    r.rule_id,
    s.sensor,
    year(s.t_start) AS year,
    count(*) AS scenes,
    count_if(p.scene_id IS NULL) AS in_no_pair
FROM scenes AS s
JOIN sensors AS r USING (sensor)
LEFT JOIN paired AS p ON p.rule_id = r.rule_id AND p.scene_id = s.scene_id
GROUP BY r.rule_id, s.sensor, year(s.t_start)
ORDER BY r.rule_id, s.sensor, year
