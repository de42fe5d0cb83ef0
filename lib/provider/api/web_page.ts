import { clipRedacted } from "../../base/text.ts";
import { ownEntry } from "../../base/json.ts";

/** The part of a page that is looked at. */
const MAX_PAGE_CHARS = 65_536;
const MAX_TITLE_CHARS = 200;

const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  "#39": "'",
  nbsp: " ",
};

/**
 * Returns what a web page or an XML document says it is: its title or first heading, or else the beginning of its text.
 * The rest of an error page is of no use to the reader, and may name the address of the user.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { titleOfPage } from "./web_page.ts";
 *
 * assertEquals(titleOfPage("<html><title>502 Bad Gateway</title><body>nginx</body></html>"), "502 Bad Gateway");
 * ```
 */
export function titleOfPage(page: string): string {
  const start = page.slice(0, MAX_PAGE_CHARS);
  for (const tag of ["title", "h1", "Message", "h2"]) {
    const title = textOfMarkup(contentOf(start, tag));
    if (title !== "") return title;
  }
  return textOfMarkup(start);
}

/** What stands between the first `tag` of `page` and its end. */
function contentOf(page: string, tag: string): string {
  const lower = page.toLowerCase();
  const open = lower.indexOf(`<${tag.toLowerCase()}`);
  const begin = open < 0 ? -1 : lower.indexOf(">", open);
  const end = begin < 0 ? -1 : lower.indexOf(`</${tag.toLowerCase()}`, begin);
  return end < 0 ? "" : page.slice(begin + 1, end);
}

function textOfMarkup(markup: string): string {
  let text = "";
  let isText = true;
  for (const part of withoutBlocks(markup).split(/([<>])/)) {
    if (part === "<") isText = false;
    else if (part === ">") {
      isText = true;
      text += " ";
    } else if (isText) text += part;
  }
  const clean = text.replaceAll(
    /&([a-z]+|#39);/g,
    (entity, name: string) => ownEntry(ENTITIES, name) ?? entity,
  )
    .replaceAll(/\s+/g, " ").trim();
  return clipRedacted(clean, MAX_TITLE_CHARS);
}

/** `markup` without scripts, styles and comments. */
function withoutBlocks(markup: string): string {
  const lower = markup.toLowerCase();
  let kept = "";
  let at = 0;
  for (;;) {
    const starts = ["<script", "<style", "<!--"].map((tag) => ({ tag, at: lower.indexOf(tag, at) }))
      .filter((one) => one.at >= 0).sort((a, b) => a.at - b.at);
    const first = starts[0];
    if (first === undefined) return kept + markup.slice(at);
    kept += markup.slice(at, first.at);
    const closing = first.tag === "<!--" ? "-->" : `</${first.tag.slice(1)}`;
    const end = lower.indexOf(closing, first.at);
    if (end < 0) return kept;
    at = end;
  }
}
