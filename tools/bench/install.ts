import { join } from "@std/path";
import { NotAvailable } from "./subject.ts";

/** What EXAI is measured against, each at one version, so that numbers of two days can be compared. */
export const PACKAGES = {
  "@modelcontextprotocol/server-everything": { version: "2026.8.31", entry: "dist/index.js" },
  "mcp-proxy": { version: "6.7.19", entry: "dist/bin/mcp-proxy.mjs" },
  "mcp-remote": { version: "0.15.1", entry: "dist/proxy.js" },
  "supergateway": { version: "4.0.0", entry: "dist/index.js" },
} as const;

export type PackageName = keyof typeof PACKAGES;

/** Gives the program of each package: a file for Node.js. */
export type Entries = (name: PackageName) => string;

/**
 * Installs the packages once into a cache directory, so that what starts later is the program and not npx.
 *
 * @throws {NotAvailable} when npm is not there or cannot get them
 */
export async function installPackages(): Promise<Entries> {
  const home = cacheDir();
  const entryOf: Entries = (name) => join(home, "node_modules", name, PACKAGES[name].entry);
  const wanted = Object.entries(PACKAGES).map(([name, { version }]) => `${name}@${version}`);
  if (await isInstalled(home)) return entryOf;
  await Deno.mkdir(home, { recursive: true });
  const npm = Deno.build.os === "windows" ? "npm.cmd" : "npm";
  const args = ["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", home, ...wanted];
  try {
    const { success, stderr } = await new Deno.Command(npm, { args, stdin: "null", stdout: "null" }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr).trim());
  } catch (thrown) {
    throw new NotAvailable(`npm could not install ${wanted.join(" ")}: ${(thrown as Error).message}`);
  }
  return entryOf;
}

async function isInstalled(home: string): Promise<boolean> {
  for (const [name, { version }] of Object.entries(PACKAGES)) {
    const manifest = join(home, "node_modules", name, "package.json");
    const text = await Deno.readTextFile(manifest).catch(() => "{}");
    if (JSON.parse(text).version !== version) return false;
  }
  return true;
}

function cacheDir(): string {
  const user = Deno.env.get("HOME") ?? Deno.env.get("USERPROFILE") ?? ".";
  const base = Deno.env.get("XDG_CACHE_HOME") ?? Deno.env.get("LOCALAPPDATA") ?? join(user, ".cache");
  return join(base, "exai-bench");
}
