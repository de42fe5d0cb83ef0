import { join } from "@std/path";
import { FileWatch } from "../lib/config/file_watch.ts";
import { tempDir } from "./helpers/files.ts";
import { until } from "./helpers/until.ts";

/** Well below the time in which a file counts as just changed. */
const SOON_MS = 50;

Deno.test("a change is read that the times and the size of the file do not show, as it followed another at once", async () => {
  await using dir = await tempDir({ it: "one" });
  const path = join(dir.path, "it");
  let read = "";
  // A directory of databases is polled and not watched: nothing else tells of the change.
  const options = { databaseDir: dir.path, pollMs: 20 };
  await using watch = new FileWatch(path, async () => read = await Deno.readTextFile(path), options);
  let changedAt: Date;
  do {
    changedAt = new Date();
    await Deno.utime(path, changedAt, changedAt);
    await watch.reload();
  } while (Date.now() - changedAt.getTime() > SOON_MS);
  await Deno.writeTextFile(path, "two");
  await Deno.utime(path, changedAt, changedAt);
  await until("the second change", () => read === "two" || undefined);
});
