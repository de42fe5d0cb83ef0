import { isObject, type Json } from "../../../base/json.ts";
import { quoteValue } from "../../../base/text.ts";
import type { EntryDraft } from "./entry_draft.ts";

/** Keys that name the only tools to offer. */
const ALLOW_LISTS = [
  "tools",
  "allowedTools",
  "allowed_tools",
  "enabledTools",
  "enabled_tools",
  "includeTools",
  "include_tools",
  "availableTools",
  "available_tools",
];

/** Keys that name tools not to offer. */
const DENY_LISTS = [
  "disabledTools",
  "disabled_tools",
  "excludeTools",
  "exclude_tools",
  "excludedTools",
  "blockedTools",
  "deniedTools",
];

/** Which tools the client runs without a question; that stays with the client. */
const APPROVALS = [
  "alwaysAllow",
  "always_allow",
  "autoApprove",
  "auto_approve",
  "autoAllow",
  "trust",
  "toolPermissions",
  "permissions",
  "disabledAutoApproveTools",
  "default_tools_approval_mode",
  "defaultToolsApprovalMode",
];

/** Keys that say whether the server is used, and the value with which it is not. */
const SWITCHES: Readonly<Record<string, boolean>> = {
  enabled: false,
  isEnabled: false,
  isActive: false,
  active: false,
  disable: true,
  isDisabled: true,
};

/** Converts which tools are offered, what needs no question, and whether the server is used at all. */
export function convertChoices(draft: EntryDraft): void {
  for (const key of APPROVALS) {
    if (draft.take(key) === undefined) continue;
    draft.note("kept", [key], "says what runs without a question, which the client goes on to decide");
  }
  for (const key of ALLOW_LISTS) convertAllowList(draft, key);
  for (const key of DENY_LISTS) convertDenyList(draft, key);
  for (const [key, off] of Object.entries(SWITCHES)) convertSwitch(draft, key, off);
}

function convertAllowList(draft: EntryDraft, key: string): void {
  const value = draft.take(key);
  if (value === undefined) return;
  if (isObject(value)) convertToolTable(draft, key, value);
  else if (isPermissionList(value)) {
    draft.note("kept", [key], "says what runs without a question, which the client goes on to decide");
  } else {
    const names = toolNames(draft, key, value);
    if (names === undefined || names.includes("*")) return;
    if (draft.entry.include !== undefined) {
      return draft.note("lost", [key], "stands beside another list of the only tools, which counts");
    }
    draft.put("include", names, [key]);
    draft.note("converted", [key], "becomes include");
    if (names.length === 0) {
      const message = 'is an empty list, so that no tool of this server is offered; write ["*"] for all';
      draft.note("lost", [key], message);
    }
  }
}

function convertDenyList(draft: EntryDraft, key: string): void {
  const value = draft.take(key);
  if (value === undefined) return;
  const names = toolNames(draft, key, value);
  if (names === undefined || names.length === 0) return;
  const before = draft.entry.exclude;
  draft.put("exclude", Array.isArray(before) ? [...before, ...names] : names, [key]);
  draft.note("converted", [key], "becomes exclude");
}

/** The tools of a list; one that cannot be read is a fault, as ignoring it would offer what its author does not want. */
function toolNames(draft: EntryDraft, key: string, value: Json): string[] | undefined {
  const list = typeof value === "string" ? value.split(",").map((name) => name.trim()) : value;
  if (!Array.isArray(list) || list.some((name) => typeof name !== "string")) {
    draft.note("fault", [key], "is no array of tool names; write include or exclude in its place");
    return undefined;
  }
  // Gemini allows a tool with some arguments only: "run(git status)".
  return (list as string[]).map((name) => name.replace(/\(.*$/s, "").trim()).filter((name) => name !== "");
}

/** `{"name": false}` leaves a tool out; Codex has `{"name": {"approval_mode": …}}`. */
function convertToolTable(draft: EntryDraft, key: string, tools: Record<string, unknown>): void {
  const off = Object.keys(tools).filter((name) => {
    const tool = tools[name];
    return tool === false || isObject(tool) && (tool.enabled === false || tool.disabled === true);
  });
  if (off.length > 0) {
    const before = draft.entry.exclude;
    draft.put("exclude", Array.isArray(before) ? [...before, ...off] : off, [key]);
    draft.note("converted", [key], `becomes exclude: ${off.length} tools that are switched off`);
  }
  if (Object.values(tools).some(isObject)) {
    draft.note("kept", [key], "says what runs without a question, which the client goes on to decide");
  }
}

function isPermissionList(value: Json): boolean {
  return Array.isArray(value) && value.length > 0 && value.every(isObject);
}

function convertSwitch(draft: EntryDraft, key: string, off: boolean): void {
  const value = draft.take(key);
  if (value === undefined) return;
  if (typeof value !== "boolean") {
    draft.note("fault", [key], `is ${quoteValue(value)}; allowed: true or false`);
  } else if (value === off) {
    if (draft.entry.disabled === false) {
      draft.note("lost", ["disabled"], `is false, and ${key} is ${value}; the server is left out`);
    }
    draft.put("disabled", true, [key]);
    draft.note("converted", [key], "becomes disabled");
  }
}
