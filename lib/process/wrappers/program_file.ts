import { access, constants } from "node:fs/promises";
import { basename, dirname, join } from "@std/path";
import { isObject } from "../../base/json.ts";

/** Longest first line of a script; Linux reads as much. */
const MAX_LINE_BYTES = 256;

/** How far above a program its package.json is looked for. */
const MAX_LEVELS = 8;

/** The first bytes of executables: ELF, Mach-O for one or several processors, and PE. */
const NATIVE = /^(7f454c46|cffaedfe|cefaedfe|cafebabe|4d5a)/;

/** What the system does with a file it is told to execute. */
type ProgramKind = { kind: "native" } | { kind: "script"; interpreter: string } | { kind: "other" };

/** What the system does with the file at `path`. It runs `other` not at all; a shell may read it as a script. */
export async function programKind(path: string): Promise<ProgramKind> {
  const head = await firstBytes(path).catch(() => new Uint8Array());
  if (NATIVE.test(head.subarray(0, 4).toHex())) return { kind: "native" };
  const line = /^#!([^\n]+)\n/.exec(new TextDecoder().decode(head))?.[1]?.trim();
  if (line === undefined) return { kind: "other" };
  const words = line.split(/\s+/);
  const isEnv = basename(words[0]!) === "env";
  const interpreter = isEnv ? words.slice(1).find((word) => !/^-|=/.test(word)) : words[0];
  return interpreter === undefined
    ? { kind: "other" }
    : { kind: "script", interpreter: basename(interpreter) };
}

/** Whether the system runs the file at `path` by itself. */
export async function isProgram(path: string): Promise<boolean> {
  const isExecutable = await access(path, constants.X_OK).then(() => true, () => false);
  return isExecutable && (await programKind(path)).kind !== "other";
}

/** The program at `path` for people: interpreter, file, and the package it is of. */
export async function describeProgram(path: string): Promise<string> {
  const kind = await programKind(path);
  const file = await Deno.realPath(path).catch(() => path);
  // A file in node_modules/.bin that is no link is of the package manager.
  const owner = basename(dirname(file)) === ".bin" ? undefined : await packageOf(dirname(file));
  const words = [
    ...(kind.kind === "script" ? [kind.interpreter] : []),
    file,
    ...(owner ? [`(${owner})`] : []),
  ];
  return words.join(" ");
}

/** Name and version of the nearest package above `dir` that has both. */
async function packageOf(dir: string): Promise<string | undefined> {
  for (let level = 0, at = dir; level < MAX_LEVELS && dirname(at) !== at; level++, at = dirname(at)) {
    const text = await Deno.readTextFile(join(at, "package.json")).catch(() => undefined);
    const { name, version } = text === undefined ? {} : manifestOf(text);
    if (typeof name === "string" && typeof version === "string") return `${name} ${version}`;
  }
  return undefined;
}

function manifestOf(text: string): { name?: unknown; version?: unknown } {
  try {
    const manifest = JSON.parse(text);
    return isObject(manifest) ? manifest : {};
  } catch {
    return {};
  }
}

async function firstBytes(path: string): Promise<Uint8Array> {
  using file = await Deno.open(path);
  const buffer = new Uint8Array(MAX_LINE_BYTES);
  return buffer.subarray(0, await file.read(buffer) ?? 0);
}
