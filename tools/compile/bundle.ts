import * as esbuild from "esbuild";
import { fromFileUrl } from "@std/path";

/** A module to be replaced, and by what. */
export interface Replacement {
  /** The specifier as it is written in the import. */
  specifier: string;
  /** How the path of the importing file ends. */
  importer: string;
  by: URL;
}

export interface BundleOptions {
  /** The program's entry point. */
  entry: URL;
  outfile: string;
  replace?: readonly Replacement[];
  /** Modules that take the place of `node:` ones, by name. */
  builtins?: Readonly<Record<string, URL>>;
  /** Modules whose exports take the place of globals. */
  globals?: readonly URL[];
  /** Modules that are loaded late and lie in files of their own beside this one, by how their specifier ends. */
  apart?: Readonly<Record<string, string>>;
}

/** What {@linkcode bundle} made. */
export interface Bundle {
  bytes: number;
}

/**
 * Makes one minified file of a program and everything it imports, `node:` modules aside.
 *
 * @throws when something cannot be resolved, or a replacement found nothing to replace
 */
export async function bundle(options: BundleOptions): Promise<Bundle> {
  const { entry, outfile, replace = [], apart = {}, globals = [] } = options;
  const used = new Set<Replacement>();
  try {
    const { metafile } = await esbuild.build({
      entryPoints: [fromFileUrl(entry)],
      outfile,
      bundle: true,
      minify: true,
      format: "esm",
      target: "esnext",
      platform: "neutral",
      mainFields: ["module", "main"],
      conditions: ["deno"],
      legalComments: "none",
      metafile: true,
      inject: globals.map(fromFileUrl),
      plugins: [keeper(apart), resolver(options, used)],
    });
    const missed = replace.find((replacement) => !used.has(replacement));
    if (missed) throw new Error(`nothing like ${missed.importer} imports ${missed.specifier} any more`);
    return { bytes: Object.values(metafile.outputs)[0]!.bytes };
  } finally {
    await esbuild.stop();
  }
}

/** Leaves a module where it is: the import leads to the file that is made of it. */
function keeper(apart: Readonly<Record<string, string>>): esbuild.Plugin {
  return {
    name: "apart",
    setup(build) {
      build.onResolve({ filter: /.*/ }, ({ path, kind }) => {
        const file = kind === "dynamic-import" ? apart[path] : undefined;
        return file ? { path: file, external: true } : undefined;
      });
    },
  };
}

/** Resolves what esbuild cannot: the names in deno.json, to where Deno keeps the packages. */
function resolver(
  { replace = [], builtins = {} }: BundleOptions,
  used: Set<Replacement>,
): esbuild.Plugin {
  return {
    name: "deno",
    setup(build) {
      build.onResolve({ filter: /.*/ }, ({ path, importer, kind }) => {
        if (kind === "entry-point") return undefined;
        const slashed = importer.replaceAll("\\", "/");
        const found = replace.find((one) => one.specifier === path && slashed.endsWith(one.importer));
        if (found) {
          used.add(found);
          return { path: fromFileUrl(found.by) };
        }
        const builtin = kind === "dynamic-import" ? undefined : builtins[path];
        if (builtin) return { path: fromFileUrl(builtin) };
        if (path.startsWith("node:")) return { path, external: true };
        return /^[.#/]/.test(path) ? undefined : { path: fromFileUrl(import.meta.resolve(path)) };
      });
    },
  };
}
