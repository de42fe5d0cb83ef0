import { splitOptions, wordSet, type WrapperCall } from "./wrapper_call.ts";

/**
 * Options of npm with which it still runs one program of the package. Others (`--call`, `--workspace`, `--shell`) make
 * it do something else.
 */
const KNOWN = {
  flags: wordSet(
    "-y --yes -q --quiet -s --silent --verbose -d -dd -ddd --offline --prefer-offline",
    "--no-audit --no-fund --no-update-notifier --ignore-scripts --legacy-peer-deps --force -f --no-install --no",
    "--no-progress --no-color",
  ),
  values: wordSet(
    "-p --package --registry --cache --userconfig --loglevel --node-options --prefix --before --tag --proxy",
    "--https-proxy --cafile --fetch-timeout --fetch-retries",
  ),
};

/** `name@1.2.3`, with or without a scope: always the same files. */
const FIXED = /^(@[^/@]+\/)?[^/@:]+@\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/;

/** `npx [options] [--] PROGRAM-OR-PACKAGE args`: what follows the first word is never read by npx. */
export function readNpx(args: readonly string[]): WrapperCall | undefined {
  const split = splitOptions(args, KNOWN);
  const program = split?.rest[0];
  if (!split || !program) return undefined;
  return npxCall([...split.options, program], {
    packages: packagesOf(split.given),
    program,
    args: split.rest.slice(1),
  });
}

/** `npm exec [options] [--] PROGRAM-OR-PACKAGE [--] args`: npm reads options up to the first `--`. */
export function readNpmExec(args: readonly string[]): WrapperCall | undefined {
  if (args[0] !== "exec" && args[0] !== "x") return undefined;
  const split = splitOptions(args.slice(1), KNOWN);
  const program = split?.rest[0];
  if (!split || !program) return undefined;
  const rest = split.rest.slice(1);
  const isOpen = split.options.at(-1) !== "--";
  const end = isOpen ? rest.indexOf("--") : -1;
  const beforeEnd = isOpen ? rest.slice(0, end === -1 ? rest.length : end) : [];
  if (beforeEnd.some((word) => word.startsWith("-"))) return undefined;
  const programArgs = end === -1 ? rest : [...beforeEnd, ...rest.slice(end + 1)];
  return npxCall([args[0], ...split.options, program], {
    packages: packagesOf(split.given),
    program,
    args: programArgs,
  });
}

function packagesOf(given: readonly { name: string; value: string }[]): string[] {
  return given.filter(({ name }) => name === "-p" || name === "--package").map(({ value }) => value);
}

function npxCall(
  question: readonly string[],
  { packages, program, args }: { packages: readonly string[]; program: string; args: readonly string[] },
): WrapperCall {
  const installed = packages.length > 0 ? packages : [program];
  return {
    kind: "npx",
    question,
    args,
    packages: installed,
    isFixed: installed.every((spec) => FIXED.test(spec)),
  };
}
