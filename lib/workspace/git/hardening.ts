import { isAbsolute, join } from "@std/path";

/**
 * How git is prevented from running programs or opening files that a repository names.
 *
 * A repository's configuration can name programs in dozens of places (filters, text converters, diff and merge
 * drivers, monitors, hooks, transports, credential helpers, signature checkers, pagers), each version of git adds new
 * ones, and no switch turns all filters off. So git never reads that configuration. It runs on a private git directory
 * (`private_dir.ts`) whose only configuration is {@linkcode PRIVATE_CONFIG} and the few values of
 * `config_values.ts`; index, references and objects are the repository's. The attributes of a repository can still
 * select a driver, but none is defined: git then uses the content as it is, even for a filter that is "required".
 *
 * This works with git 2.5 and later; a list of switches would need the newest version.
 */

/** Settings of the private git directory. Most are git's defaults, set so that git does not infer others. */
export const PRIVATE_CONFIG: readonly [key: string, value: string][] = [
  ["core.bare", "false"],
  // A monitor is a program; true would start git's own daemon. Git before 2.36 takes "false" for a program.
  ["core.fsmonitor", ""],
  // No directory, so without hooks (`git diff` would run post-index-change).
  ["core.hooksPath", "/dev/null"],
  ["core.pager", "cat"],
  ["core.sshCommand", "false"],
  ["core.askPass", "false"],
  ["core.editor", "false"],
  ["credential.helper", ""],
  // No remote is contacted, even by a git too old for GIT_NO_LAZY_FETCH; `ext::` remotes are commands.
  ["protocol.allow", "never"],
  ["log.showSignature", "false"],
  // Status and log of a submodule run git inside it, with the submodule's own configuration.
  ["diff.submodule", "short"],
  ["submodule.recurse", "false"],
  // A multi-pack index names packs by path, which may lead out of the repository. The commit graph is not needed
  // either, and a repository could have forged it.
  ["core.multiPackIndex", "false"],
  ["core.commitGraph", "false"],
  // Reading writes nothing.
  ["diff.autoRefreshIndex", "false"],
  ["core.untrackedCache", "false"],
  ["gc.auto", "0"],
  ["maintenance.auto", "false"],
  // The diff is parsed, and git holds larger files in memory as a whole.
  ["core.quotePath", "false"],
  ["core.safecrlf", "false"],
  ["core.bigFileThreshold", "16m"],
  ["color.ui", "false"],
  ["diff.noprefix", "false"],
  ["diff.mnemonicPrefix", "false"],
];

/**
 * Arguments before the command: no pager, and literal paths, not patterns. The command line overrides every
 * configuration file, so the most important settings are repeated here.
 */
export const GLOBAL_ARGS: readonly string[] = [
  "--no-pager",
  "--literal-pathspecs",
  ...["core.fsmonitor=", "core.hooksPath=/dev/null", "protocol.allow=never"].flatMap((
    set,
  ) => ["-c", set]),
];

/** Variables a program needs to start. None of them is git's own. */
const INHERITED = ["SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "TEMP", "TMP", "TMPDIR"];

/**
 * The whole environment of git on the private git directory `privateDir`. Variables of git are not inherited from the
 * daemon (`GIT_DIR`, `GIT_CONFIG_*`, `GIT_SSH_COMMAND`, `GIT_EXTERNAL_DIFF`, `GIT_ALTERNATE_OBJECT_DIRECTORIES`,
 * `GIT_TRACE*`: a hook may have started the daemon), and neither the user's nor the system's configuration is read: a
 * filter defined there is a program too, and a repository may select it.
 */
export function gitEnvironment(privateDir: string, base: Readonly<Record<string, string>>) {
  return {
    ...plainEnvironment(base),
    GIT_DIR: privateDir,
    HOME: privateDir,
    USERPROFILE: privateDir,
    XDG_CONFIG_HOME: privateDir,
    GIT_CONFIG_GLOBAL: join(privateDir, "no-config"),
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_ATTR_NOSYSTEM: "1",
    GIT_NO_LAZY_FETCH: "1",
    GIT_ALLOW_PROTOCOL: "none",
  };
}

/** The environment for reading the user's and the system's configuration, which starts no other program. */
export function userEnvironment(privateDir: string, base: Readonly<Record<string, string>>) {
  const own = ["HOME", "USERPROFILE", "HOMEDRIVE", "HOMEPATH", "XDG_CONFIG_HOME", "PROGRAMDATA"];
  return { ...plainEnvironment(base), ...pick(base, own), GIT_DIR: privateDir };
}

function plainEnvironment(base: Readonly<Record<string, string>>): Record<string, string> {
  const path = Object.entries(base).find(([name]) => name.toUpperCase() === "PATH")?.[1] ?? "";
  const separator = Deno.build.os === "windows" ? ";" : ":";
  return {
    ...pick(base, INHERITED),
    // A relative entry could find a program called git in the repository, the working directory of git.
    PATH: path.split(separator).filter(isAbsolute).join(separator),
    LC_ALL: "C",
    GIT_OPTIONAL_LOCKS: "0",
    GIT_TERMINAL_PROMPT: "0",
  };
}

function pick(base: Readonly<Record<string, string>>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(base).filter(([name]) => names.includes(name.toUpperCase())));
}
