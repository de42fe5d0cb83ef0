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
