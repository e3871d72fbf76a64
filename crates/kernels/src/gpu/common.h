// What kernels share, in the dialect.

// A team is 32 threads that work on one row.
enum { TEAM = 32, TEAMS = THREADS / 32 };

// A loop over n numbers: each group takes THREADS of them at a time, all groups in turn.
#define EACH(i, n) for (u32 i = GROUP * THREADS + THREAD; i < (n); i += GROUPS * THREADS)

DEVICE u32 least(u32 a, u32 b) { return a < b ? a : b; }

// The sum over each `width` threads of a group, a power of two, by a tree of fixed shape: each of them gets it.
DEVICE f32 tree_sum(f32 value, SHARED_OF(f32) part, u32 index, u32 width) {
  const u32 lane = index % width;
  part[index] = value;
  BARRIER();
  for (u32 d = width / 2; d > 0; d /= 2) {
    if (lane < d) part[index] = part[index] + part[index + d];
    BARRIER();
  }
  const f32 sum = part[index - lane];
  BARRIER();
  return sum;
}

// Over all threads of a group.
DEVICE f32 group_sum(f32 value, SHARED_OF(f32) part, u32 index) { return tree_sum(value, part, index, THREADS); }

// Over the threads of each team.
DEVICE f32 team_sum(f32 value, SHARED_OF(f32) part, u32 index) { return tree_sum(value, part, index, TEAM); }

// The largest number of each team.
DEVICE f32 team_max(f32 value, SHARED_OF(f32) part, u32 index) {
  const u32 lane = index % TEAM;
  part[index] = value;
  BARRIER();
  for (u32 d = TEAM / 2; d > 0; d /= 2) {
    if (lane < d) part[index] = MAX(part[index], part[index + d]);
    BARRIER();
  }
  const f32 most = part[index - lane];
  BARRIER();
  return most;
}
