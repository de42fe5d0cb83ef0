import { programReferences } from "./program_references.ts";

/** Names of folders and files that do not identify a program. */
const GENERIC = new Set([
  ..."dist build out lib libs src source bin target release debug app apps server servers mcp cli main index"
    .split(" "),
  ..."start run stdio bundle cjs esm node_modules __main__ package packages mod launch entry program js ts"
    .split(" "),
  ..."launcher wrapper scripts script tools".split(" "),
]);

/**
 * The names of the program that a command runs: `npx -y pkg@1`, `uvx --from x y`, `python -m x`,
 * `node path/dist/index.js`, `docker run ... image:tag`, `cmd /c ...`, `sh -c "..."`. Each is lower-case words separated
 * by spaces. Arguments of the program itself are ignored: a file server with a directory `shell` is not a shell.
 *
 * @example
 * ```ts
 * import { programNames } from "./program_names.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(programNames("npx", ["-y", "@playwright/mcp@latest"]), ["mcp", "playwright mcp", "playwright", "playwright mcp"]);
 * ```
 */
export function programNames(command: string, args: readonly string[]): string[] {
  return programReferences(command, args).flatMap(({ text, kind }) =>
    kind === "url" ? namesOfUrl(text) : namesOf(text)
  );
}

/** The names in the path of a URL, by which hosts of many servers distinguish them. */
export function namesOfUrl(url: string): string[] {
  if (!URL.canParse(url)) return [];
  return new URL(url).pathname.split("/").filter((segment) => segment !== "").map(words);
}

/** Whether `name` contains the words of `wanted` in sequence. */
export function hasWords(name: string, wanted: string): boolean {
  return ` ${name} `.includes(` ${wanted} `);
}

function namesOf(word: string): string[] {
  const bare = word
    .replace(/^(npm|jsr|git\+https?|git\+ssh|github|gitlab|nixpkgs|flake|docker|oci):(\/\/)?/, "")
    .replace(/[#?]/, " ")
    .replace(/\.git\b/, "");
  const segments = bare.split(/[/\\]/).filter((segment) => segment !== "" && segment !== ".");
  const path = segments.slice(segments.lastIndexOf("node_modules") + 1);
  const file = path.pop();
  if (file === undefined) return [];
  const names = [words(file), ...(path.length > 0 ? [words(`${path.at(-1)} ${file}`)] : [])];
  // The nearest folder that identifies the program: `playwright-mcp` of `playwright-mcp/dist/index.js`.
  while (path.length > 0 && GENERIC.has(path.at(-1)!.toLowerCase())) path.pop();
  const folder = path.pop();
  if (folder !== undefined) names.push(words(folder), words(`${folder} ${file}`));
  return names.filter((name) => name !== "");
}

/** `text` as words: without version, tag, digest, extras and extension, in lower case. */
function words(text: string): string {
  return withoutExtras(withoutVersion(text).split(/==|~=|>=|<=/, 1)[0]!)
    .replace(/:[\w.-]+$/, "")
    .replace(/\.(m?js|cjs|m?ts|py|pyz|php|rb|jar|exe|cmd|bat|ps1|sh|phar|dll)$/i, "")
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z0-9]/)
    .filter((word) => word !== "")
    .join(" ");
}

// Without regular expressions, whose time would be quadratic here.
/** `text` without `@1.2.3` at the end; an `@` at the start belongs to a scope. */
function withoutVersion(text: string): string {
  const at = text.indexOf("@", Math.max(1, text.lastIndexOf(" ") + 1));
  return at === -1 ? text : text.slice(0, at);
}

/** `text` without `[extra,other]` at the end. */
function withoutExtras(text: string): string {
  if (!text.endsWith("]")) return text;
  const at = text.indexOf("[", text.lastIndexOf("]", text.length - 2) + 1);
  return at === -1 ? text : text.slice(0, at);
}
