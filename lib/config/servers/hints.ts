import { levenshteinDistance } from "@std/text/levenshtein-distance";
import { ownEntry } from "../../base/json.ts";
import { closeMatches } from "../../base/suggest.ts";

/** Keys of other clients that have no effect here. */
const HARMLESS = new Set([
  "$schema",
  "alwaysAllow",
  "autoApprove",
  "autoStart",
  "description",
  "dev",
  "displayName",
  "gallery",
  "icon",
  "metadata",
  "tags",
  "trust",
  "version",
]);

/** JSON has no comments, so some write them as keys. */
const COMMENT = /^(?:[_$#/]|x-)|^comments?$/i;

/** Our names for keys of other clients. */
const OUR_NAME: Readonly<Record<string, string>> = {
  allowedTools: "include",
  cmd: "command",
  disabledTools: "exclude",
  enabled: "disabled",
  enabledTools: "include",
  environment: "env",
  excludeTools: "exclude",
  httpUrl: "url",
  includeTools: "include",
  serverUrl: "url",
  startupTimeout: "startTimeoutMs",
  timeout: "callTimeoutMs",
  tools: "include",
  workingDirectory: "cwd",
};

/** The key of ours that `key` most likely stands for. */
export function meantKey(key: string, known: readonly string[]): string | undefined {
  const ours = ownEntry(OUR_NAME, key);
  if (ours !== undefined) return ours;
  return closeMatches(key.replace(/[_-]/g, ""), known)[0];
}

/** The key of ours that `key` is a typo of; undefined for keys known from other programs. */
export function misspeltKey(key: string, known: readonly string[]): string | undefined {
  if (HARMLESS.has(key) || ownEntry(OUR_NAME, key) !== undefined || COMMENT.test(key)) return undefined;
  const folded = key.replace(/[_-]/g, "").toLowerCase();
  const [close] = closeMatches(folded, known);
  if (close === undefined || close[0] !== folded[0]) return undefined;
  return levenshteinDistance(folded, close.toLowerCase()) <= 2 ? close : undefined;
}

/** The warning about a key that is not one of `known`; undefined when it is harmless. */
export function adviceOnKey(key: string, known: readonly string[]): string | undefined {
  if (HARMLESS.has(key)) return undefined;
  const meant = meantKey(key, known);
  return meant === undefined
    ? "is no key that EXAI reads; it is ignored"
    : `is no key that EXAI reads; it is ignored; write ${meant} if that is meant`;
}
