import { splitOptions, wordSet, type WrapperCall } from "./wrapper_call.ts";

/**
 * Options of `uvx` with which it runs a program of an environment that stays in its cache. Others make a temporary one
 * (`--isolated`, `--no-cache`), or are there to be obeyed at each start (`--refresh`, `--upgrade`).
 */
const KNOWN = {
  flags: wordSet(
    "-q --quiet -v --verbose --offline --native-tls --system-certs --no-progress --no-config --managed-python",
  ),
  values: wordSet(
    "--from --with --with-editable --with-requirements -p --python --python-preference --index --default-index",
    "-i --index-url --extra-index-url -f --find-links --index-strategy --keyring-provider --prerelease",
    "--resolution --exclude-newer --link-mode --color --cache-dir --config-file --env-file",
    "-c --constraints --overrides --allow-insecure-host",
  ),
};

/** A package by its name, with or without extras and a version: its program has the same name. */
const NAMED = /^([A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])?(@[^/\s]+|\s*[=<>~!]=?[^/]*)?$/;

/** Names that `uvx` takes for an interpreter, and the one it takes for a mistake. */
const NOT_A_PACKAGE = /^(python|pypy|cpython|graalpy|pyodide)w?[\d.t+]*$|^run$/i;

/** A version, or a commit of a repository, that always means the same files. */
const FIXED =
  /^[A-Za-z0-9][A-Za-z0-9._-]*(\[[^\]]*\])?(@|\s*===?\s*)\d+(\.\d+)*([.-]?(a|b|rc|post|dev)\d+)*$|@[0-9a-f]{40}(#.*)?$/;

/** `uvx [options] [--from PACKAGE] PROGRAM args`: what follows the first word is never read by uv. */
export function readUvx(args: readonly string[]): WrapperCall | undefined {
  return read(args, []);
}

/** `uv tool run ...`, which is `uvx ...`. */
export function readUvTool(args: readonly string[]): WrapperCall | undefined {
  return args[0] === "tool" && args[1] === "run" ? read(args.slice(2), args.slice(0, 2)) : undefined;
}

function read(args: readonly string[], before: readonly string[]): WrapperCall | undefined {
  const split = splitOptions(args, KNOWN);
  const target = split?.rest[0];
  if (!split || !target) return undefined;
  const valuesOf = (...names: string[]) =>
    split.given.filter(({ name }) => names.includes(name)).map(({ value }) => value);
  const [from, ...more] = valuesOf("--from");
  const program = from === undefined ? NAMED.exec(target)?.[1] : target;
  if (more.length > 0 || program === undefined || /[/\\]|\.pyw?$/i.test(program)) return undefined;
  if (NOT_A_PACKAGE.test(from ?? program)) return undefined;
  const packages = [from ?? target, ...valuesOf("--with", "--with-editable", "--with-requirements")];
  const options = split.options.filter((word) => word !== "--");
  const source = from === undefined ? ["--from", target] : [];
  return {
    kind: "uvx",
    // With --from, uv runs any program with the PATH that it has made.
    question: [...before, ...options, ...source, "env", "-0"],
    program,
    args: split.rest.slice(1),
    packages,
    isFixed: packages.every((spec) => FIXED.test(spec)),
  };
}
