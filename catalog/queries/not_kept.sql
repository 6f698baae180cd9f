-- What became of the items? By archive and collection: kept or not, and why not.
--
--     geosr sql not_kept
SELECT
    archive,
    collection,
    outcome,
    reason,
    count(*) AS items,
    round(100 * count(*) / sum(count(*)) OVER (PARTITION BY archive, collection), 1) AS percent
FROM items
GROUP BY archive, collection, outcome, reason
ORDER BY archive, collection, items DESC, outcome, reason
