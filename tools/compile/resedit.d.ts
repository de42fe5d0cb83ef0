// What is used here of resedit, whose own types bring those of the DOM, which contradict Deno's.
import type { ResourceEntry } from "./pe_library.d.ts";

interface Language {
  lang: number;
  codepage: number;
}

declare class IconFile {
  static from(file: Uint8Array): IconFile;
  readonly icons: { data: unknown }[];
}

declare class IconGroupEntry {
  static fromEntries(entries: readonly ResourceEntry[]): IconGroupEntry[];
  static replaceIconsForResource(entries: ResourceEntry[], id: number, lang: number, icons: unknown[]): void;
  readonly icons: { width: number }[];
}

declare class VersionInfo {
  static createEmpty(): VersionInfo;
  static fromEntries(entries: readonly ResourceEntry[]): VersionInfo[];
  lang: number;
  readonly fixedInfo: { fileVersionMS: number; fileVersionLS: number };
  setFileVersion(major: number, minor: number, patch: number, build: number, lang: number): void;
  setProductVersion(major: number, minor: number, patch: number, build: number, lang: number): void;
  setStringValues(language: Language, values: Record<string, string>): void;
  getStringValues(language: Language): Record<string, string>;
  outputToResourceEntries(entries: ResourceEntry[]): void;
}

export declare namespace Data {
  export { IconFile };
}
export declare namespace Resource {
  export { IconGroupEntry, VersionInfo };
}
