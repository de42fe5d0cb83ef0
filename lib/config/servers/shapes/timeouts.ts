import { isObject, type Json, ownEntry } from "../../../base/json.ts";
import { HOUR_MS, SECOND_MS } from "../../../base/units.ts";
import type { EntryDialect, EntryDraft } from "./entry_draft.ts";

type TimeoutKey = "callTimeoutMs" | "startTimeoutMs";

/** Keys whose name says their unit, with the length of that in milliseconds. */
const WITH_UNIT: Readonly<Record<string, [key: TimeoutKey, unitMs: number]>> = {
  startup_timeout_sec: ["startTimeoutMs", SECOND_MS],
  startup_timeout_ms: ["startTimeoutMs", 1],
  startupTimeoutMs: ["startTimeoutMs", 1],
  startTimeoutSec: ["startTimeoutMs", SECOND_MS],
  tool_timeout_sec: ["callTimeoutMs", SECOND_MS],
  tool_timeout_ms: ["callTimeoutMs", 1],
  toolTimeoutMs: ["callTimeoutMs", 1],
  timeout_ms: ["callTimeoutMs", 1],
  request_timeout_ms: ["callTimeoutMs", 1],
  timeoutMs: ["callTimeoutMs", 1],
  timeout_sec: ["callTimeoutMs", SECOND_MS],
  timeoutSeconds: ["callTimeoutMs", SECOND_MS],
  timeout_seconds: ["callTimeoutMs", SECOND_MS],
};

/** Keys without a unit, which depends on the client. */
const WITHOUT_UNIT: Readonly<Record<string, TimeoutKey>> = {
  timeout: "callTimeoutMs",
  callTimeout: "callTimeoutMs",
  toolTimeout: "callTimeoutMs",
  requestTimeout: "callTimeoutMs",
  initTimeout: "startTimeoutMs",
  startupTimeout: "startTimeoutMs",
  connectionTimeout: "startTimeoutMs",
};

/** What `timeout` counts in, in milliseconds; other clients, and versions of one, differ. */
const UNIT_MS = {
  "amazon-q": 1,
  "claude-code": 1,
  "copilot-cli": 1,
  cline: SECOND_MS,
  gemini: 1,
  kiro: 1,
  opencode: 1,
  roo: SECOND_MS,
} as const satisfies Partial<Record<EntryDialect, number>>;

/** Without a client to ask: no more than this is seconds, and no less than the other milliseconds. */
const MAX_SECONDS = 600;
const MIN_MILLISECONDS = 5000;
const MAX_MS = 24 * HOUR_MS;
/** Claude Code ignores a shorter time limit, as it is most likely meant in seconds. */
const MIN_CLAUDE_MS = 1000;

/** Converts the time limits of other clients, by the name of the key, the rule of the client, or the size. */
export function convertTimeouts(draft: EntryDraft, dialect: EntryDialect): void {
  for (const [name, [key, unitMs]] of Object.entries(WITH_UNIT)) {
    convert(draft, { name, key, value: draft.take(name), unitMs });
  }
  splitTimeout(draft);
  for (const [name, key] of Object.entries(WITHOUT_UNIT)) {
    const value = draft.take(name);
    if (dialect === "claude-code" && countOf(value) < MIN_CLAUDE_MS) {
      draft.note("lost", [name], `is less than ${MIN_CLAUDE_MS} milliseconds, which Claude Code ignores too`);
    } else convert(draft, { name, key, value, unitMs: ownEntry(UNIT_MS, dialect) ?? unitBySize(value) });
  }
}

/** opencode has `timeout: {startup, request}` too, both in milliseconds. */
function splitTimeout(draft: EntryDraft): void {
  const { timeout } = draft.entry;
  if (!isObject(timeout)) return;
  draft.take("timeout");
  convert(draft, { name: "timeout", key: "startTimeoutMs", value: timeout.startup, unitMs: 1 });
  convert(draft, { name: "timeout", key: "callTimeoutMs", value: timeout.request, unitMs: 1 });
}

function unitBySize(value: Json | undefined): number | undefined {
  const count = countOf(value);
  if (count <= MAX_SECONDS) return SECOND_MS;
  return count >= MIN_MILLISECONDS ? 1 : undefined;
}

/** `NaN` for what is no number. */
function countOf(value: Json | undefined): number {
  if (typeof value === "string" && value.trim() !== "") return Number(value);
  return typeof value === "number" ? value : NaN;
}

interface Timeout {
  name: string;
  key: TimeoutKey;
  value: Json | undefined;
  /** Undefined: it is not known. */
  unitMs: number | undefined;
}

function convert(draft: EntryDraft, { name, key, value, unitMs }: Timeout): void {
  if (value === undefined) return;
  const count = countOf(value);
  if (!Number.isFinite(count) || count < 0) {
    draft.note("lost", [name], `is no number; write ${key}, in milliseconds`);
  } else if (count === 0) draft.note("changed", [name], "is 0, which is EXAI's own limit here");
  else if (draft.entry[key] !== undefined) draft.note("lost", [name], `stands beside ${key}, which counts`);
  else if (unitMs === undefined) {
    const message = `is ${count}, which may be seconds or milliseconds; it is ignored; write ${key}, in ` +
      `milliseconds (${count * SECOND_MS} or ${count})`;
    draft.note("lost", [name], message);
  } else {
    const ms = Math.min(Math.max(1, Math.round(count * unitMs)), MAX_MS);
    const unit = unitMs === 1 ? "milliseconds" : "seconds";
    draft.put(key, ms, [name]);
    draft.note("changed", [key], `is ${count} ${unit} and becomes ${key} ${ms}`);
  }
}
