// A number for every channel, added: x (R, C, plane), plane 1 where the channels come last.

KERNEL(add_channels, IN(T, x), IN(f32, bias), OUT(T, y), UINT(n), UINT(channels), UINT(plane)) {
  EACH(i, n) STORE(y, i, LOAD(x, i) + LOAD(bias, i / plane % channels));
}
