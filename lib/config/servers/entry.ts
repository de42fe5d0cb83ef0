import type * as z from "zod/mini";
import { messageOf } from "../../base/errors.ts";
import { isObject, type Json, ownEntry } from "../../base/json.ts";
import type {
  CommonServerConfig,
  ServerConfig,
  StdioServerConfig,
  UrlServerConfig,
} from "../server_config.ts";
import { escapeVariables, variablesIn } from "../../base/template.ts";
import { MIB, MINUTE_MS } from "../../base/units.ts";
import { parseEnvFile, readRegularFile } from "../regular_file.ts";
import { whyUntrusted } from "../trust.ts";
import { type Expander, keepNamedSecret, VariableFault } from "../variables.ts";
import { type ConfigFault, formatKey } from "../config_fault.ts";
import { adviceOnKey, meantKey, misspeltKey } from "./hints.ts";
import {
  ALWAYS,
  OWN_KEYS,
  STDIO_KEYS,
  type StdioEntry,
  stdioSchema,
  URL_KEYS,
  URL_TYPES,
  type UrlEntry,
  urlSchema,
} from "./keys.ts";
import { checkCommand, checkUrl } from "./self_mount.ts";

const START_TIMEOUT_MS = MINUTE_MS;
const IDLE_STOP_MS = 5 * MINUTE_MS;

/** Reports something wrong at `path` within the entry. */
export type Report = (path: PropertyKey[], message: string, more?: Pick<ConfigFault, "unset">) => void;

/** What an entry is read with. */
export interface EntryContext {
  /** The server's name in the catalog and in the file. */
  name: string;
  title: string;
  expander: Expander;
  /** Where this daemon listens; undefined when that is not known. */
  ownPort?: number;
  /** Whether tools have the server's name before theirs where the entry has no `prefix`. */
  isPrefixed?: boolean;
  fault: Report;
  warn: Report;
}

type EntryKind = "stdio" | "url";

/**
 * Reads the entry of one server. Faults and warnings are reported to `context`; the caller must not use the result of an
 * entry with a fault.
 *
 * @returns undefined when no configuration can be made of it
 */
export async function readEntry(value: Json, context: EntryContext): Promise<ServerConfig | undefined> {
  if (!isObject(value)) {
    context.fault([], `is ${describe(value)}; allowed: an object with command or url`);
    return undefined;
  }
  const kind = kindOf(value, context);
  if (kind === undefined) return undefined;
  const keys = { ...(kind === "stdio" ? STDIO_KEYS : URL_KEYS), ...OWN_KEYS };
  const names = Object.keys(keys);
  for (const key of Object.keys(value)) {
    if (names.includes(key)) continue;
    const meant = misspeltKey(key, names);
    // A misspelt key is a fault: ignored, it would leave a setting out that its author relies on.
    if (meant !== undefined) context.fault([key], `is no key that EXAI reads; write ${meant}`);
    const advice = meant === undefined ? adviceOnKey(key, names) : undefined;
    if (advice) context.warn([key], advice);
  }
  const parsed = (kind === "stdio" ? stdioSchema : urlSchema).safeParse(value);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) faultOf(issue, { value, keys, context });
    return undefined;
  }
  const common = commonOf(parsed.data, context);
  return kind === "stdio"
    ? await stdioOf(parsed.data as StdioEntry, common, context)
    : await urlOf(parsed.data as UrlEntry, common, context);
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
    startTimeoutMs: entry.startTimeoutMs ?? START_TIMEOUT_MS,
    memoryLimitBytes: entry.memoryLimitMb === undefined ? undefined : entry.memoryLimitMb * MIB,
    idleStopMs: entry.idleStopMs ?? IDLE_STOP_MS,
  };
}

async function stdioOf(entry: StdioEntry, common: CommonServerConfig, context: EntryContext) {
  const { expander } = context;
  const text = (path: PropertyKey[], value: string) => expandAt(path, value, context);
  const env: Record<string, string | null> = { ...await envFileOf(entry, context) };
  for (const [name, value] of Object.entries(entry.env ?? {})) {
    env[name] = value === null ? null : await text(["env", name], String(value));
  }
  const args: string[] = [];
  for (const [i, arg] of (entry.args ?? []).entries()) args.push(await text(["args", i], arg));
  const config: StdioServerConfig = {
    ...common,
    kind: "stdio",
    command: expander.expandHome(await text(["command"], entry.command)),
    args,
    env,
  };
  checkCommand(config, context);
  for (const [name, value] of Object.entries(env)) if (value) keepNamedSecret(name, value);
  if (entry.cwd !== undefined) config.cwd = expander.expandHome(await text(["cwd"], entry.cwd));
  return config;
}

async function envFileOf(entry: StdioEntry, context: EntryContext): Promise<Record<string, string>> {
  if (entry.envFile === undefined) return {};
  const path = await expandAt(["envFile"], entry.envFile, context);
  if (variablesIn(path).length > 0) {
    context.fault(
      ["envFile"],
      "is in the session's directory; allowed: a path that is the same for all sessions",
    );
    return {};
  }
  const file = context.expander.pathBesideConfig(path);
  const distrust = whyUntrusted(file);
  if (distrust !== undefined) {
    context.fault(["envFile"], `is not used: ${distrust}`);
    return {};
  }
  try {
    const values = parseEnvFile(await readRegularFile(file));
    const escaped = Object.entries(values).map((
      [name, value],
    ) => [name, escapeVariables(value ?? "")]);
    return Object.fromEntries(escaped);
  } catch (thrown) {
    context.fault(["envFile"], `cannot be read: ${messageOf(thrown)}`);
    return {};
  }
}

async function urlOf(entry: UrlEntry, common: CommonServerConfig, context: EntryContext) {
  const url = await expandAt(["url"], entry.url, context);
  const isLate = variablesIn(url).length > 0;
  if (!isLate && !["http:", "https:"].includes(URL.parse(url)?.protocol ?? "")) {
    context.fault(["url"], `is no such URL; allowed: ${URL_KEYS.url.allowed}`);
  }
  if (!isLate) checkUrl(url, context);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(entry.headers ?? {})) {
    headers[name] = await expandAt(["headers", name], String(value), context);
    keepNamedSecret(name, headers[name]);
    if (!isHeader(name, headers[name])) {
      context.fault(["headers", name], "is no HTTP header; allowed: a header name and one line of text");
    }
  }
  const config: UrlServerConfig = {
    ...common,
    kind: URL_TYPES[entry.type ?? "http"] ?? "http",
    url,
    headers,
    fallBackToSse: entry.type === undefined,
  };
  return config;
}

function isHeader(name: string, value: string): boolean {
  try {
    new Headers().set(name, value);
    return true;
  } catch {
    return false;
  }
}

async function expandAt(
  path: PropertyKey[],
  text: string,
  { expander, fault }: EntryContext,
): Promise<string> {
  try {
    return await expander.expand(text);
  } catch (thrown) {
    if (!(thrown instanceof VariableFault)) throw thrown;
    fault(path, thrown.message, { unset: thrown.unset });
    return "";
  }
}

/** `path` within an entry as a fault names it; undefined for the entry as a whole. */
export function keyOf(path: readonly PropertyKey[]): string | undefined {
  return path.length === 0 ? undefined : formatKey(path);
}
