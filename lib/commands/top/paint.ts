import { styleText } from "node:util";
import stringWidth from "string-width";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "../../base/units.ts";
import { visible } from "../../base/visible.ts";
import { cutToWidth } from "../table.ts";

/** How much of one line is shown in full. */
const MAX_FULL_CHARS = 100_000;
const SEGMENTER = new Intl.Segmenter();

type Format = "bold" | "dim" | "red" | "yellow" | "green" | "inverse";

/** Dresses a text for the terminal; without colours it stays as it is, so that nothing is said by a colour alone. */
export type Paint = (text: string, format: Format) => string;

export const PLAIN: Paint = (text) => text;

/** For a terminal that shows colours, as the caller has found out. */
export const COLOURS: Paint = (text, format) => styleText(format, text, { validateStream: false });

/** `text` in exactly `width` columns: foreign text made visible, cut or filled up. All that is drawn goes through this. */
export function fit(text: string, width: number): string {
  if (width <= 0) return "";
  const cut = cutToWidth(visible(text, 4 * width), width);
  return cut + " ".repeat(Math.max(0, width - stringWidth(cut)));
}

/** As {@linkcode fit}, for numbers: to the right. */
export function fitRight(text: string, width: number): string {
  const cut = cutToWidth(visible(text), width);
  return " ".repeat(Math.max(0, width - stringWidth(cut))) + cut;
}

/** Which rows of a list are seen: `selected` is always among them. */
export function windowOf(
  count: number,
  { selected, room }: { selected: number; room: number },
): [number, number] {
  const top = Math.max(0, Math.min(selected - Math.floor(room / 2), count - room));
  return [top, Math.min(count, top + Math.max(0, room))];
}

/** A duration in at most seven columns. */
export function formatAge(ms: number): string {
  if (ms < SECOND_MS) return `${ms < 10 ? ms.toFixed(1) : Math.floor(ms)} ms`;
  if (ms < 10 * SECOND_MS) return `${(ms / SECOND_MS).toFixed(1)} s`;
  if (ms < 2 * MINUTE_MS) return `${Math.round(ms / SECOND_MS)} s`;
  return ms < 2 * HOUR_MS ? `${Math.round(ms / MINUTE_MS)} min` : `${Math.round(ms / HOUR_MS)} h`;
}

/** A line of any length as lines of at most `width` columns, to be read in full; no more than `most` of them. */
export function breakLine(line: string, width: number, most = Infinity): string[] {
  const text = visible(line, MAX_FULL_CHARS);
  // A hundred times as fast, and nearly always so.
  if (/^[ -~]+$/.test(text)) {
    const count = Math.min(most, Math.ceil(text.length / width));
    return Array.from({ length: count }, (_, i) => text.slice(i * width, (i + 1) * width));
  }
  const lines: string[] = [];
  let [part, used] = ["", 0];
  for (const { segment } of SEGMENTER.segment(text)) {
    const wide = stringWidth(segment);
    if (used + wide > width) {
      if (lines.length >= most) return lines;
      lines.push(part);
      [part, used] = ["", 0];
    }
    part += segment;
    used += wide;
  }
  return [...lines, part];
}
