/** How a text is laid out: what is written into it is laid out the same. */
export interface Layout {
  /** How its lines end. */
  eol: "\n" | "\r\n";
  /** Spaces of one step of indentation. */
  indent: number;
  /** Whether a step is one tab. */
  isTabbed: boolean;
}

/**
 * The layout of `text`: its first line end, and the indentation of its first indented line.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { layoutOf } from "./layout.ts";
 *
 * assertEquals(layoutOf('{\r\n    "a": 1\r\n}'), { eol: "\r\n", indent: 4, isTabbed: false });
 * ```
 */
export function layoutOf(text: string): Layout {
  const [, spaces = "", tab = ""] = /\n(?:( {1,8})|(\t))(?=["}\]A-Za-z_\-\d[{])/.exec(text) ?? [];
  return {
    eol: /\r?\n/.exec(text)?.[0] === "\r\n" ? "\r\n" : "\n",
    indent: spaces.length || 2,
    isTabbed: tab !== "",
  };
}

/** The line and column of `offset` in `text`, from 1. */
export function positionAt(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset);
  return { line: before.split("\n").length, column: offset - before.lastIndexOf("\n") };
}

/** `text` with the parts of it replaced that `splices` name; they do not overlap. */
export function spliceText(
  text: string,
  splices: readonly { from: number; to: number; put: string }[],
): string {
  let result = text;
  for (const { from, to, put } of splices.toSorted((a, b) => b.from - a.from || b.to - a.to)) {
    result = result.slice(0, from) + put + result.slice(to);
  }
  return result;
}
