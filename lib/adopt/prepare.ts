import { isAbsolute } from "@std/path/is-absolute";
import { ExaiError, messageOf } from "../base/errors.ts";
import { isObject } from "../base/json.ts";
import type { ClientPlaces } from "../config/client_places.ts";
import { checkReplaceable, readFileImage } from "../documents/files.ts";
import { JSONC } from "../documents/jsonc.ts";
import type { ServersTarget } from "./apply.ts";
import { candidatesOf } from "./candidates.ts";
import { checkCandidates } from "./check_candidates.ts";
import type { ClientProfile } from "./client_profile.ts";
import { type ClientEntry, findFiles, type FoundFile, type SearchScope } from "./find.ts";
import { type OwnEntries, ownEntryKind } from "./own_entry.ts";
import { type AdoptionPlan, type Doors, planAdoption } from "./plan.ts";
import { type ClientReading, type LeftFile, readClientFile } from "./read.ts";
import { readRules } from "./rules.ts";
import { isTracked } from "./tracked.ts";
import { windowsPlaces } from "./windows_side.ts";

/** What is to be adopted, and how. */
export interface AdoptOptions {
  places: ClientPlaces;
  /** The directories whose own files are looked at; empty: only those of the user. */
  projects: readonly string[];
  clients: readonly ClientProfile[];
  /** Home directories on the Windows side of WSL whose files are changed too. */
  windowsHomes: readonly string[];
  /** Those whose files are only named. */
  otherWindowsHomes: readonly string[];
  /** Whether entries for single projects are left where they are. */
  isUserOnly: boolean;
  /** Whether files that git tracks are changed. */
  areTrackedChanged: boolean;
  isEach: boolean;
  doors: Doors;
  shims: Doors;
  own: OwnEntries;
  /** The path of `mcp.json`. */
  mcp: string;
}

/** An adoption that can be shown, and carried out. */
export interface PreparedAdoption {
  plan: AdoptionPlan;
  target: ServersTarget;
  /** How many files of clients were found. */
  files: number;
}

/**
 * Finds and reads the clients' files, and plans what is changed; nothing is written.
 *
 * @throws {ExaiError} `CONFIG` when `mcp.json` itself cannot be read
 */
export async function prepareAdoption(options: AdoptOptions): Promise<PreparedAdoption> {
  const target = await readTarget(options.mcp);
  const scopes = scopesOf(options);
  const found = (await Promise.all(scopes.map(findFiles))).flat();
  const ownEntry = ({ found }: Pick<ClientReading, "found">, { value }: ClientEntry) =>
    ownEntryKind(value, found.client.dialect, options.own);
  const readings: ClientReading[] = [];
  const left: LeftFile[] = await namedOnly(options);
  for (const file of found) {
    const reading = await readClientFile(file);
    if ("reason" in reading) left.push(reading);
    else {
      const wanted = options.isUserOnly ? forUser(reading) : reading;
      const hasServers = wanted.entries.some((entry) => ownEntry(wanted, entry) === undefined);
      const reason = hasServers ? await reasonToLeave(wanted, options) : undefined;
      if (reason === undefined) readings.push(wanted);
      else left.push({ found: file, reason });
    }
  }
  const rules = (await Promise.all(scopes.map((scope) => readRules(withKnownProjects(scope, readings)))))
    .flat();
  const sorted = candidatesOf(readings, (...one) => ownEntry(...one) !== undefined);
  const checked = await checkCandidates(sorted, target.path);
  const { doors, shims, isEach } = options;
  const plan = planAdoption({
    readings,
    ...checked,
    left,
    rules,
    mcp: target.value,
    doors,
    shims,
    ownEntry,
    isEach,
  });
  return { plan, target, files: found.length };
}

function scopesOf({ places, projects, clients, windowsHomes, isUserOnly }: AdoptOptions): SearchScope[] {
  return [
    { places, projects: isUserOnly ? [] : projects, clients },
    ...windowsHomes.map((home) => ({
      places: windowsPlaces(home),
      projects: [],
      clients,
      isWindowsSide: true,
    })),
  ];
}

/** Bounds how many projects are looked at for rules. */
const MAX_PROJECTS = 1000;

/** The projects that clients list in their own files have rules too, for servers of every project. */
function withKnownProjects(scope: SearchScope, readings: readonly ClientReading[]): SearchScope {
  if (scope.isWindowsSide) return scope;
  const listed = readings.filter(({ found }) => !found.isWindowsSide).flatMap(({ document: { value } }) =>
    !Array.isArray(value) && isObject(value.projects)
      ? Object.keys(value.projects).filter((dir) => isAbsolute(dir))
      : []
  );
  return { ...scope, projects: [...new Set([...scope.projects, ...listed])].slice(0, MAX_PROJECTS) };
}

function forUser(reading: ClientReading): ClientReading {
  return { ...reading, entries: reading.entries.filter(({ project }) => project === undefined) };
}

/** Files on the Windows side that were not to be changed. */
async function namedOnly({ otherWindowsHomes, clients }: AdoptOptions): Promise<LeftFile[]> {
  const found: FoundFile[] = [];
  for (const home of otherWindowsHomes) {
    found.push(
      ...await findFiles({ places: windowsPlaces(home), projects: [], clients, isWindowsSide: true }),
    );
  }
  const readings = await Promise.all(found.map(readClientFile));
  return readings.flatMap((reading) => {
    if ("reason" in reading || reading.entries.length === 0) return [];
    const [home] = otherWindowsHomes.filter((one) => reading.found.path.startsWith(one));
    const reason =
      `is on the Windows side; run exai-daemon adopt there, or add --windows-home=${home} to point ` +
      "it at the daemon in WSL";
    return [{ found: reading.found, reason }];
  });
}

/** Why a file with servers is left as it is: it cannot be written, or others get what is written into it. */
async function reasonToLeave(reading: ClientReading, options: AdoptOptions): Promise<string | undefined> {
  const { found: { project, path }, language, image } = reading;
  if (!language) return undefined;
  if (project !== undefined && !options.areTrackedChanged && await isTracked(path)) {
    return "is tracked by git, and others would get the path of EXAI on this machine; --tracked changes it all the same";
  }
  return await checkReplaceable(image).then(() => undefined, messageOf);
}

async function readTarget(path: string): Promise<ServersTarget> {
  const image = await readFileImage(path).catch((thrown) => {
    throw new ExaiError("CONFIG", `${path} ${messageOf(thrown)}`, { cause: thrown });
  });
  const document = JSONC.read(image?.text ?? "");
  if ("reason" in document) {
    throw new ExaiError(
      "CONFIG",
      `${path}, line ${document.line}: ${document.reason}; mend it first, nothing is imported into it as it is`,
    );
  }
  if (!isObject(document.value)) throw new ExaiError("CONFIG", `${path} holds no { } object; mend it first`);
  return { path, image, value: document.value };
}
