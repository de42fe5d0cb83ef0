import { assertEquals } from "@std/assert";
import { isAlive } from "../lib/state/live_process.ts";
import { until } from "./helpers/until.ts";

Deno.test("a process that runs is alive, and one that was waited for is not", async () => {
  const child = new Deno.Command(Deno.execPath(), { args: ["eval", ""], stdout: "null" }).spawn();
  assertEquals(await isAlive(Deno.pid), true);
  await child.status;
  assertEquals(await isAlive(child.pid), false);
});

Deno.test("a process that has ended is not alive, although its parent never waits for it", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  // As in a container whose first process is the client: `cat` is the parent, and knows nothing of it.
  const parent = new Deno.Command("sh", {
    args: ["-c", "sh -c 'echo $$' & exec cat"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = parent.stdout.getReader();
  const pid = Number(new TextDecoder().decode((await reader.read()).value));
  const isZombie = async () => /\) Z /.test(await Deno.readTextFile(`/proc/${pid}/stat`)) || undefined;
  await until("its end", isZombie);
  assertEquals(await isAlive(pid), false);
  await reader.cancel();
  await parent.stdin.close();
  await parent.status;
});
