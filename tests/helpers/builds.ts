import { cp } from "node:fs/promises";
import { fromFileUrl, join } from "@std/path";
import { VERSION } from "../../lib/base/version.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));

/** Both programs as release `version` would have them, in a directory of their own; gone with `await using`. */
export async function buildOf(version: string) {
  const dir = await Deno.makeTempDir({ prefix: `exai-${version}-` });
  for (const name of ["lib", "daemon.ts", "shim.ts", "deno.json", "deno.lock"]) {
    await cp(join(ROOT, name), join(dir, name), { recursive: true });
  }
  const file = join(dir, "lib/base/version.ts");
  const text = await Deno.readTextFile(file);
  /** Makes it another release, where it is. */
  const become = (next: string) =>
    Deno.writeTextFile(file, text.replace(`"${VERSION}"`, JSON.stringify(next)));
  await become(version);
  return {
    version,
    daemon: join(dir, "daemon.ts"),
    shim: join(dir, "shim.ts"),
    become,
    [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }),
  };
}
