import { messageOf } from "../base/errors.ts";
import { isObject, type Json, valueAt } from "../base/json.ts";
import { quoteName } from "../base/text.ts";
import { type DocumentLanguage, type DocumentPath, type ReadDocument } from "../documents/document.ts";
import { type FileImage, readFileImage } from "../documents/files.ts";
import { JSONC } from "../documents/jsonc.ts";
import { TOML } from "../documents/toml.ts";
import { YAML } from "../documents/yaml.ts";
import type { ClientFile } from "./client_profile.ts";
import type { ClientEntry, FoundFile } from "./find.ts";
import { readJetbrainsXml } from "./jetbrains_xml.ts";

/** What a client's file says. */
export interface ClientReading {
  found: FoundFile;
  image: FileImage;
  /** Undefined where the file is read but never written. */
  language: DocumentLanguage | undefined;
  document: ReadDocument;
  entries: readonly ClientEntry[];
}

/** A file that is left as it is. */
export interface LeftFile {
  found: FoundFile;
  /** A clause whose subject is the file, with the line. */
  reason: string;
}

const LANGUAGES = { jsonc: JSONC, toml: TOML, yaml: YAML } as const;

/** The language a kind of file is edited in; undefined for one that is never written. */
export function languageOf(language: ClientFile["language"]): DocumentLanguage | undefined {
  return language === "jetbrains-xml" ? undefined : LANGUAGES[language];
}

/** Versions of files that hold nothing but servers. */
const VERSIONS = /^v?(?:0|1)(?:\.\d+)*$/;

/** Reads a file that was found. */
export async function readClientFile(found: FoundFile): Promise<ClientReading | LeftFile> {
  try {
    const image = await readFileImage(found.path);
    if (!image) return { found, reason: "is a link that leads nowhere" };
    const { language } = found.file;
    if (language === "jetbrains-xml") {
      return { found, image, language: undefined, ...readJetbrainsXml(image.text) };
    }
    const document = LANGUAGES[language].read(image.text);
    if ("reason" in document) return { found, reason: `line ${document.line}: ${document.reason}` };
    const fault = versionFault(found, document) ?? shapeFault(found, document);
    if (fault !== undefined) return { found, reason: fault };
    return { found, image, language: LANGUAGES[language], document, entries: entriesOf(found, document) };
  } catch (thrown) {
    return { found, reason: messageOf(thrown) };
  }
}

function versionFault({ file, client }: FoundFile, document: ReadDocument): string | undefined {
  const root = document.value;
  if (!file.isDedicated || Array.isArray(root)) return undefined;
  for (const key of ["version", "schemaVersion", "schema_version"]) {
    const version = root[key];
    if (version === undefined || VERSIONS.test(String(version))) continue;
    const { line } = document.positionOf([key]);
    return `line ${line}: has ${key} ${
      quoteName(String(version))
    }, a form of ${client.title} that EXAI does not know`;
  }
  return undefined;
}

/** Why the servers in a document cannot be told apart, or are no servers. */
function shapeFault({ file, client }: FoundFile, document: ReadDocument): string | undefined {
  for (const section of sectionsOf(file.sections, document.value)) {
    const value = valueAt(document.value, section);
    if (value === null || value === undefined) continue;
    if (!isObject(value) && !Array.isArray(value)) {
      const { line } = document.positionOf(section);
      return `line ${line}: ${
        section.join(".")
      } is no object, a form of ${client.title} that EXAI does not know`;
    }
    const places = [...section.map((_, i) => section.slice(0, i)), ...objectsIn(value, section)];
    for (const place of places) {
      const [key] = document.repeatedKeys(place).filter((key) => matters(key, place, section));
      if (key === undefined) continue;
      const { line } = document.positionOf([...place, key]);
      return `line ${line}: ${quoteName(key)} stands twice${
        place.length > 0 ? ` in ${place.join(".")}` : ""
      }`;
    }
  }
  return undefined;
}

/** Above the section only a key on the way to it matters. */
function matters(key: string, place: DocumentPath, section: DocumentPath): boolean {
  return place.length >= section.length || key === section[place.length];
}

/** The sections of the table that a document has, with names for `*`. */
export function sectionsOf(sections: readonly (readonly string[])[], root: Json): string[][] {
  return sections.flatMap((section) => resolve(section, root)).filter((path) =>
    valueAt(root, path) !== undefined
  );
}

function resolve(section: readonly string[], root: Json): string[][] {
  const star = section.indexOf("*");
  if (star < 0) return [[...section]];
  const around = valueAt(root, section.slice(0, star));
  return Object.keys(isObject(around) ? around : {}).flatMap((key) =>
    resolve([...section.slice(0, star), key, ...section.slice(star + 1)], root)
  );
}

/** The paths of a value and of all objects in it. */
function objectsIn(value: Json | undefined, path: DocumentPath): DocumentPath[] {
  if (Array.isArray(value)) return value.flatMap((item, i) => objectsIn(item, [...path, i]));
  if (!isObject(value)) return [];
  return [path, ...Object.entries(value).flatMap(([key, item]) => objectsIn(item, [...path, key]))];
}

function entriesOf({ file, project }: FoundFile, { value: root }: ReadDocument): ClientEntry[] {
  return sectionsOf(file.sections, root).flatMap((section) => {
    const value = valueAt(root, section);
    // The key in place of a `*` is the directory of a project.
    const own = file.sections.find((one) => one.length === section.length && one.includes("*"));
    const dir = own && !file.sections.some((one) => one.join() === section.join())
      ? section[own.indexOf("*")]
      : project;
    if (Array.isArray(value)) {
      return value.map((item, i): ClientEntry => ({
        name: isObject(item) && typeof item.name === "string" ? item.name : `server ${i + 1}`,
        path: [...section, i],
        value: item,
        project: dir,
      }));
    }
    return Object.entries(isObject(value) ? value : {})
      .filter(([name, item]) => item !== undefined && !isComment(name, item))
      .map(([name, item]): ClientEntry => ({
        name,
        path: [...section, name],
        value: item!,
        project: dir,
      }));
  });
}

/** Comments as people put them where none are allowed: `"_comment": "…"`. */
function isComment(name: string, value: Json | undefined): boolean {
  return /^(?:_|\$|\/\/)/.test(name) && !isObject(value);
}
