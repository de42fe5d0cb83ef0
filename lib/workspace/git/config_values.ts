import { isAbsolute, join } from "@std/path";
import { unusable } from "./git_guard.ts";

/** One setting with its name as git normalizes it, such as `core.autocrlf`. */
export type ConfigEntry = readonly [key: string, value: string];

const BOOLEAN = /^(?:true|false|yes|no|on|off|[01])?$/i;

/** Settings copied from the repository and the user. None of them names a program or a file. */
const COPIED: Readonly<Record<string, RegExp>> = {
  "core.autocrlf": /^(?:true|false|yes|no|on|off|[01]|input)?$/i,
  "core.eol": /^(?:lf|crlf|native)$/i,
  "core.filemode": BOOLEAN,
  "core.symlinks": BOOLEAN,
  "core.ignorecase": BOOLEAN,
  "core.precomposeunicode": BOOLEAN,
};

/** The layout of the repository, without which git would misread it. */
const LAYOUT: Readonly<Record<string, RegExp>> = {
  "extensions.objectformat": /^sha(?:1|256)$/i,
  "extensions.refstorage": /^(?:files|reftable)$/i,
};

/** Extensions that do not change the layout of what is read here. */
const IGNORED = [
  "noop",
  "noop-v1",
  "partialclone",
  "preciousobjects",
  "worktreeconfig",
  "relativeworktrees",
  "compatobjectformat",
];

/** Parses the output of `git config --list -z`. A name without a value means true. */
export function parseEntries(output: string): ConfigEntry[] {
  return output.split("\0").filter((entry) => entry !== "").map((entry) => {
    const end = entry.indexOf("\n");
    return end < 0 ? [entry, "true"] : [entry.slice(0, end), entry.slice(end + 1)];
  });
}

/** The last value of `key`. */
export function lastValue(entries: readonly ConfigEntry[], key: string): string | undefined {
  return entries.findLast(([name]) => name === key)?.[1];
}

/**
 * The settings of the repository that apply to a private git directory.
 *
 * @throws {ExaiError} `INVALID_PARAMS` for a repository extension that is not known
 */
export function repositoryValues(entries: readonly ConfigEntry[]): ConfigEntry[] {
  const layout = select(entries, LAYOUT);
  const hasVersion = Number(lastValue(entries, "core.repositoryformatversion") ?? 0) >= 1;
  for (const [key] of entries) {
    const extension = /^extensions\.(.*)$/s.exec(key)?.[1];
    if (extension === undefined || !hasVersion || IGNORED.includes(extension)) continue;
    // Git rejects an unknown extension, or one with an unknown value, as well.
    if (!layout.some(([known]) => known === key)) {
      throw unusable("", "uses a repository extension that is not known");
    }
  }
  return [
    ["core.repositoryformatversion", layout.length > 0 ? "1" : "0"],
    ...layout,
    ...select(entries, COPIED),
  ];
}

/** The settings of the user and the system that apply to a private git directory, with the paths of their files. */
export function userValues(
  entries: readonly ConfigEntry[],
  { HOME: home = "", XDG_CONFIG_HOME: xdg }: Readonly<Record<string, string>>,
): ConfigEntry[] {
  const configDir = xdg || (home && join(home, ".config"));
  const paths = [["core.excludesfile", "ignore"], ["core.attributesfile", "attributes"]].map(
    ([key, name]) => {
      const path = lastValue(entries, key!) ?? (configDir && join(configDir, "git", name!));
      return [key!, path.startsWith("~/") ? join(home, path.slice(2)) : path] as const;
    },
  );
  return [...select(entries, COPIED), ...paths.filter(([, path]) => isAbsolute(path))];
}

function select(entries: readonly ConfigEntry[], allowed: Readonly<Record<string, RegExp>>): ConfigEntry[] {
  return entries.filter(([key, value]) => Object.hasOwn(allowed, key) && allowed[key]!.test(value));
}

/** `entries` as a configuration file. */
export function renderConfig(entries: readonly ConfigEntry[]): string {
  return entries.map(([key, value]) => {
    const [section, name] = key.split(".");
    const quoted = value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
    return `[${section}]\n\t${name} = "${quoted}"\n`;
  }).join("");
}
