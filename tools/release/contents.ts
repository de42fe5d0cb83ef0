import { fromFileUrl, join } from "@std/path";
import type { ArchivedFile } from "./archive.ts";
import { PROJECT, type ReleaseTarget } from "./project.ts";

const root = fromFileUrl(new URL("../../", import.meta.url));

/** Texts that are made for a release, by name. */
export type MadeTexts = Readonly<Record<"THIRD-PARTY-LICENSES.txt" | "sbom.cdx.json", string>>;

const SCRIPTS = {
  unix: ["install.sh", "uninstall.sh"],
  windows: ["install.ps1", "install.cmd", "uninstall.ps1", "uninstall.cmd"],
};

/** What lies beside the programs in the archive of a system. */
export async function archiveContents(
  target: ReleaseTarget,
  made: MadeTexts,
  repository: string | undefined,
): Promise<ArchivedFile[]> {
  const scripts = SCRIPTS[target.os === "win32" ? "windows" : "unix"];
  const docs = (await Array.fromAsync(Deno.readDir(join(root, "docs")))).filter(({ isFile }) => isFile);
  const copied = ["LICENSE", "README.md", "CHANGELOG.md", ...docs.map(({ name }) => `docs/${name}`).sort()];
  return [
    ...await Promise.all(scripts.map((name) => installScript(name, repository))),
    ...await Promise.all(
      copied.map(async (path) => ({ path, content: await Deno.readFile(join(root, path)) })),
    ),
    ...Object.entries(made).map(([path, text]) => ({ path, content: new TextEncoder().encode(text) })),
  ];
}

/** A script of install/ with the version and the place of the release in it. */
export async function installScript(name: string, repository: string | undefined): Promise<ArchivedFile> {
  const text = await Deno.readTextFile(join(root, "install", name));
  const filled = text.replaceAll("@version@", PROJECT.version).replaceAll("@repository@", repository ?? "");
  return { path: name, content: new TextEncoder().encode(filled), isProgram: name.endsWith(".sh") };
}

/** A file of install/ as text. */
export async function installText(name: string): Promise<string> {
  return await Deno.readTextFile(join(root, "install", name));
}
