import { archiveName, programFiles, PROJECT, TARGETS } from "../project.ts";
import { type Manifest, type ManifestData, urlOf } from "./data.ts";

/** The manifest for a bucket. */
export function scoop(data: ManifestData): Manifest[] {
  const artifact = data.artifacts.find(({ target }) => target.os === "win32");
  if (artifact === undefined) return [];
  const { folder, file } = archiveName(TARGETS.find(({ os }) => os === "win32")!);
  const ofNext = (text: string) => text.replaceAll(PROJECT.version, "$version");
  const manifest = {
    version: PROJECT.version,
    description: PROJECT.summary,
    homepage: data.repository,
    license: PROJECT.licence,
    notes: [
      "Take over the MCP servers of your clients: exai-daemon adopt",
      "Give them back before you uninstall: exai-daemon adopt --undo",
    ],
    architecture: { "64bit": { url: urlOf(data, artifact), hash: artifact.sha256, extract_dir: folder } },
    bin: programFiles({ os: "win32" }),
    pre_uninstall: ['& "$dir\\exai-daemon.exe" stop | Out-Null'],
    checkver: { github: data.repository },
    autoupdate: {
      architecture: {
        "64bit": {
          url: `${data.repository}/releases/download/v$version/${ofNext(file)}`,
          hash: { url: "$baseurl/SHA256SUMS" },
          extract_dir: ofNext(folder),
        },
      },
    },
  };
  return [{ path: `scoop/${PROJECT.scoop}.json`, text: JSON.stringify(manifest, null, 4) + "\n" }];
}
