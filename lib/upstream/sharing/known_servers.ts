import { KNOWN_SERVERS, type KnownSharing, TELLING_WORDS } from "../../config/known_servers.ts";
import { type ServerConfig, usesWorkspace } from "../../config/server_config.ts";
import { holdsRelativePath, isAbsolutePath } from "../../config/workspace_variables.ts";
import { exactNames, namesOfKnown } from "./exact_names.ts";
import { hasWords, namesOfUrl, programNames } from "./program_names.ts";
import { type ProgramReference, programReferences } from "./program_references.ts";

const BY_NAME = new Map(
  KNOWN_SERVERS.flatMap((server) => namesOfKnown(server).map((name) => [name, server])),
);

/** From the fewest windows to the most. */
const NARROWEST_FIRST = ["session", "project", "machine"];

/** What is known of the server that `config` starts or leads to: by its exact name, else by what its name says. */
export function knownServer(config: ServerConfig): KnownSharing | undefined {
  const exact = exactlyKnown(config);
  if (!exact) return knownByWords(config);
  if (exact.share !== "machine" || !namesWorkspace(config, exact.relativePaths === "package")) return exact;
  return { ...exact, share: "project", why: "its arguments, variables or cwd name the workspace" };
}

/**
 * Whether the server of `config` is known to do the same in whatever directory it runs, and is given none: the windows
 * of one repository may then share it, in whichever of its working trees they are.
 */
export function ignoresDirectory(config: ServerConfig): boolean {
  const exact = exactlyKnown(config);
  return exact?.cwd === false && !namesWorkspace(config, exact.relativePaths === "package");
}

/** Whether the files of its processes can be seen from here: those in a container cannot. */
export function canBeObserved(config: ServerConfig): boolean {
  return config.kind === "stdio" &&
    !programReferences(config.command, config.args).some(({ kind }) => kind === "image");
}

function exactlyKnown(config: ServerConfig) {
  const references: ProgramReference[] = config.kind === "stdio"
    ? programReferences(config.command, config.args)
    : [{ text: config.url, kind: "url" }];
  const found = references.flatMap(exactNames).flatMap((name) => BY_NAME.get(name) ?? []);
  // `mcp-remote URL` is both: in doubt apart.
  return found.sort((a, b) => NARROWEST_FIRST.indexOf(a.share) - NARROWEST_FIRST.indexOf(b.share))[0];
}

function knownByWords(config: ServerConfig): KnownSharing | undefined {
  const isPackage = config.kind === "stdio" &&
    programReferences(config.command, config.args).every(({ kind }) => kind === "npm" || kind === "command");
  const names = config.kind === "stdio" ? programNames(config.command, config.args) : namesOfUrl(config.url);
  return TELLING_WORDS.find(({ words, isExact }) =>
    isExact
      // Each, as one is with the scope or folder: a fork in another scope may keep other things elsewhere.
      ? isPackage && names.length > 0 && names.every((name) => words.includes(name))
      : words.some((wanted) => names.some((name) => hasWords(name, wanted)))
  );
}

/** Whether `config`, as the file has it, means another directory for each workspace. */
export function namesWorkspace(config: ServerConfig, areVariablesFixed = false): boolean {
  if (usesWorkspace(config)) return true;
  if (config.kind !== "stdio") return false;
  const { command, args, env, cwd } = config;
  if ([command, ...args].some(isRelativeText)) return true;
  if (cwd !== undefined && !cwd.startsWith("~") && !isAbsolutePath(cwd)) return true;
  return !areVariablesFixed &&
    Object.values(env).some((value) => /^\.{1,2}([/\\]|$)/.test(value ?? ""));
}

/** Paths that mean another directory for each workspace, wherever they are in a text. */
const RELATIVE = [
  /(^|[=:\s])\.{1,2}([/\\]|\s|$)/,
  // A package of npm, as in `file:x`.
  /(^|@)(file|link|portal):(?![/\\~]|[a-z]:)/i,
  // What a shell makes of it.
  /\$\{?PWD\b|\$\(pwd\)|`pwd`|%CD%/i,
];

function isRelativeText(text: string): boolean {
  return holdsRelativePath(text) || RELATIVE.some((pattern) => pattern.test(text));
}
