/**
 * First offset in [min, max) whose stored time is at or after `time`, or `max` if there is none: the lower bound, so that of
 * equal times the first counts, as in a scan from `min`.
 *
 * Store times never go back within a queue of ours. In a foreign queue where they do, the result is some offset whose time is
 * at or after `time` while the one before it is earlier.
 */
export async function searchByTime(
  min: number,
  max: number,
  time: number,
  storedAtOf: (queueOffset: number) => Promise<number>,
): Promise<number> {
  let low = min;
  let high = max;
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    if ((await storedAtOf(middle)) < time) low = middle + 1;
    else high = middle;
  }
  return low;
}
