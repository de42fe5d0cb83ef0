import { VERSION } from "../../lib/base/version.ts";

/** What every archive, package and manifest says of the project: written here, and nowhere else. */
export const PROJECT = {
  name: "EXAI",
  version: VERSION,
  publisher: "The EXAI authors",
  copyright: "Copyright (c) 2026 The EXAI authors",
  licence: "MIT",
  summary: "One daemon that shares MCP servers between all editor and agent windows of a machine",
  description:
    "EXAI runs every MCP server once for all the editors and agents of a machine. Each window starts exai-shim, " +
    "a small MCP server on stdin and stdout; it connects to exai-daemon, which mounts the servers and keeps the " +
    "sessions of the windows apart.",
  tags: ["mcp", "model-context-protocol", "ai", "agent", "daemon"],
  programs: [
    { name: "exai-daemon", description: "EXAI daemon" },
    { name: "exai-shim", description: "EXAI shim: connects one window to the daemon" },
  ],
  npm: "exai-shim",
  homebrew: "exai",
  scoop: "exai",
  winget: "EXAI.EXAI",
} as const;

/** A system the programs are built for. */
export interface ReleaseTarget {
  /** As `deno compile --target` calls it. */
  target: string;
  /** As the archives and packages are called. */
  name: string;
  /** As Node.js calls them, and npm in `os` and `cpu`. */
  os: "linux" | "darwin" | "win32";
  cpu: "x64" | "arm64";
}

/** The systems of a release. */
export const TARGETS: readonly ReleaseTarget[] = [
  { target: "x86_64-unknown-linux-gnu", name: "linux-x64", os: "linux", cpu: "x64" },
  { target: "aarch64-unknown-linux-gnu", name: "linux-arm64", os: "linux", cpu: "arm64" },
  { target: "x86_64-apple-darwin", name: "macos-x64", os: "darwin", cpu: "x64" },
  { target: "aarch64-apple-darwin", name: "macos-arm64", os: "darwin", cpu: "arm64" },
  { target: "x86_64-pc-windows-msvc", name: "windows-x64", os: "win32", cpu: "x64" },
];

/** The files of the two programs on a system. */
export function programFiles({ os }: Pick<ReleaseTarget, "os">): string[] {
  return PROJECT.programs.map(({ name }) => os === "win32" ? `${name}.exe` : name);
}

/** The name of a system's archive, without its ending the name of the folder in it. */
export function archiveName({ name, os }: ReleaseTarget): { folder: string; file: string } {
  const folder = `exai-${PROJECT.version}-${name}`;
  return { folder, file: `${folder}.${os === "win32" ? "zip" : "tar.gz"}` };
}

/** The file that says which release of `repository` is the newest, as `exai-daemon update --check` reads it. */
export function newestUrl(repository: string): string {
  return `${repository}/releases/latest/download/${RELEASE_FILE}`;
}

/** What a release says of itself. */
export const RELEASE_FILE = "release.json";

/** Where a release of `repository` (`https://github.com/OWNER/NAME`) is downloaded from. */
export function downloadUrl(repository: string, file: string): string {
  return `${repository}/releases/download/v${PROJECT.version}/${file}`;
}
