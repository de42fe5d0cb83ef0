import { assertEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../../lib/base/json.ts";
import { KIB, MIB } from "../../lib/base/units.ts";
import { startDaemon } from "../helpers/program.ts";
import { RawClient } from "../helpers/raw_client.ts";

async function run(command: string, ...args: string[]): Promise<boolean> {
  const { success } = await new Deno.Command(command, { args, stdout: "null", stderr: "null" }).output();
  return success;
}

/** A file system of its own in memory, of 4 MiB; undefined where this user may not make one. */
async function smallDisk() {
  if (Deno.build.os !== "linux") return undefined;
  const path = await Deno.makeTempDir({ prefix: "exai-disk-" });
  if (!await run("mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", path)) {
    await Deno.remove(path);
    return undefined;
  }
  return {
    path,
    /** Nothing can be written by its path any more. Files that are open stay so: the kernel lets none be taken away. */
    async lock() {
      await run("mount", "--bind", path, path);
      await run("mount", "-o", "remount,bind,ro", path);
    },
    unlock: () => run("umount", path),
    /** Leaves not a byte free. */
    async fill() {
      using file = await Deno.open(`${path}/filler`, { create: true, write: true });
      try {
        for (let block = new Uint8Array(MIB);; block = block.subarray(0, Math.max(1, block.length / 2))) {
          for (;;) if (!await fits(file, block)) break;
          if (block.length === 1) break;
        }
      } catch {
        // Full.
      }
    },
    free: () => Deno.remove(`${path}/filler`),
    async [Symbol.asyncDispose]() {
      await run("umount", "-l", path);
      await Deno.remove(path);
    },
  };
}

async function fits(file: Deno.FsFile, block: Uint8Array): Promise<boolean> {
  try {
    return await file.write(block) === block.length;
  } catch {
    return false;
  }
}

const PLAN = { step: "x".repeat(8 * KIB), step_number: 1, total_steps: 2, next_step_required: true };

/** Mounting takes root on Linux: elsewhere this cannot be tried. */
async function mayMount(): Promise<boolean> {
  await using disk = await smallDisk();
  return disk !== undefined;
}

Deno.test({
  name:
    "with the disk full or read-only every call is answered, health says what is wrong, and all is well after",
  ignore: !await mayMount(),
  async fn() {
    await using disk = await smallDisk();
    await using daemon = await startDaemon({ home: disk!.path });
    using client = await RawClient.hello(daemon.url);
    let calls = 0;
    const call = async () => {
      calls++;
      const reply = await client.call("challenge", { prompt: "x".repeat(2 * KIB) });
      assertEquals(reply.error, undefined);
    };
    const health = async () => (await client.ask({ op: "health" })).health as JsonObject;
    /** Calls until the health report has the status, however long the files take to find out. */
    const until = async (status: string) => {
      for (;;) {
        await call();
        const report = await health();
        if (report.status === status) return (report.reasons as string[]).join("\n");
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    await until("ok");

    await disk!.fill();
    assertStringIncludes(await until("degraded"), "written");
    for (let i = 0; i < 50; i++) await call();
    assertStringIncludes(JSON.stringify(await client.call("planner", PLAN)), "no space is left");
    await disk!.free();
    await until("ok");

    await disk!.lock();
    assertStringIncludes(await until("degraded"), "written");
    for (let i = 0; i < 50; i++) await call();
    await disk!.unlock();
    // A window that comes has the health report written.
    (await RawClient.hello(daemon.url))[Symbol.dispose]();
    await until("ok");

    const url = new URL("/calls?limit=100000&tool=challenge", daemon.url.replace(/^ws/, "http"));
    const kept = (await (await fetch(url)).json()).calls.length;
    // Of those made while the disk was full the latest are kept until it is not.
    assertEquals(kept, calls);
  },
});
