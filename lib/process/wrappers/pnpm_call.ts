import { splitOptions, wordSet, type WrapperCall } from "./wrapper_call.ts";

/** Options of `pnpm dlx` with which it runs a program of the package; others (`-c`) make it run a shell. */
const KNOWN = {
  flags: wordSet("-y --yes -s --silent --offline --prefer-offline --ignore-scripts --no-color"),
  values: wordSet("--package --allow-build --registry --reporter --loglevel --store-dir"),
};

/** A package of a registry, with or without a version. */
const NAMED = /^(@[^/@:]+\/)?[^/@:]+(@[^/:]+)?$/;
const FIXED = /@\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/;

/** `pnpm [options] dlx [options] PACKAGE args`: what follows the package is never read by pnpm. */
export function readPnpm(args: readonly string[]): WrapperCall | undefined {
  const before = splitOptions(args, KNOWN);
  return before?.rest[0] === "dlx"
    ? read(before.rest.slice(1), { before: before.options, command: ["dlx"] })
    : undefined;
}

/** `pnpx ...`, which is `pnpm dlx ...`. */
export function readPnpx(args: readonly string[]): WrapperCall | undefined {
  return read(args, { before: [], command: [] });
}

function read(
  args: readonly string[],
  { before, command }: { before: readonly string[]; command: readonly string[] },
): WrapperCall | undefined {
  const split = splitOptions(args, KNOWN);
  const target = split?.rest[0];
  if (!split || !target || [...before, ...split.options].includes("--")) return undefined;
  const given = split.given.filter(({ name }) => name === "--package").map(({ value }) => value);
  const packages = given.length > 0 ? given : [target];
  // A package given before `dlx` is not seen here.
  if (before.some((word) => word.startsWith("--package")) || !packages.every((spec) => NAMED.test(spec))) {
    return undefined;
  }
  const [source, program] = given.length > 0 ? [[], target] : [[`--package=${target}`], undefined];
  return {
    kind: "pnpm",
    // Versions differ in whether they read --package behind dlx.
    question: [...before, ...source, ...command, ...split.options, "env", "-0"],
    program,
    args: split.rest.slice(1),
    packages,
    isFixed: packages.every((spec) => FIXED.test(spec)),
  };
}
