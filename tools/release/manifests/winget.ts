import { stringify } from "@std/yaml/stringify";
import { archiveName, programFiles, PROJECT } from "../project.ts";
import { type Manifest, type ManifestData, urlOf } from "./data.ts";

const SCHEMA = "1.10.0";
const LOCALE = "en-US";

/** The three files a version has in the repository of winget. */
export function winget(data: ManifestData): Manifest[] {
  const artifact = data.artifacts.find(({ target }) => target.os === "win32");
  if (artifact === undefined) return [];
  const { folder } = archiveName(artifact.target);
  const head = { PackageIdentifier: PROJECT.winget, PackageVersion: PROJECT.version };
  return [
    manifest("version", { ...head, DefaultLocale: LOCALE }),
    manifest("installer", {
      ...head,
      InstallerType: "zip",
      NestedInstallerType: "portable",
      NestedInstallerFiles: programFiles(artifact.target).map((file) => ({
        RelativeFilePath: `${folder}\\${file}`,
        PortableCommandAlias: file.replace(/\.exe$/, ""),
      })),
      // The shim starts the daemon that lies beside it.
      ArchiveBinariesDependOnPath: true,
      MinimumOSVersion: "10.0.17763.0",
      ...(data.day && { ReleaseDate: data.day }),
      Installers: [{
        Architecture: artifact.target.cpu,
        InstallerUrl: urlOf(data, artifact),
        InstallerSha256: artifact.sha256.toUpperCase(),
      }],
    }),
    manifest("defaultLocale", {
      ...head,
      PackageLocale: LOCALE,
      Publisher: PROJECT.publisher,
      PublisherUrl: data.repository.replace(/\/[^/]+$/, ""),
      PackageName: PROJECT.name,
      PackageUrl: data.repository,
      License: PROJECT.licence,
      LicenseUrl: `${data.repository}/blob/v${PROJECT.version}/LICENSE`,
      Copyright: PROJECT.copyright,
      ShortDescription: PROJECT.summary,
      Description: PROJECT.description,
      Moniker: "exai",
      Tags: [...PROJECT.tags],
      ReleaseNotesUrl: `${data.repository}/releases/tag/v${PROJECT.version}`,
    }),
  ];
}

function manifest(
  type: "version" | "installer" | "defaultLocale",
  fields: Record<string, unknown>,
): Manifest {
  const suffix = type === "version" ? "" : type === "installer" ? ".installer" : `.locale.${LOCALE}`;
  const schema = `https://aka.ms/winget-manifest.${type}.${SCHEMA}.schema.json`;
  const body = stringify({ ...fields, ManifestType: type, ManifestVersion: SCHEMA }, { lineWidth: -1 });
  return {
    path: `winget/${PROJECT.winget}${suffix}.yaml`,
    text: `# yaml-language-server: $schema=${schema}\n${body}`,
  };
}
