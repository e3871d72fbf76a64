// Every plane times a number of its own.

KERNEL(scale_channels, IN(T, x), IN(T, scale), OUT(T, y), UINT(n), UINT(plane)) {
  EACH(i, n) STORE(y, i, LOAD(x, i) * LOAD(scale, i / plane));
}

// Σ x · dy of each plane, a team for each.
KERNEL(scale_channels_slope, IN(T, x), IN(T, dy), OUT(T, slope), UINT(planes), UINT(plane)) {
  SHARED(f32, part, THREADS);
  const u32 map = GROUP * TEAMS + THREAD / TEAM;
  f32 sum = 0.0f;
  for (u32 i = map < planes ? THREAD % TEAM : plane; i < plane; i += TEAM) sum += LOAD(x, map * plane + i) * LOAD(dy, map * plane + i);
  sum = team_sum(sum, part, THREAD);
  if (THREAD % TEAM == 0 && map < planes) STORE(slope, map, sum);
}
