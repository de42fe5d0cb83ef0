import { assertEquals } from "@std/assert";
import type { ServerConfig } from "../lib/config/server_config.ts";
import type { Caller } from "../lib/call/call.ts";
import { audienceOf, concerns, knownPlaceOf } from "../lib/upstream/audience.ts";
import type { SlotRequest } from "../lib/upstream/slot_request.ts";
import { callerOf } from "./helpers/fake_server.ts";

const WINDOWS: Readonly<Record<string, Caller>> = {
  ada: callerOf({ id: "ada", cwd: "/nowhere/app", window: { key: "one" } }),
  "ada's agent": callerOf({ id: "agent", cwd: "/nowhere/tree", window: { key: "one" } }),
  bob: callerOf({ id: "bob", cwd: "/nowhere/app", window: { key: "two" } }),
  eve: callerOf({ id: "eve", cwd: "/nowhere/other" }),
};

/** The windows that hear of a process of `scope` which the window `whose` has started. */
async function concernedBy(scope: SlotRequest["scope"], whose: keyof typeof WINDOWS): Promise<string[]> {
  const caller = WINDOWS[whose]!;
  const session = { caller, workspace: caller.cwd, roots: undefined, isRootless: false };
  const listScope = { resourcesFor: scope === "project" ? "directory" : "everybody" };
  const config = { cwdFree: false } as ServerConfig;
  const request = { scope, config, session, listScope } as SlotRequest;
  const audience = audienceOf(request);
  const heard = await Promise.all(
    Object.entries(WINDOWS).map(async ([name, window]) =>
      concerns(audience, window, await knownPlaceOf(window, undefined)) ? [name] : []
    ),
  );
  return heard.flat();
}

Deno.test("what happens to a process concerns the windows that share it, and no others", async () => {
  assertEquals(await concernedBy("machine", "ada"), Object.keys(WINDOWS));
  assertEquals(await concernedBy("project", "ada"), ["ada", "bob"]);
  assertEquals(await concernedBy("window", "ada"), ["ada", "ada's agent"]);
  assertEquals(await concernedBy("window", "eve"), ["eve"], "a client of no known window is one");
  assertEquals(await concernedBy("session", "ada"), ["ada"]);
});
