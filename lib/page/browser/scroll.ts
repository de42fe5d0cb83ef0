/** How far a box is to be scrolled, from `scroll`, for what begins at `start` to be seen whole in its `room`. */
export function scrolledTo(
  scroll: number,
  { start, size, room }: { start: number; size: number; room: number },
): number {
  return start < scroll ? start : Math.max(scroll, start + size - room);
}

/** Ranges begin and end at multiples of this: not each step of a scroll draws other cells. */
const RANGE_STEP = 4;

/**
 * The part of `count` things of `size` pixels that is seen, with a few on either side.
 *
 * @param extent how much is seen, in pixels
 * @returns the index of the first, and that after the last
 */
export function visibleRange(
  { scroll, extent, size, count }: { scroll: number; extent: number; size: number; count: number },
): [number, number] {
  const first = RANGE_STEP * Math.max(0, Math.floor(scroll / size / RANGE_STEP) - 1);
  const end = RANGE_STEP * (Math.ceil((scroll + extent) / size / RANGE_STEP) + 1);
  return [Math.min(first, Math.max(0, count - 1)), Math.min(count, end)];
}
