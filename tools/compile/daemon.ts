import * as esbuild from "esbuild";
import { fromFileUrl, join } from "@std/path";

/**
 * Makes one file of the daemon, `daemon.js` in `outdir`, and one of each package it loads only when it is needed.
 * Compiled from its source it would carry every file of every package it uses: twice the size on disk, twice the memory
 * and more than twice the time to start. In the one file, what is loaded late (the vocabulary of the tokenizer, the
 * client of the providers) would be read at the start: 37 MB and 0.13 s more, by measurement.
 *
 * @throws when `deno bundle` fails; it has said why
 */
export async function bundleDaemon(outdir: string): Promise<void> {
  const entry = fromFileUrl(new URL("../../daemon.ts", import.meta.url));
  // The parts have names made of their content: those of an earlier build would stay.
  await Deno.remove(outdir, { recursive: true }).catch((thrown) => {
    if (!(thrown instanceof Deno.errors.NotFound)) throw thrown;
  });
  // Names are kept because logs and errors show those of classes.
  await denoBundle("--keep-names", "--code-splitting", "--outdir", outdir, entry);
  const names = (await Array.fromAsync(Deno.readDir(outdir))).map(({ name }) => name);
  await minify(names.map((name) => join(outdir, name)));
}

/**
 * Bundles programs of the root directory with source maps beside them, which name every file that is in them.
 *
 * @throws when `deno bundle` fails; it has said why
 */
export async function bundleWithMaps(programs: readonly string[], outdir: string): Promise<void> {
  const paths = programs.map((program) => fromFileUrl(new URL(`../../${program}`, import.meta.url)));
  await denoBundle("--code-splitting", "--sourcemap=external", "--outdir", outdir, ...paths);
}

/**
 * Packages of CommonJS, as `ws`, require the modules of Node.js, and what the bundler puts in the place of `require` asks
 * for one that is there; in a module there is none. It throws for what is not there: packages look for others they can
 * do without.
 */
const REQUIRE = "var require=(name)=>{const found=process.getBuiltinModule(name);" +
  'if(!found)throw new Error("there is no module "+name);return found};\n';

/**
 * Makes one file of a module and everything it imports, packages written for Node.js too.
 *
 * @throws when `deno bundle` fails; it has said why
 */
export async function bundleLate(entry: URL, outfile: string): Promise<void> {
  await denoBundle("--output", outfile, fromFileUrl(entry));
  await minify([outfile]);
}

async function denoBundle(...args: string[]): Promise<void> {
  const { success, code } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--platform=deno", ...args],
    stdin: "null",
  }).spawn().status;
  if (!success) throw new Error(`deno bundle of ${args.at(-1)} ended with exit code ${code}`);
}

/**
 * Minifies files in place. `deno bundle --minify` is not used: where a `using` declaration is read once, it puts the value
 * into that place, and what was declared is never disposed. A lock taken so stays taken.
 */
async function minify(paths: readonly string[]): Promise<void> {
  try {
    for (const path of paths) {
      const options = { minify: true, format: "esm", target: "esnext", legalComments: "none" } as const;
      const { code } = await esbuild.transform(await Deno.readTextFile(path), options);
      await Deno.writeTextFile(path, (code.includes("Dynamic require of") ? REQUIRE : "") + code);
    }
  } finally {
    await esbuild.stop();
  }
}
