import type { RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";

/** How far a box is scrolled, and how large what is seen of it is, in pixels. */
interface Scrolled {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** What is seen of the box of `ref`; a guess, until it is there. */
export function useScrolled(ref: RefObject<HTMLElement | null>): Scrolled {
  const [seen, setSeen] = useState<Scrolled>({ left: 0, top: 0, width: 800, height: 500 });
  useEffect(() => watchScroll(ref.current!, setSeen), []);
  return seen;
}

function watchScroll(box: HTMLElement, onChange: (seen: Scrolled) => void): () => void {
  const read = () =>
    onChange({
      left: box.scrollLeft,
      top: box.scrollTop,
      width: box.clientWidth,
      height: box.clientHeight,
    });
  const sizes = new ResizeObserver(read);
  sizes.observe(box);
  box.addEventListener("scroll", read, { passive: true });
  read();
  return () => {
    sizes.disconnect();
    box.removeEventListener("scroll", read);
  };
}

/** How far a box is to be scrolled, from `scroll`, for what begins at `start` to be seen whole in its `room`. */
export function scrolledTo(
  scroll: number,
  { start, size, room }: { start: number; size: number; room: number },
): number {
  return start < scroll ? start : Math.max(scroll, start + size - room);
}

/** Ranges begin and end at multiples of this: not each step of a scroll draws other cells. */
const RANGE_STEP = 4;

/** The part of `count` things of `size` pixels that is seen, with a few on either side. */
export function visibleRange(
  { scroll, extent, size, count }: { scroll: number; extent: number; size: number; count: number },
): [number, number] {
  const first = RANGE_STEP * Math.max(0, Math.floor(scroll / size / RANGE_STEP) - 1);
  const end = RANGE_STEP * (Math.ceil((scroll + extent) / size / RANGE_STEP) + 1);
  return [Math.min(first, Math.max(0, count - 1)), Math.min(count, end)];
}
