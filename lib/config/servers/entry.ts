import type * as z from "zod/mini";
import { type Json, type JsonObject, ownEntry } from "../../base/json.ts";
import type { CommonServerConfig, ServerConfig } from "../server_config.ts";
import { MIB, MINUTE_MS } from "../../base/units.ts";
import { formatKey } from "../config_fault.ts";
import type { EntryContext, Report } from "./expand_entry.ts";
import { adviceOnKey, meantKey, misspeltKey } from "./hints.ts";
import {
  ALWAYS,
  OWN_KEYS,
  STDIO_KEYS,
  type StdioEntry,
  stdioSchema,
  URL_KEYS,
  type UrlEntry,
  urlSchema,
} from "./keys.ts";
import { SIGN_IN_KEYS, signInFaults } from "./sign_in_keys.ts";
import type { ConvertedEntry } from "./shapes/convert_entry.ts";
import { stdioServerOf } from "./stdio_entry.ts";
import { urlServerOf } from "./url_entry.ts";

const START_TIMEOUT_MS = MINUTE_MS;
const IDLE_STOP_MS = 5 * MINUTE_MS;

type EntryKind = "stdio" | "url";

/**
 * Reads the entry of one server, whose shape is EXAI's already. Faults and warnings are reported to `given`, where they are
 * in the client's entry; the caller must not use the result of an entry with a fault.
 *
 * @returns undefined when no configuration can be made of it
 */
export async function readEntry(
  { entry, notes, sourceOf }: ConvertedEntry,
  given: EntryContext,
): Promise<ServerConfig | undefined> {
  for (const { kind, path, message } of notes) {
    if (kind === "fault") given.fault([...path], message);
    if (kind === "lost") given.warn([...path], message);
  }
  if (notes.some(({ kind }) => kind === "fault")) return undefined;
  const at = (report: Report): Report => (path, message, more) =>
    report([...sourceOf(path as (string | number)[])], message, more);
  return await readOwnEntry(entry, { ...given, fault: at(given.fault), warn: at(given.warn) });
}

/** What is wrong with an entry that is no object. */
export function faultOfShape(value: Json): string {
  return `is ${describe(value)}; allowed: an object with command or url`;
}

async function readOwnEntry(value: JsonObject, context: EntryContext): Promise<ServerConfig | undefined> {
  const kind = kindOf(value, context);
  if (kind === undefined) return undefined;
  const keys = { ...(kind === "stdio" ? STDIO_KEYS : URL_KEYS), ...OWN_KEYS };
  // The variables of an entry with a URL are for its headers.
  checkKeys(value, [...Object.keys(keys), "env"], context);
  if (kind === "url") {
    const wrong = signInFaults(value);
    for (const { path, message } of wrong) context.fault(path, message);
    if (wrong.length > 0) return undefined;
  }
  const parsed = (kind === "stdio" ? stdioSchema : urlSchema).safeParse(value);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) faultOf(issue, { value, keys, context });
    return undefined;
  }
  const common = commonOf(parsed.data, context);
  return kind === "stdio"
    ? await stdioServerOf(parsed.data as StdioEntry, common, context)
    : await urlServerOf(parsed.data as UrlEntry, common, context);
}

/** A misspelt key is a fault: ignored, it would leave a setting out that its author relies on. */
function checkKeys(value: JsonObject, names: readonly string[], context: EntryContext): void {
  for (const key of Object.keys(value)) {
    if (names.includes(key)) continue;
    if (Object.hasOwn(SIGN_IN_KEYS, key)) {
      context.warn([key], "has no effect beside command: only a server behind a URL is signed in to");
      continue;
    }
    const meant = misspeltKey(key, names);
    if (meant !== undefined) context.fault([key], `is no key that EXAI reads; write ${meant}`);
    const advice = meant === undefined ? adviceOnKey(key, names) : undefined;
    if (advice) context.warn([key], advice);
  }
}

function kindOf(entry: Record<string, unknown>, context: EntryContext): EntryKind | undefined {
  const has = (key: string) => entry[key] !== undefined;
  if (has("command") && has("url")) {
    context.fault(["url"], "stands beside command; a server has either a command or a url");
    return undefined;
  }
  if (has("command")) return "stdio";
  if (has("url")) return "url";
  const typo = Object.keys(entry).find((key) =>
    ["command", "url"].includes(meantKey(key, ["command", "url"]) ?? "")
  );
  if (typo === undefined) {
    context.fault([], "has neither command nor url; one of them must say what to start or reach");
  } else {
    const meant = meantKey(typo, ["command", "url"]);
    context.fault([typo], `is no key that EXAI reads; write ${meant} in its place`);
  }
  return undefined;
}

type Issue = { path: PropertyKey[] };

function faultOf(
  issue: Issue,
  entry: { value: Json; keys: Record<string, { allowed: string }>; context: EntryContext },
): void {
  const [first] = issue.path;
  const found = issue.path.reduce<unknown>(
    (value, key) => (value as Record<PropertyKey, unknown>)?.[key],
    entry.value,
  );
  // Values in env, headers and args may be secrets.
  const isPlain = issue.path.length === 1 && typeof found !== "object" && first !== "url";
  const shown = isPlain ? JSON.stringify(found) : describe(found);
  entry.context.fault(
    issue.path,
    `is ${shown}; allowed: ${ownEntry(entry.keys, String(first))?.allowed ?? "another value"}`,
  );
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  if (typeof value === "string") return value === "" ? "an empty text" : "a text";
  return typeof value === "number" ? "a number" : "true or false";
}

type OwnValues = { [K in keyof typeof OWN_KEYS]?: z.output<(typeof OWN_KEYS)[K]["schema"]> };

function commonOf(
  entry: OwnValues,
  { name, title, fault, isPrefixed = false }: EntryContext,
): CommonServerConfig {
  const rename = entry.rename ?? {};
  const targets = Object.values(rename);
  for (const [tool, target] of Object.entries(rename)) {
    if (targets.indexOf(target) !== targets.lastIndexOf(target)) {
      fault(["rename", tool], `is ${JSON.stringify(target)}, which another tool is renamed to as well`);
    }
  }
  return {
    name,
    title,
    share: entry.share ?? "auto",
    exclusive: entry.exclusive,
    cwdFree: entry.cwdFree ?? false,
    tools: {
      include: entry.include,
      exclude: entry.exclude ?? [],
      rename,
      prefix: entry.prefix === ALWAYS ? "" : entry.prefix ?? "",
      ...(entry.prefix === ALWAYS || (entry.prefix === undefined && isPrefixed) ? { isPrefixed: true } : {}),
    },
    maxInflight: entry.maxInflight,
    callTimeoutMs: entry.callTimeoutMs,
    detachAfterMs: entry.detachAfterMs,
    era: entry.era === "auto" ? undefined : entry.era,
    startTimeoutMs: entry.startTimeoutMs ?? START_TIMEOUT_MS,
    memoryLimitBytes: entry.memoryLimitMb === undefined ? undefined : entry.memoryLimitMb * MIB,
    idleStopMs: entry.idleStopMs ?? IDLE_STOP_MS,
  };
}

/** `path` within an entry as a fault names it; undefined for the entry as a whole. */
export function keyOf(path: readonly PropertyKey[]): string | undefined {
  return path.length === 0 ? undefined : formatKey(path);
}
