-- What was had from which API, and which days are missing? An answer that was whole counts until a
-- newer one is; a day that never was whole is missing.
--
--     geosr sql days_had
WITH days AS (
    SELECT
        api,
        collection,
        area,
        day,
        max_by(items, fetched_at) FILTER (WHERE status = 'done') AS items,
        max_by(reason, fetched_at) AS reason
    FROM slices
    GROUP BY api, collection, area, day
)
SELECT
    api,
    collection,
    area,
    count(items) AS days,
    coalesce(sum(items), 0) AS items,
    count(*) FILTER (WHERE items IS NULL) AS days_missing,
    min(day) FILTER (WHERE items IS NULL) AS first_missing,
    max(day) FILTER (WHERE items IS NULL) AS last_missing,
    mode(reason) FILTER (WHERE items IS NULL) AS reason
FROM days
GROUP BY api, collection, area
ORDER BY days_missing DESC, api, collection, area
