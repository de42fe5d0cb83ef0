import { ExaiError } from "../../base/errors.ts";

/**
 * A Markdown file of `lib/tool/prompts/`: everything a tool tells models, the one it asks and the one that calls it. It
 * begins with the name and the version of the texts:
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { PromptDocument } from "./prompt_document.ts";
 *
 * const document = new PromptDocument("---\nname: greet\nversion: 2\n---\n# Steps\n## Step 1\n- Say\n  hello.\n");
 * assertEquals([document.name, document.version], ["greet", 2]);
 * assertEquals(document.items("Steps", "Step 1"), ["Say hello."]);
 * ```
 */
export class PromptDocument {
  readonly name: string;
  readonly version: number;
  readonly #sections: ReadonlyMap<string, string>;

  /** @throws {ExaiError} `INTERNAL` for a text without name and version */
  constructor(markdown: string) {
    const [head, name, version] = /^---\nname: (\w+)\nversion: (\d+)\n---\n/.exec(markdown) ?? [];
    if (head === undefined) {
      throw new ExaiError("INTERNAL", `a prompt begins with its name and version: ${markdown.slice(0, 60)}`);
    }
    this.name = name!;
    this.version = Number(version);
    this.#sections = parseSections(markdown.slice(head.length));
  }

  /**
   * The text below a heading, or below a heading within that, one line for each paragraph and item.
   *
   * @throws {ExaiError} `INTERNAL` when there is none
   */
  text(title: string, within?: string): string {
    const text = this.find(title, within);
    if (text !== undefined) return text;
    throw new ExaiError(
      "INTERNAL",
      `the prompt ${this.name} has no section ${title}${within ? ` / ${within}` : ""}`,
    );
  }

  /** As {@linkcode text}, and undefined when there is none. */
  find(title: string, within?: string): string | undefined {
    return this.#sections.get(keyOf(title, within));
  }

  /** The items of the list below a heading, without their marks. */
  items(title: string, within?: string): string[] {
    return this.text(title, within).split("\n").flatMap((line) => ITEM.exec(line)?.[1] ?? []);
  }
}

const ITEM = /^(?:- |\d+\. )(.+)$/;
const FENCE = "```";

function keyOf(title: string, within = ""): string {
  return `${title}\n${within}`;
}

/** Splits a text at its headings of the first two levels; a section of the first holds those of the second. */
function parseSections(markdown: string): Map<string, string> {
  const sections = new Map<string, string>();
  let [title, within] = ["", ""];
  for (const line of unwrap(markdown)) {
    const [, marks, heading] = /^(##?) (.+)$/.exec(line) ?? [];
    if (marks === "#") [title, within] = [heading!, ""];
    else {
      append(sections, keyOf(title), line);
      if (marks === "##") within = heading!;
      else if (within !== "") append(sections, keyOf(title, within), line);
    }
  }
  return new Map(Array.from(sections, ([key, text]) => [key, text.trim()]));
}

function append(sections: Map<string, string>, key: string, line: string): void {
  const before = sections.get(key);
  sections.set(key, before === undefined ? line : `${before}\n${line}`);
}

/** Joins the lines that the formatter has wrapped. */
function unwrap(markdown: string): string[] {
  const lines: string[] = [];
  let [isFenced, isOpen] = [false, false];
  for (const line of markdown.split("\n")) {
    const isFence = line.startsWith(FENCE);
    if (isFence) isFenced = !isFenced;
    const isContinued = isOpen && !isFenced && !isFence && line !== "" && !/^(#|- |\d+\. )/.test(line);
    if (isContinued) lines.push(`${lines.pop()} ${line.trimStart()}`);
    else lines.push(line);
    isOpen = !isFenced && !isFence && line !== "" && !line.startsWith("#");
  }
  return lines;
}
