const root = new URL("../../", import.meta.url);

/** The text of each page of the documentation, by its path from the root. */
export async function readPages(): Promise<Map<string, string>> {
  const docs = await Array.fromAsync(Deno.readDir(new URL("docs/", root)));
  const paths = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"];
  for (const { name } of docs) if (name.endsWith(".md")) paths.push(`docs/${name}`);
  const texts = paths.map(async (path) => [path, await Deno.readTextFile(new URL(path, root))] as const);
  return new Map(await Promise.all(texts));
}

const FENCE = /^ *```(\w*)\n([\s\S]*?)^ *```$/gm;
/** Inline code that starts one of these programs with arguments. */
const INLINE = /`((?:exai-daemon|exai-shim|deno|npx) [^`]+)`/g;

/** The code blocks of a page in one of `languages`. */
export function codeBlocks(page: string, languages: readonly string[]): string[] {
  return Array.from(page.matchAll(FENCE)).filter(([, language]) => languages.includes(language!))
    .map(([, , text]) => text!);
}

/**
 * The shell commands a page shows, in blocks of `sh` and inline, without their comments.
 *
 * @param options `inBlocks`: whether those in blocks are among them
 */
export function shownCommands(page: string, { inBlocks = true } = {}): string[] {
  const blocks = inBlocks ? codeBlocks(page, ["sh"]) : [];
  const lines = blocks.flatMap((text) => text.replaceAll(/\\\n\s*/g, "").split("\n"));
  const inline = Array.from(page.replaceAll(FENCE, "").matchAll(INLINE), ([, text]) => text!);
  // A bar in a table is escaped.
  const clean = [...lines, ...inline].map((line) =>
    line.replaceAll("\\|", "|").replace(/\s+# .*$/, "").replaceAll(/\s+/g, " ").trim()
  );
  return clean.filter((line) => line !== "");
}

/** The words of a command line, quotes taken off. */
export function wordsOf(line: string): string[] {
  return Array.from(line.matchAll(/"([^"]*)"|(\S+)/g), ([, quoted, plain]) => quoted ?? plain!);
}
