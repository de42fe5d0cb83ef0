import { join } from "@std/path";

/** Every file in `dir` and in the directories in it. */
export async function* filesBelow(dir: string): AsyncGenerator<string> {
  for await (const { name, isDirectory, isFile } of Deno.readDir(dir)) {
    if (isDirectory) yield* filesBelow(join(dir, name));
    else if (isFile) yield join(dir, name);
  }
}
