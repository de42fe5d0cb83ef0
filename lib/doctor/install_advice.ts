import { basename } from "@std/path";
import { ownEntry } from "../base/json.ts";
import { didYouMean } from "../base/suggest.ts";

/** Where programs that start servers come from. */
const PROGRAMS: Readonly<Record<string, string>> = {
  node: "Node.js (https://nodejs.org)",
  npm: "Node.js (https://nodejs.org)",
  npx: "Node.js (https://nodejs.org)",
  pnpm: "pnpm (https://pnpm.io/installation)",
  yarn: "Yarn (https://yarnpkg.com)",
  bun: "Bun (https://bun.sh)",
  bunx: "Bun (https://bun.sh)",
  deno: "Deno (https://deno.com)",
  uv: "uv (https://docs.astral.sh/uv)",
  uvx: "uv (https://docs.astral.sh/uv)",
  pipx: "pipx (https://pipx.pypa.io)",
  python: "Python (https://www.python.org/downloads)",
  python3: "Python (https://www.python.org/downloads)",
  docker: "Docker (https://docs.docker.com/get-docker)",
  podman: "Podman (https://podman.io)",
  dotnet: ".NET (https://dotnet.microsoft.com/download)",
  dnx: ".NET (https://dotnet.microsoft.com/download)",
  java: "a Java runtime (https://adoptium.net)",
  go: "Go (https://go.dev/dl)",
  cargo: "Rust (https://rustup.rs)",
};

/**
 * What to install where the program `command` is missing.
 *
 * @example
 * ```ts
 * import { installAdvice } from "./install_advice.ts";
 * import { assertStringIncludes } from "@std/assert";
 *
 * assertStringIncludes(installAdvice("uvx"), "https://docs.astral.sh/uv");
 * ```
 */
export function installAdvice(command: string): string {
  const name = basename(command.replaceAll("\\", "/")).replace(/\.(exe|cmd|bat)$/i, "");
  const source = ownEntry(PROGRAMS, name);
  const install = source === undefined
    ? `install it${didYouMean(name, Object.keys(PROGRAMS))}`
    : `install ${source}`;
  return `${install}, or write its whole path as command in mcp.json; editors started from the desktop do not see ` +
    "what only your terminal has in its PATH";
}
