import { fromFileUrl } from "@std/path";

/**
 * Makes one file of the daemon. Compiled from its source it would carry every file of every package it uses: twice
 * the size on disk, twice the memory and more than twice the time to start.
 *
 * @throws when `deno bundle` fails; it has said why
 */
export async function bundleDaemon(outfile: string): Promise<void> {
  const entry = fromFileUrl(new URL("../../daemon.ts", import.meta.url));
  const { success, code } = await new Deno.Command(Deno.execPath(), {
    // Names are kept because logs and errors show those of classes.
    args: ["bundle", "--quiet", "--minify", "--keep-names", "--platform=deno", "--output", outfile, entry],
    stdin: "null",
  }).spawn().status;
  if (!success) throw new Error(`deno bundle of ${entry} ended with exit code ${code}`);
}
