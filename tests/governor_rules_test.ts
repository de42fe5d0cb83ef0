import { assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import { MIB } from "../lib/base/units.ts";
import { type GovernedSlot, Governor, type GovernorOptions } from "../lib/process/governor.ts";

interface Held {
  mib: number;
  processes?: number;
  isIdle?: boolean;
  scope?: GovernedSlot["scope"];
}

/** A governor of processes that hold what the test says; pids count from 1. */
function governed(options: Partial<GovernorOptions>, held: Held[], limitMib?: number) {
  const usage = new Map(
    held.map(({ mib, processes = 1 }, i) => [i + 1, { memoryBytes: mib * MIB, processes }]),
  );
  const slots = held.map(({ isIdle = true, scope = "project" }, i) => ({
    scope,
    isIdle,
    started: { pid: i + 1, callCount: 0 } as { pid?: number; callCount: number } | undefined,
  }));
  const retired: [number | undefined, number][] = [];
  let nowMs = 0;
  let looks = 0;
  let changes = 0;
  const governor = new Governor({
    memoryBytes: 0,
    processes: 0,
    memoryLimitBytes: 0,
    usage: () => (looks++, Promise.resolve(usage)),
    now: () => nowMs,
    servers: () => [{
      name: "files",
      slots,
      memoryLimitBytes: limitMib === undefined ? undefined : limitMib * MIB,
      retireSlot: (slot, graceMs) => void retired.push([slot.started?.pid, graceMs]),
    }],
    onChange: () => changes++,
    ...options,
  });
  return {
    governor,
    slots,
    usage,
    retired,
    looks: () => looks,
    changes: () => changes,
    /** Looks again, some time later; gives the processes that are stopped for it. */
    look: async () => {
      nowMs += 1000;
      retired.length = 0;
      await governor.check();
      return retired.map(([pid]) => pid);
    },
  };
}

const ONE = [{ mib: 100 }];

Deno.test("a budget is kept to the byte, and to the process", async () => {
  const exact = governed({ memoryBytes: 100 * MIB, processes: 1 }, ONE);
  for (let n = 0; n < 2; n++) assertEquals(await exact.look(), []);
  assertEquals(exact.governor.fault, undefined);
  const over = governed({ memoryBytes: 100 * MIB - 1 }, ONE);
  await over.look();
  assertEquals([await over.look(), over.retired[0]], [[1], [1, 60_000]]);
  const many = governed({ processes: 1 }, [{ mib: 1, processes: 2 }]);
  await many.look();
  assertEquals(await many.look(), [1]);
});

Deno.test("what is wrong is told with the numbers and the setting, when it comes and when it goes", async () => {
  const memory = governed({ memoryBytes: 50 * MIB }, [{ mib: 100, isIdle: false }]);
  await memory.look();
  await memory.look();
  assertEquals([memory.governor.fault, memory.changes()], [
    "mounted servers hold 100 MiB, more than the 50 MiB of EXAI_UPSTREAM_MEMORY, and none of them can be spared",
    1,
  ]);
  memory.usage.set(1, { memoryBytes: 1, processes: 1 });
  await memory.look();
  assertEquals([memory.governor.fault, memory.changes()], [undefined, 2]);
  const processes = governed({ processes: 2 }, [{ mib: 1, processes: 3, isIdle: false }]);
  await processes.look();
  assertEquals(
    processes.governor.fault,
    "mounted servers are 3 processes, more than the 2 of EXAI_UPSTREAM_PROCESSES, and none of them can be spared",
  );
  const quiet = governed({ processes: 2, onChange: undefined }, [{ mib: 1, processes: 3, isIdle: false }]);
  await quiet.look();
});

Deno.test("those idle for longest go first, shared ones before those of one window, and no more than needed", async () => {
  const it = governed({ memoryBytes: 150 * MIB }, [
    { mib: 100, scope: "session" },
    { mib: 100 },
    { mib: 100, isIdle: false },
    { mib: 100 },
  ]);
  it.slots[3]!.isIdle = false;
  assertEquals(await it.look(), []);
  it.slots[3]!.isIdle = true;
  await it.look();
  assertEquals(await it.look(), [2, 4, 1]);
  it.slots[1]!.started!.callCount++;
  assertEquals(await it.look(), [4, 1]);
  const few = governed({ processes: 5 }, [{ mib: 1, processes: 3 }, { mib: 1, processes: 3 }]);
  await few.look();
  assertEquals(await few.look(), [1]);
});

Deno.test("one that was busy between two looks is as if it had just become idle", async () => {
  const it = governed({ memoryBytes: 1 }, ONE);
  await it.look();
  it.slots[0]!.isIdle = false;
  assertEquals(await it.look(), []);
  it.slots[0]!.isIdle = true;
  assertEquals(await it.look(), []);
  assertEquals(await it.look(), [1]);
});

Deno.test("a limit of its own goes before the one for all, and one that is at its limit stays", async () => {
  const own = (limitMib: number | undefined, memoryLimitBytes: number) =>
    governed({ memoryLimitBytes }, [{ mib: 100, isIdle: false }], limitMib).look();
  assertEquals([await own(undefined, 100 * MIB), await own(undefined, 99 * MIB)], [[], [1]]);
  assertEquals([await own(99, 0), await own(100, 1), await own(0, 1)], [[1], [], []]);
  const both = governed({ memoryLimitBytes: 90 * MIB, memoryBytes: 50 * MIB }, [{ mib: 100 }, { mib: 40 }]);
  await both.look();
  assertEquals([await both.look(), both.retired], [[1], [[1, 120_000]]]);
});

Deno.test("one that has not started, does not run here, or is gone by now does not count", async () => {
  const it = governed({ memoryBytes: 1 }, [{ mib: 100 }, { mib: 100 }, { mib: 100 }]);
  it.slots[0]!.started = undefined;
  it.slots[1]!.started = { callCount: 0 };
  it.usage.delete(3);
  await it.look();
  assertEquals([await it.look(), it.looks()], [[], 2]);
  it.slots.pop();
  await it.look();
  assertEquals(it.looks(), 2);
});

Deno.test("with nothing to keep to nothing is looked at; each of the settings is something", async () => {
  const looked = async (options: Partial<GovernorOptions>, limitMib?: number) => {
    const it = governed(options, ONE, limitMib);
    await it.look();
    return it.looks();
  };
  assertEquals(await looked({}), 0);
  assertEquals(
    [await looked({ memoryBytes: 1 }), await looked({ processes: 1 }), await looked({ memoryLimitBytes: 1 })],
    [1, 1, 1],
  );
  assertEquals(await looked({}, 1), 1);
});

Deno.test("it looks again and again, also after a failure, until it is disposed of", async () => {
  let looks = 0;
  const it = governed({
    processes: 1,
    intervalMs: 5,
    usage: () => ++looks === 1 ? Promise.reject(new Error("no table")) : Promise.resolve(new Map()),
  }, ONE);
  it.governor.start();
  for (let n = 0; n < 400 && looks < 3; n++) await delay(5);
  it.governor[Symbol.dispose]();
  const before = looks;
  await delay(30);
  assertEquals([before >= 3, looks <= before + 1], [true, true]);
  const after = looks;
  it.governor.start();
  await delay(30);
  assertEquals(looks, after);
});

Deno.test("one that is disposed of before it has looked does not look", async () => {
  const it = governed({ processes: 1, intervalMs: 5 }, ONE);
  it.governor.start();
  it.governor[Symbol.dispose]();
  await delay(30);
  assertEquals(it.looks(), 0);
});

Deno.test("one server with a limit of its own is looked after beside others that have none", async () => {
  const retired: string[] = [];
  const server = (name: string, pid: number, memoryLimitBytes?: number) => {
    const slots: GovernedSlot[] = [{ scope: "project", isIdle: true, started: { pid, callCount: 0 } }];
    return { name, slots, memoryLimitBytes, retireSlot: () => void retired.push(name) };
  };
  const { governor } = governed({
    usage: () => Promise.resolve(new Map([1, 2].map((pid) => [pid, { memoryBytes: MIB, processes: 1 }]))),
    servers: () => [server("free", 1), server("bound", 2, MIB - 1)],
  }, []);
  await governor.check();
  assertEquals(retired, ["bound"]);
});

Deno.test("in whatever order servers are mounted, the one idle for longest goes first, then the next", async () => {
  for (const order of [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]) {
    const it = governed({ memoryBytes: MIB + 1 }, order.map(() => ({ mib: 1, isIdle: false })));
    for (let n = 0; n < 3; n++) {
      it.slots[order.indexOf(n)]!.isIdle = true;
      it.usage.forEach((usage) => usage.memoryBytes = 0);
      await it.look();
    }
    it.usage.forEach((usage) => usage.memoryBytes = MIB);
    assertEquals(await it.look(), [order.indexOf(0) + 1, order.indexOf(1) + 1]);
  }
});
