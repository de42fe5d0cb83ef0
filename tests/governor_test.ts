import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { MIB } from "../lib/base/units.ts";
import { type GovernedSlot, Governor, type GovernorOptions } from "../lib/process/governor.ts";
import { ProcessHost } from "../lib/process/process_host.ts";
import type { StdioServerConfig } from "../lib/config/server_config.ts";
import { MountedServer } from "../lib/upstream/mounted_server.ts";
import { bad } from "./helpers/mounts.ts";
import { call } from "./helpers/call.ts";

/** A server whose instances hold what a test says. */
class Rig {
  readonly retired: { pid: number; graceMs: number }[] = [];
  readonly slots: (GovernedSlot & { started: { pid: number; callCount: number }; isIdle: boolean })[] = [];
  readonly held = new Map<number, { memoryBytes: number; processes: number }>();
  readonly governor: Governor;
  limitMib: number | undefined;
  looks = 0;
  #nowMs = 1000;

  constructor(options: Partial<GovernorOptions>) {
    this.governor = new Governor({
      memoryBytes: 0,
      processes: 0,
      memoryLimitBytes: 0,
      usage: () => (this.looks++, Promise.resolve(this.held)),
      servers: () => [this.#server()],
      now: () => this.#nowMs,
      ...options,
    });
  }

  add(pid: number, memoryMib: number, scope: GovernedSlot["scope"] = "project") {
    const slot = { scope, started: { pid, callCount: 0 }, isIdle: true };
    this.slots.push(slot);
    this.held.set(pid, { memoryBytes: memoryMib * MIB, processes: 3 });
    return slot;
  }

  async look(): Promise<number[]> {
    const before = this.retired.length;
    this.#nowMs += 10_000;
    await this.governor.check();
    return this.retired.slice(before).map(({ pid }) => pid);
  }

  #server() {
    const { slots, limitMib } = this;
    return {
      name: "files",
      slots: [...slots],
      memoryLimitBytes: limitMib === undefined ? undefined : limitMib * MIB,
      retireSlot: (slot: GovernedSlot, graceMs: number) => {
        const pid = slot.started!.pid!;
        this.retired.push({ pid, graceMs });
        slots.splice(slots.findIndex((known) => known === slot), 1);
        this.held.delete(pid);
      },
    };
  }
}

Deno.test("over the memory budget, the server not used for longest is parked first, and no more than needed", async () => {
  const rig = new Rig({ memoryBytes: 250 * MIB });
  const [, second] = [rig.add(1, 100), rig.add(2, 100), rig.add(3, 100)];
  assertEquals(await rig.look(), []);
  rig.slots[0]!.started.callCount++;
  second.started.callCount++;
  assertEquals(await rig.look(), [3]);
  assertEquals([rig.governor.fault, await rig.look()], [undefined, []]);
});

Deno.test("a server with something to do is never parked; health says that the budget is exceeded", async () => {
  let changes = 0;
  const rig = new Rig({ memoryBytes: 150 * MIB, onChange: () => changes++ });
  for (const pid of [1, 2]) rig.add(pid, 100).isIdle = false;
  await rig.look();
  assertEquals(await rig.look(), []);
  assertStringIncludes(rig.governor.fault!, "hold 200 MiB, more than the 150 MiB of EXAI_UPSTREAM_MEMORY");
  rig.slots[0]!.isIdle = true;
  await rig.look();
  assertEquals([await rig.look(), rig.governor.fault, changes], [[1], undefined, 2]);
});

Deno.test("a server of one session alone is parked only when no shared one can be", async () => {
  const rig = new Rig({ processes: 3 });
  rig.add(1, 10, "session");
  rig.add(2, 10, "project");
  await rig.look();
  assertEquals(await rig.look(), [2]);
  rig.add(3, 10, "project").isIdle = false;
  assertEquals(await rig.look(), [1]);
});

Deno.test("a server over its own limit is replaced, and its calls get two minutes to end", async () => {
  const rig = new Rig({ memoryLimitBytes: 500 * MIB });
  rig.add(1, 400);
  rig.add(2, 600).isIdle = false;
  assertEquals(await rig.look(), [2]);
  assertEquals(rig.retired[0]!.graceMs, 120_000);
  rig.limitMib = 300;
  assertEquals(await rig.look(), [1]);
});

Deno.test("with no server running, and with nothing to keep to, the processes of the machine are not even looked at", async () => {
  const rig = new Rig({ memoryBytes: MIB });
  await rig.look();
  const free = new Rig({});
  free.add(1, 100);
  await free.look();
  assertEquals([rig.looks, free.looks], [0, 0]);
});

/** One server of the fixtures on a governor of a test's own. */
function governed(options: Partial<GovernorOptions>) {
  const host = new ProcessHost({ env: Deno.env.toObject(), login: {} });
  const { command, args } = bad("well") as { command: string; args: string[] };
  const config: StdioServerConfig = {
    kind: "stdio",
    name: "well",
    title: "well",
    share: "machine",
    cwdFree: true,
    tools: { exclude: [], rename: {}, prefix: "" },
    command,
    args,
    env: {},
    startTimeoutMs: 60_000,
    idleStopMs: 0,
  };
  const server = new MountedServer(config, {
    connect: (config) => host.spawn(config as never),
    clientInfo: { name: "test", version: "1" },
    onListChanged: () => {},
  });
  let nowMs = 0;
  const governor = new Governor({
    memoryBytes: 0,
    processes: 0,
    memoryLimitBytes: 0,
    usage: () => host.usage(),
    servers: () => [server],
    now: () => nowMs += 10_000,
    ...options,
  });
  return {
    server,
    governor,
    echo: (text: string) => server.target(call({ params: { name: "well_echo", arguments: { text } } })),
    pid: () => [...server.slots][0]?.started?.pid,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await host[Symbol.asyncDispose]();
    },
  };
}

Deno.test("a server that was parked is gone with all it started, and started again by its session's next call", async () => {
  await using it = governed({ memoryBytes: 1 });
  await it.echo("one");
  const [slot] = it.server.slots;
  const instance = await slot!.instance;
  await it.governor.check();
  await it.governor.check();
  await instance.ended;
  assertEquals(it.pid(), undefined);
  const { result } = await it.echo("two");
  assertEquals((result!.content as { text: string }[])[0]!.text, "two");
  assert(it.pid() !== instance.pid);
});

Deno.test("what real processes hold is measured: memory of the tree, and how many there are", async () => {
  await using it = governed({ memoryBytes: 1, now: () => 0 });
  await it.echo("one");
  await it.governor.check();
  assertStringIncludes(it.governor.fault!, "mounted servers hold ");
  const [, mib] = /hold ([\d.]+) MiB/.exec(it.governor.fault!) ?? [];
  assert(Number(mib) > 10 && Number(mib) < 1000, it.governor.fault);
});
