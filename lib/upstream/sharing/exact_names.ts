import type { KnownServer } from "../../config/known_servers.ts";
import { baseOf, type ProgramReference } from "./program_references.ts";

/** Folders looked at in a path, from its end. */
const MAX_FOLDERS = 12;

const REPOSITORY = [
  /^(?:git\+)?(?:https?|ssh|git):\/\/[^/]+\/([^/]+)\/([^/#?@]+)/,
  /^(?:github|gitlab|bitbucket):([^/]+)\/([^/#?@]+)/,
];

/** A script or program, by the extension of its file. */
const EXTENSION = /\.(m?js|cjs|m?ts|py|pyz|php|rb|jar|exe|cmd|bat|ps1|sh|phar|dll)$/;

/** The extension of an installed program: a script by such a name may be anybody's. */
const OF_PROGRAM = /\.(exe|cmd|bat|ps1)$/;

/**
 * What a word of a command line names exactly, as `kind:name` in lower case: a package without version, an image
 * without tag, a program without path. A script below `node_modules` or `site-packages` names its package.
 *
 * @example
 * ```ts
 * import { exactNames } from "./exact_names.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(exactNames({ text: "@playwright/mcp@latest", kind: "npm" }), ["npm:@playwright/mcp"]);
 * assertEquals(exactNames({ text: "mcp_server_git", kind: "module" }), ["pypi:mcp-server-git"]);
 * ```
 */
export function exactNames({ text, kind }: ProgramReference): string[] {
  const word = text.toLowerCase();
  for (const pattern of REPOSITORY) {
    const [, owner, name] = pattern.exec(word) ?? [];
    if (name && kind !== "url") return [`repo:${owner}/${name.replace(/\.git$/, "")}`];
  }
  if (/^https?:/.test(word)) return hostNames(word);
  if (word.startsWith("npm:")) return [`npm:${withoutVersion(word.slice("npm:".length))}`];
  switch (kind) {
    case "npm":
      return isPath(word) ? pathNames(word) : [`npm:${withoutVersion(word)}`];
    case "pypi":
      return isPath(word) ? pathNames(word) : [`pypi:${normalized(withoutVersion(word))}`];
    case "module":
      return moduleNames(word);
    case "command":
      return [];
    case "image":
      return [`image:${imageName(word)}`];
    default:
      return pathNames(word);
  }
}

/** The same for an entry of the table. */
export function namesOfKnown({ npm, pypi, image, program, folder, repo, host }: KnownServer): string[] {
  const named = (kind: string, names: readonly string[] = []) =>
    names.map((name) => `${kind}:${name.toLowerCase()}`);
  const unscoped = (npm ?? []).filter((name) => !name.startsWith("@"));
  const projects = (pypi ?? []).map(normalized);
  return [
    ...named("npm", npm),
    ...named("pypi", projects),
    ...named("program", [...program ?? [], ...unscoped, ...projects].map(normalized)),
    ...named("image", image),
    ...named("folder", folder),
    ...named("repo", repo),
    ...named("host", host),
  ];
}

function hostNames(url: string): string[] {
  if (!URL.canParse(url)) return [];
  const { hostname } = new URL(url);
  return [`host:${hostname}`, `host:*.${hostname.slice(hostname.indexOf(".") + 1)}`];
}

/** `awslabs.x_server.server` is below the project `awslabs.x-server`. */
function moduleNames(module: string): string[] {
  const parts = module.split(".");
  return parts.map((_, i) => `pypi:${normalized(parts.slice(0, parts.length - i).join("."))}`);
}

function pathNames(path: string): string[] {
  const parts = path.split(/[/\\]/).filter((part) => part !== "" && part !== ".").slice(-MAX_FOLDERS);
  const inNpm = parts.slice(parts.lastIndexOf("node_modules") + 1);
  if (inNpm.length < parts.length && !inNpm[0]?.startsWith(".")) {
    return [`npm:${inNpm.slice(0, inNpm[0]?.startsWith("@") ? 2 : 1).join("/")}`];
  }
  const inPython = parts.findLastIndex((part) => part === "site-packages" || part === "dist-packages");
  const module = parts[inPython + 1];
  if (inPython !== -1 && module) return [`pypi:${normalized(module.replace(EXTENSION, ""))}`];
  const base = parts.at(-1) ?? "";
  const scoped = /^@[^/\\]+\/[^/\\]+$/.test(path) ? [`npm:${withoutVersion(path)}`] : [];
  const folders = parts.slice(2).map((part, i) => `folder:${parts[i]}/${parts[i + 1]}/${part}`);
  return [...scoped, `program:${normalized(withoutVersion(base).replace(OF_PROGRAM, ""))}`, ...folders];
}

function imageName(image: string): string {
  return image.replace(/@.*/, "").replace(/:[\w.-]+$/, "").replace(/^(index\.)?docker\.io\//, "")
    .replace(/^library\//, "");
}

/** As PyPI compares names; the same for programs, which are often named like their project. */
function normalized(name: string): string {
  return name.split(/[-_.]+/).join("-");
}

/** Without `@1.2.3` (the `@` of a scope is the first character), `==1.2` and `[extra]`. */
function withoutVersion(name: string): string {
  const at = name.indexOf("@", 1);
  return (at === -1 ? name : name.slice(0, at)).split(/[[=~<>!; ]/, 1)[0]!;
}

function isPath(word: string): boolean {
  return /^(\.{1,2}|~|[a-z]:)?[/\\]/.test(word) || baseOf(word).endsWith(".tgz") || word === ".";
}
