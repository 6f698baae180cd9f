-- How cloudy are the scenes, and of how many is it not known? By sensor and year.
--
--     geosr sql clouds
SELECT
    sensor,
    year(t_start) AS year,
    count(*) AS scenes,
    count_if(cloud_frac IS NULL) AS cloud_unknown,
    count_if(cloud_frac <= 0.05) AS up_to_5_percent,
    count_if(cloud_frac <= 0.20) AS up_to_20_percent,
    round(100 * avg(cloud_frac), 1) AS mean_percent,
    count_if(snow_frac IS NULL) AS snow_unknown
FROM scenes
GROUP BY sensor, year(t_start)
ORDER BY sensor, year
