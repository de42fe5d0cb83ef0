import { assertEquals } from "@std/assert";
import { FileLock } from "../../lib/state/file_lock.ts";

Deno.test({
  name: "a lock that is given back is free at once, also while programs are being started",
  ignore: Deno.build.os === "windows",
  async fn() {
    const path = await Deno.makeTempFile({ prefix: "exai-lock-" });
    // Only what another thread starts can come between.
    const starting = 'for (;;) await new Deno.Command("/bin/true").output();';
    const url = URL.createObjectURL(new Blob([starting], { type: "text/javascript" }));
    const workers = [1, 2].map(() => new Worker(url, { type: "module" }));
    let refused = 0;
    for (let n = 0; n < 5000; n++) {
      const lock = await FileLock.tryTake(path);
      if (!lock) refused++;
      else lock[Symbol.dispose]();
    }
    for (const worker of workers) worker.terminate();
    URL.revokeObjectURL(url);
    await Deno.remove(path);
    assertEquals(refused, 0);
  },
});

Deno.test("a lock that is only looked for is not made", async () => {
  const dir = await Deno.makeTempDir({ prefix: "exai-lock-" });
  assertEquals(await FileLock.tryTake(`${dir}/it`, { create: false }), undefined);
  assertEquals(await Array.fromAsync(Deno.readDir(dir)), []);
  (await FileLock.tryTake(`${dir}/it`))![Symbol.dispose]();
  using again = await FileLock.tryTake(`${dir}/it`, { create: false });
  assertEquals(again instanceof FileLock, true);
  await Deno.remove(dir, { recursive: true });
});
