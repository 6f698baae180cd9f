-- Which acquisitions came as several items? Reprocessed, or served by several archives: the winner,
-- and how many stand behind it, whose hrefs serve when the winner's fail.
--
--     geosr sql reprocessed
SELECT
    sensor,
    scene_id,
    t_start,
    archive,
    item_id,
    size(superseded) AS superseded,
    array_join(transform(superseded, one -> one.item_id), ' ') AS superseded_items
FROM scenes
WHERE size(superseded) > 0
ORDER BY superseded DESC, sensor, scene_id
