import {
  ASKERS,
  COMPARES_SESSIONS,
  ERA_READERS,
  KEEPERS,
  ONE_FILE_PER_ENTRY,
  OWNERSHIP,
  ROOMS,
  SEES_ALL,
  TELLS_ERAS,
  THIN_FILES,
} from "../../tools/rooms.ts";
import { ANONYMOUS, type Compared, type Source } from "./source.ts";

/** How long files and functions may be: the program's own, and those of tests and tools. */
const MAX_LINES = { file: 300, function: 60 };
const MAX_LINES_BESIDE = { file: 400, function: 80 };

/**
 * A file of `lib/` with fewer lines is part of another's subject, unless its folder has one file per entry or
 * `THIN_FILES` says why it is not.
 */
const MIN_FILE_LINES = 20;

/** What the sizes of `lib/` as a whole stay below: lines, but for the share of one room in all lines. */
const BOUNDS = { fileMedian: 100, functionP90: 25, roomShare: 0.15 };

/** The room a file of `lib/` belongs to. */
export function roomOf(path: string): string | undefined {
  return /^lib\/([^/]+)\//.exec(path)?.[1];
}

/** Imports that the table of rooms does not allow. */
export function forbiddenImports(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, imports }) =>
    imports.filter((target) => !mayImport(path, target)).map((target) => `${path} imports ${target}`)
  );
}

function mayImport(path: string, target: string): boolean {
  const [from, to] = [roomOf(path), roomOf(target)];
  const isOwnFile = target.endsWith(".ts");
  if (from === undefined) {
    // The two entry points only compose; tools and tests may import anything.
    const isEntryPoint = !path.includes("/");
    return !isEntryPoint || !isOwnFile || (to === "app" && !isInside(target));
  }
  if (!isOwnFile) return true;
  if (from === to) return true;
  return to !== undefined && ROOMS[from]?.mayImport.includes(to) === true && !isInside(target);
}

/** Whether `path` is internal to a room: in a folder within it. */
function isInside(path: string): boolean {
  return path.split("/").length > 3;
}

/** Folders of `lib/` that are not in the table of rooms. */
export function unknownRooms(sources: readonly Source[]): string[] {
  const rooms = new Set(sources.map(({ path }) => roomOf(path)).filter((room) => room !== undefined));
  return [...rooms].filter((room) => !Object.hasOwn(ROOMS, room));
}

/** Uses of the outside world in rooms whose row does not allow it. */
export function outsideWorldUses(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, imports, globals }) => {
    const room = roomOf(path);
    if (room === undefined || ROOMS[room]?.outsideWorld) return [];
    const uses = [...imports.filter((target) => target.startsWith("node:")), ...globals];
    return [...new Set(uses)].map((use) => `${path} uses ${use}`);
  });
}

/** Reads of the environment or the command line outside of the schema of settings. */
export function settingsPastConfig(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, settings }) => {
    const room = roomOf(path);
    return room === undefined || room === "config"
      ? []
      : settings.map((read) => `${path} reads ${read}: make it a setting`);
  });
}

/** Comparisons of owners outside of the one file that decides ownership. */
export function ownerComparisons(sources: readonly Source[]): string[] {
  return sources.filter(({ path }) => path.startsWith("lib/") && path !== OWNERSHIP).flatMap((source) => {
    const { path, compared } = source;
    return compared.filter((side) => namesOwner(side) || (namesSession(side, source)))
      .map(({ object, name }) =>
        `${path} compares ${object === undefined ? name : `${object}.${name}`}; ${OWNERSHIP} does`
      );
  });
}

function namesOwner({ object, name }: Compared): boolean {
  return object !== undefined && ["principal", "workspace", "workspaces"].includes(name);
}

/** Whether it is the id of a session, in a file that has to do with sessions. */
function namesSession({ object, name }: Compared, { path, names }: Source): boolean {
  if (COMPARES_SESSIONS.includes(path)) return false;
  if (name === "sessionId") return true;
  return name === "id" && object !== undefined && ASKERS.some((asker) => names.has(asker));
}

/** Methods that keep or show data of many sessions without a parameter that says who asks. */
export function unownedMethods(sources: readonly Source[]): string[] {
  return Object.entries(KEEPERS).flatMap(([keeper, { in: file, except }]) => {
    const methods = sources.find(({ path }) => path === file)?.methods.filter(({ of }) => of === keeper) ??
      [];
    if (methods.length === 0) return [`${file} has no ${keeper} with methods`];
    return methods.filter(({ name, takes }) =>
      !except.includes(name) && !takes.some((type) => ASKERS.includes(type))
    ).map(({ name, takes }) => `${keeper}.${name} takes ${takes.join(", ") || "nothing"}, not who asks`);
  });
}

/** Names that give access to data of every session, in rooms that must not have it. */
export function seesAll(sources: readonly Source[]): string[] {
  return Object.entries(SEES_ALL).flatMap(([name, rooms]) =>
    sources.filter(({ path, names }) =>
      path.startsWith("lib/") && names.has(name) && !rooms.includes(roomOf(path) ?? "")
    ).map(({ path }) => `${path} names ${name}`)
  );
}

/** Files that tell one era of MCP from the other, and are no codec, no link, no door and not the bridge. */
export function eraReaders(sources: readonly Source[]): string[] {
  return sources.filter(({ path }) =>
    path.startsWith("lib/") && !Object.keys(ERA_READERS).some((prefix) => path.startsWith(prefix))
  ).flatMap(({ path, compared, names }) => [
    ...compared.filter(({ name }) => name === TELLS_ERAS.compared).map(() => `${path} compares an era`),
    ...TELLS_ERAS.named.filter((name) => names.has(name)).map((name) => `${path} names ${name}`),
  ]);
}

/** Each import cycle, once, as the files along it. */
export function cycles(sources: readonly Source[]): string[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const done = new Set<string>();
  const trail: string[] = [];
  const found: string[] = [];
  const visit = (path: string) => {
    const start = trail.indexOf(path);
    if (start >= 0) found.push([...trail.slice(start), path].join(" -> "));
    if (start >= 0 || done.has(path)) return;
    trail.push(path);
    for (const target of byPath.get(path)?.imports ?? []) visit(target);
    trail.pop();
    done.add(path);
  };
  for (const { path } of sources) visit(path);
  return found;
}

/** Every file and package that loading `entry` loads. */
export function reachable(sources: readonly Source[], entry: string): string[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const seen = new Set([entry]);
  for (const path of seen) {
    for (const target of byPath.get(path)?.imports ?? []) seen.add(target);
  }
  return [...seen];
}

/** Files and functions above the limits. */
export function tooLong(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, lines, functions }) => {
    const max = roomOf(path) === undefined ? MAX_LINES_BESIDE : MAX_LINES;
    return [
      ...(lines > max.file ? [`${path} has ${lines} lines, more than ${max.file}: split it by subject`] : []),
      ...functions.filter((fn) => fn.lines > max.function)
        .map((fn) => `${path}: ${fn.name} has ${fn.lines} lines, more than ${max.function}: split it`),
    ];
  });
}

/** Files of `lib/` too short to be of their own, and entries of `reasons` that are no such file any more. */
export function thinFiles(
  sources: readonly Source[],
  reasons: Readonly<Record<string, string>> = THIN_FILES,
): string[] {
  const thin = sources.filter(({ path, lines }) =>
    roomOf(path) !== undefined && lines < MIN_FILE_LINES &&
    !ONE_FILE_PER_ENTRY.some((folder) => path.startsWith(folder))
  );
  const paths = new Set(thin.map(({ path }) => path));
  return [
    ...thin.filter(({ path }) => !Object.hasOwn(reasons, path))
      .map(({ path, lines }) =>
        `${path} has ${lines} lines: merge it into a neighbour, or say why not in THIN_FILES (tools/rooms.ts)`
      ),
    ...Object.keys(reasons).filter((path) => !paths.has(path))
      .map((path) =>
        `${path} is not a file under ${MIN_FILE_LINES} lines: take it out of THIN_FILES (tools/rooms.ts)`
      ),
  ];
}

/** Sizes of `lib/` as a whole that are out of bounds: the median of files, the 90th percentile of functions, a room's share. */
export function outOfBounds(sources: readonly Source[]): string[] {
  const files = sources.filter(({ path }) => roomOf(path) !== undefined);
  const named = files.flatMap(({ functions }) => functions).filter(({ name }) => name !== ANONYMOUS);
  const median = percentile(files.map(({ lines }) => lines), 0.5);
  const p90 = percentile(named.map(({ lines }) => lines), 0.9);
  const linesOf = (files: readonly Source[]) => files.reduce((sum, { lines }) => sum + lines, 0);
  const total = linesOf(files);
  const rooms = Object.entries(Object.groupBy(files, ({ path }) => roomOf(path)!))
    .map(([room, inRoom]) => ({ room, share: linesOf(inRoom ?? []) / total }));
  return [
    ...(median >= BOUNDS.fileMedian ? [`half of the files have ${median} lines or more`] : []),
    ...(p90 >= BOUNDS.functionP90 ? [`a tenth of the functions have ${p90} lines or more`] : []),
    ...rooms.filter(({ share }) => share >= BOUNDS.roomShare)
      .map(({ room, share }) => `${room} has ${Math.round(share * 100)} % of all lines`),
  ];
}

/** The smallest of `values` that at least the part `p` of them do not exceed; 0 when there are none. */
function percentile(values: readonly number[], p: number): number {
  return values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(p * values.length) - 1)] ?? 0;
}

/** Names that two types, or two folders, of `lib/` share. */
export function doubleNames(sources: readonly Source[]): string[] {
  const places = new Map<string, Set<string>>();
  const note = (name: string, place: string) => places.set(name, (places.get(name) ?? new Set()).add(place));
  for (const { path, types } of sources) {
    if (roomOf(path) === undefined) continue;
    for (const type of types) note(`type ${type}`, path);
    const folders = path.split("/").slice(1, -1);
    folders.forEach((folder, i) => note(`folder ${folder}`, folders.slice(0, i + 1).join("/")));
  }
  return [...places].filter(([, where]) => where.size > 1)
    .map(([name, where]) => `${name} is in ${[...where].join(", ")}: rename one`);
}

/** Exports of `lib/` that no other file of `all` names. */
export function unusedExports(all: readonly Source[]): string[] {
  const users = new Map<string, Set<string>>();
  for (const { path, names } of all) {
    for (const name of names) users.set(name, (users.get(name) ?? new Set()).add(path));
  }
  return all.filter(({ path }) => roomOf(path) !== undefined).flatMap(({ path, exports }) =>
    exports.filter((name) => [...users.get(name) ?? []].every((user) => user === path))
      .map((name) => `${path} exports ${name}, which no other file uses: drop the export`)
  );
}
