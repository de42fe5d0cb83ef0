import { assertEquals, assertThrows } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { ServerConfig } from "../lib/config/server_config.ts";
import { ClientRefusedError } from "../lib/upstream/instance/link/initialize.ts";
import { ProcessRecords } from "../lib/upstream/process_records.ts";
import { processGroupKey } from "../lib/upstream/share_key.ts";
import type { Slot } from "../lib/upstream/slot.ts";
import type { SlotRequest } from "../lib/upstream/slot_request.ts";
import { call } from "./helpers/call.ts";

const BROKEN = new ExaiError("UPSTREAM_UNAVAILABLE", "it is broken");

function request(key: string, scope: SlotRequest["scope"] = "project"): SlotRequest {
  const caller = { ...call().caller, id: `session of ${key}` };
  return {
    key,
    scope,
    why: "",
    canIsolate: false,
    advertised: {},
    listScope: { listKey: key, advertised: {}, credentials: "owner", resourcesFor: "directory" },
    config: { kind: "stdio", command: "files", args: [], env: {} } as never as ServerConfig,
    session: { caller, workspace: `/${key}`, roots: undefined, isRootless: false },
    mixesRoots: false,
    roots: undefined,
  };
}

/** The records of a server none of whose processes runs but those of `running`. */
function recordsOf(running = new Set<string>()) {
  const records = new ProcessRecords({ name: "files", inUse: (key) => running.has(key) });
  const fail = (wanted: SlotRequest) => {
    const { supervisor } = records.of(wanted);
    supervisor.failed(supervisor.begin(0), BROKEN, 0);
  };
  return { records, running, fail, keys: () => Array.from(records, ({ key }) => key) };
}

Deno.test("of processes that do not run no more than some hundreds are remembered, the latest", () => {
  const { records, running, fail, keys } = recordsOf();
  running.add("project 0");
  for (let n = 0; n < 1000; n++) fail(request(`project ${n}`));
  assertEquals(keys().length, 258);
  assertEquals([keys()[0], keys().at(-1)], ["project 0", "project 999"]);
  assertEquals(records.of(request("project 999")).supervisor.failureState?.failures, 1);
});

Deno.test("nothing is kept of a process that was well, nor of a window's own once the window is gone", () => {
  const { records, running, fail, keys } = recordsOf();
  records.of(request("well"));
  fail(request("ill"));
  const [gone, busy] = [request("gone", "session"), request("busy", "session")];
  fail(gone);
  fail(busy);
  for (const key of ["well", "ill"]) records.release(key);
  assertEquals(keys(), ["ill", "gone", "busy"]);
  running.add("busy");
  records.forget(gone.session.caller);
  records.forget(busy.session.caller);
  assertEquals(keys(), ["ill", "busy"]);
  running.delete("busy");
  records.release("busy");
  assertEquals(keys(), ["ill"]);
  records.resetBackoff();
  assertEquals(keys(), []);
});

Deno.test("what goes wrong on one process says nothing of another", () => {
  const { records, fail } = recordsOf();
  for (let n = 0; n < 2; n++) fail(request("sick"));
  assertEquals(records.of(request("sound")).supervisor.failureState, undefined);
  assertEquals(records.of(request("sick")).where, "in /sick");
});

Deno.test("a program that fails again and again rests for long; what is behind a URL, and comes back by itself, does not", () => {
  const stdio = { kind: "stdio", command: "x", args: [], env: {}, cwd: "/" };
  const http = { kind: "http", url: "https://far/mcp", headers: {} };
  for (const [config, rests] of [[stdio, true], [http, false]] as [unknown, boolean][]) {
    const { records } = recordsOf();
    const wanted = { ...request("a"), config: config as ServerConfig };
    const alike = { ...request("b", "session"), config: config as ServerConfig };
    const { supervisor } = records.of(wanted);
    const key = processGroupKey(alike.config, alike.session);
    for (let n = 0; n < 5; n++) {
      supervisor.failed(supervisor.begin(100_000 * n), BROKEN, 100_000 * n);
      records.groupFailed(alike, {
        slot: { groupKey: key, hasAnswered: false } as Slot,
        attempt: { begunAtMs: Infinity },
        reason: BROKEN,
      });
    }
    assertEquals(supervisor.failureState?.crashLimitReached, rests);
    assertEquals(records.known(key)?.supervisor.failureState?.crashLimitReached, rests);
  }
});

Deno.test("a refusal of what one window's client can do does not count for other windows", () => {
  const { records } = recordsOf();
  const [own, other] = [request("a", "session"), request("b", "session")];
  const slot = { groupKey: processGroupKey(own.config, own.session), hasAnswered: false } as Slot;
  const failing = (cause: Error) => {
    const reason = new ExaiError("UPSTREAM_UNAVAILABLE", cause.message, { cause });
    for (let n = 0; n < 5; n++) {
      records.groupFailed(own, { slot, attempt: { begunAtMs: Infinity }, reason });
    }
  };
  const there = { ...other, session: { ...other.session, workspace: own.session.workspace } };
  failing(new ClientRefusedError("it refused to initialize"));
  records.checkGroup(there, []);
  failing(new Error("it has ended"));
  assertThrows(() => records.checkGroup(there, []), ExaiError, "in every window of /a");
});
