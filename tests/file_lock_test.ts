import { assertEquals } from "@std/assert";
import { FileLock } from "../lib/file/file_lock.ts";

Deno.test({
  name: "a lock that is given back is free at once, also while programs are being started",
  ignore: Deno.build.os === "windows",
  async fn() {
    const path = await Deno.makeTempFile({ prefix: "exai-lock-" });
    const over = new AbortController();
    const starting = [1, 2, 3, 4].map(async () => {
      while (!over.signal.aborted) await new Deno.Command("/bin/true").output();
    });
    let refused = 0;
    for (let n = 0; n < 2000; n++) {
      const lock = await FileLock.tryTake(path);
      if (!lock) refused++;
      else lock[Symbol.dispose]();
    }
    over.abort();
    await Promise.all(starting);
    await Deno.remove(path);
    assertEquals(refused, 0);
  },
});
