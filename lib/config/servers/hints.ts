import { levenshteinDistance } from "@std/text/levenshtein-distance";
import { closeMatches } from "../../base/suggest.ts";

/** Keys of other clients that have no effect here, and whose loss changes nothing. */
const HARMLESS = new Set(
  ("$schema alwaysLoad author autoStart author bundled builtin cacheToolsList category discoveryCache description dev displayName " +
    "dxtVersion experimental_environment fromGalleryId gallery group homepage icon icons id installed installSource instructions isBuiltin " +
    "license link links logo logoUrl longRunning metadata name note notes omit_tools_from priority provider providerUrl " +
    "readme reference registry remote repository required restart role sampling sandbox sandboxEnabled scope scopes " +
    "searchKey serverInfo source summary supports_parallel_tool_calls tags title useCase vendor version website")
    .split(" "),
);

/** JSON has no comments, so some write them as keys. */
const COMMENT = /^(?:[_$#/]|x-)|^comments?$/i;

/** The key of ours that `key` most likely stands for. */
export function meantKey(key: string, known: readonly string[]): string | undefined {
  return closeMatches(key.replace(/[_-]/g, ""), known)[0];
}

/** The key of ours that `key` is a typo of; undefined for keys known from other programs. */
export function misspeltKey(key: string, known: readonly string[]): string | undefined {
  if (HARMLESS.has(key) || COMMENT.test(key)) return undefined;
  const folded = key.replace(/[_-]/g, "").toLowerCase();
  const [close] = closeMatches(folded, known);
  if (close === undefined || close[0] !== folded[0]) return undefined;
  return levenshteinDistance(folded, close.toLowerCase()) <= 2 ? close : undefined;
}

/** The warning about a key that is not one of `known`; undefined when it is harmless. */
export function adviceOnKey(key: string, known: readonly string[]): string | undefined {
  if (HARMLESS.has(key) || COMMENT.test(key)) return undefined;
  const meant = meantKey(key, known);
  return meant === undefined
    ? "is no key that EXAI reads; it is ignored"
    : `is no key that EXAI reads; it is ignored; write ${meant} if that is meant`;
}
