/** A kind of system, by where programs keep their files on it. */
export type PlaceSystem = "linux" | "darwin" | "windows";

/** Where the programs of one user keep their files, on one side of a machine. */
export interface ClientPlaces {
  system: PlaceSystem;
  home: string;
  /** `XDG_CONFIG_HOME`, or `~/.config`; programs made for Unix use that on every system. */
  config: string;
  /** Where desktop programs keep what follows the user: `%APPDATA%`, `~/Library/Application Support`. */
  data: string;
  /** As above for what stays on this machine: `%LOCALAPPDATA%`. */
  local: string;
  /** The directory and the file of Claude Code's state and settings. */
  claude: string;
  claudeState: string;
  codex: string;
  gemini: string;
  copilot: string;
  opencode: string;
}

/** Variables by name, as they are on that system. */
type SystemVariables = Readonly<Record<string, string | undefined>>;

/**
 * The places by the variables of a user of `system`.
 *
 * @param home the home directory, absolute; left out: as the variables say
 */
export function placesOf(env: SystemVariables, system: PlaceSystem, home?: string): ClientPlaces {
  const user = home ?? (system === "windows" ? env.USERPROFILE ?? env.HOME : env.HOME ?? env.USERPROFILE) ??
    ".";
  const isForeign = home !== undefined;
  const set = (name: string) => isForeign ? undefined : env[name] || undefined;
  const config = set("XDG_CONFIG_HOME") ?? `${user}/.config`;
  const library = `${user}/Library/Application Support`;
  const data =
    { linux: config, darwin: library, windows: set("APPDATA") ?? `${user}/AppData/Roaming` }[system];
  const local = { linux: config, darwin: library, windows: set("LOCALAPPDATA") ?? `${user}/AppData/Local` };
  const claude = set("CLAUDE_CONFIG_DIR");
  return {
    system,
    home: user,
    config,
    data,
    local: local[system],
    claude: claude ?? `${user}/.claude`,
    claudeState: `${claude ?? user}/.claude.json`,
    codex: set("CODEX_HOME") ?? `${user}/.codex`,
    gemini: `${set("GEMINI_CLI_HOME") ?? user}/.gemini`,
    copilot: set("COPILOT_HOME") ?? `${user}/.copilot`,
    opencode: set("OPENCODE_CONFIG_DIR") ?? `${config}/opencode`,
  };
}

/** The places of the user of this process. */
export function ownPlaces(): ClientPlaces {
  const { os } = Deno.build;
  return placesOf(Deno.env.toObject(), os === "windows" || os === "darwin" ? os : "linux");
}

/** The name of the Linux distribution where this process runs in WSL. */
export function wslDistribution(): string | undefined {
  return Deno.env.get("WSL_DISTRO_NAME") || undefined;
}
