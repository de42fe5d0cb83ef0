import { join } from "@std/path";
import { bundleWithMaps } from "../compile/daemon.ts";

/** A package of which code is in the programs. */
export interface BundledPackage {
  name: string;
  version: string;
  /** As its package.json has it; undefined when it says nothing. */
  licence: string | undefined;
  /** The text of its licence; undefined when it ships none. */
  licenceText: string | undefined;
  /** What npm's `integrity` says of its archive: `sha512-` and base64. */
  integrity: string | undefined;
  /** Names of packages it asks for. */
  dependencies: readonly string[];
}

/** A file of a package. Maps of some packages name sources outside of these, which then stand where the version does. */
const PACKAGE = /registry\.npmjs\.org\/((?:@[^/"]+\/)?[^/"@]+)\/(\d[^/"]*)\//g;
const LICENCE_FILE = /^(licen[cs]e|copying|notice)(\.\w+)?$/i;

interface LockedPackage {
  integrity?: string;
  dependencies?: readonly string[];
}

interface Lock {
  npm: Readonly<Record<string, LockedPackage>>;
}

/**
 * The packages of which code is in the programs, by name: those in the source maps of a bundle, not all that are
 * installed. (Of the MCP SDK's dependencies, most are for servers of HTTP and are never imported.)
 */
export async function bundledPackages(): Promise<BundledPackage[]> {
  const dir = await Deno.makeTempDir({ prefix: "exai-maps-" });
  try {
    await bundleWithMaps(["daemon.ts", "shim.ts"], dir);
    const found = new Set<string>();
    for await (const { name } of Deno.readDir(dir)) {
      if (!name.endsWith(".map")) continue;
      const { sources } = JSON.parse(await Deno.readTextFile(join(dir, name))) as { sources: string[] };
      for (const source of sources) {
        for (const [, name, version] of source.matchAll(PACKAGE)) found.add(`${name}@${version}`);
      }
    }
    const cache = await npmCache();
    const lock = JSON.parse(await Deno.readTextFile(new URL("../../deno.lock", import.meta.url))) as Lock;
    return await Promise.all([...found].sort().map((id) => read(cache, { id, lock })));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function npmCache(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).npmCache;
}

async function read(cache: string, { id, lock }: { id: string; lock: Lock }): Promise<BundledPackage> {
  const at = id.lastIndexOf("@");
  const [name, version] = [id.slice(0, at), id.slice(at + 1)];
  const dir = join(cache, "registry.npmjs.org", name, version);
  const { license } = JSON.parse(await Deno.readTextFile(join(dir, "package.json")));
  const files = (await Array.fromAsync(Deno.readDir(dir))).map((entry) => entry.name).sort();
  const texts = files.filter((file) => LICENCE_FILE.test(file)).map((file) =>
    Deno.readTextFile(join(dir, file))
  );
  const locked = lockedPackage(lock, id);
  return {
    name,
    version,
    licence: typeof license === "string" ? license : license?.type,
    licenceText: texts.length > 0 ? (await Promise.all(texts)).join("\n").trim() : undefined,
    integrity: locked?.integrity,
    dependencies: (locked?.dependencies ?? []).map((dependency) => dependency.replace(/(?<=.)@.*$/, "")),
  };
}

/** The lock names a package with peers as `name@version_peer@version`. */
function lockedPackage({ npm }: Lock, id: string): LockedPackage | undefined {
  return Object.entries(npm).find(([key]) => key === id || key.startsWith(`${id}_`))?.[1];
}

/** The text that goes with the programs: each package with its licence, and before them the runtime. */
export function licenceTexts(packages: readonly BundledPackage[], runtime: string): string {
  const rule = "=".repeat(80);
  const line = "-".repeat(80);
  return runtime.trimEnd() + "\n\n" + packages.map(({ name, version, licence, licenceText }) =>
    [
      rule,
      `${name} ${version}`,
      `https://www.npmjs.com/package/${name}`,
      `Licence: ${licence ?? "not stated"}`,
      line,
      licenceText ?? `The package contains no text of its licence; ${licence} is what its package.json says.`,
      "",
    ].join("\n")
  ).join("\n");
}
