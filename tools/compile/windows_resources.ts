// @ts-types="./pe_library.d.ts"
import { NtExecutable, NtExecutableResource } from "pe-library";
// @ts-types="./resedit.d.ts"
import { Data, Resource } from "resedit";

/** What Explorer shows of a program. */
export interface ProgramDetails {
  /** The name of the file, as `exai-daemon.exe`. */
  file: string;
  description: string;
  product: string;
  company: string;
  copyright: string;
  version: string;
  /** Follows the version where it is shown as text: the commit. */
  commit?: string;
}

const ENGLISH = { lang: 0x409, codepage: 1200 };
const ICON_GROUP = 1;

/**
 * Adds icon and version to a Windows program, in memory. Every other resource stays as it is: one of them is the program
 * that `deno compile` has put in. That is why it is done after it; `deno compile` removes the resources of its base.
 *
 * @throws when `program` is no Windows program
 */
export function withResources(program: Uint8Array, details: ProgramDetails, icon: Uint8Array): Uint8Array {
  // The certificate of a signed base no longer fits once `deno compile` has changed it.
  const executable = NtExecutable.from(program, { ignoreCert: true });
  const resources = NtExecutableResource.from(executable);
  Resource.IconGroupEntry.replaceIconsForResource(
    resources.entries,
    ICON_GROUP,
    ENGLISH.lang,
    Data.IconFile.from(icon).icons.map(({ data }) => data),
  );
  versionInfo(details).outputToResourceEntries(resources.entries);
  resources.outputResource(executable);
  return new Uint8Array(executable.generate());
}

function versionInfo(details: ProgramDetails) {
  const info = Resource.VersionInfo.createEmpty();
  info.lang = ENGLISH.lang;
  const [major = 0, minor = 0, patch = 0] = details.version.split(/[.+-]/).map(Number);
  info.setFileVersion(major, minor, patch, 0, ENGLISH.lang);
  info.setProductVersion(major, minor, patch, 0, ENGLISH.lang);
  info.setStringValues(ENGLISH, {
    FileDescription: details.description,
    ProductName: details.product,
    CompanyName: details.company,
    LegalCopyright: details.copyright,
    OriginalFilename: details.file,
    InternalName: details.file.replace(/\.exe$/, ""),
    FileVersion: details.version,
    ProductVersion: details.commit ? `${details.version} (${details.commit.slice(0, 9)})` : details.version,
  });
  return info;
}
