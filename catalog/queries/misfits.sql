-- Which samples fit worst? What was measured at the pixels: the shift between the two sides in LR
-- pixels, their correlation, and the time between them.
--
--     geosr sql misfits
SELECT
    m.name,
    s.manifest_id,
    s.sample_id,
    r.split,
    r.stratum,
    round(sqrt(s.shift_x_px * s.shift_x_px + s.shift_y_px * s.shift_y_px), 3) AS shift_px,
    round(s.correlation, 3) AS correlation,
    round(s.lr_clear_frac, 3) AS lr_clear_frac,
    round(s.hr_clear_frac, 3) AS hr_clear_frac,
    round(r.gap_s / 86400, 2) AS gap_days
FROM samples AS s
JOIN manifest AS r USING (manifest_id, sample_id)
JOIN manifests AS m USING (manifest_id)
ORDER BY s.correlation NULLS FIRST, shift_px DESC, s.sample_id
