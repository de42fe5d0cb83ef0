import { assert, assertEquals } from "@std/assert";
// @ts-types="@modelcontextprotocol/sdk/inMemory"
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { ExaiError } from "../../lib/base/errors.ts";
import type { UpstreamTransport } from "../../lib/transport/upstream_transport.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { McpWindow } from "../helpers/mcp_window.ts";
import { RawConnection, type RawServerOptions } from "../helpers/raw_server.ts";
import { mountedServer } from "../helpers/shared_server.ts";
import { until } from "../helpers/until.ts";

const OPTIONS: RawServerOptions = {
  capabilities: { resources: { subscribe: true } },
  answer: ({ method }) =>
    method === "resources/list" ? { resources: [{ uri: "x://a", name: "a" }] } : { resourceTemplates: [] },
};

/** A server that is reached unless there is a `fault`, and how often that was tried. */
function flaky() {
  const it = { tries: 0, fault: undefined as Error | undefined, ends: [] as InMemoryTransport[] };
  const { mounted } = mountedServer({ name: "flaky", title: "flaky", share: "machine" }, async () => {
    it.tries++;
    await Promise.resolve();
    if (it.fault) throw it.fault;
    const [ours, theirs] = InMemoryTransport.createLinkedPair();
    it.ends.push(theirs);
    void new RawConnection(theirs, OPTIONS);
    await theirs.start();
    return ours as unknown as UpstreamTransport;
  });
  return Object.assign(it, { mounted, [Symbol.asyncDispose]: () => mounted[Symbol.asyncDispose]() });
}

const FAULTS = {
  "the machine has no handle for it": Object.assign(new Error("Too many open files (os error 24)"), {
    code: "EMFILE",
  }),
  "its directory is not there": new ExaiError("UPSTREAM_UNAVAILABLE", "its directory does not exist", {
    details: { fault: "caller" },
  }),
};

for (const [what, fault] of Object.entries(FAULTS)) {
  Deno.test(`a server that a window is subscribed to is tried ever more rarely while ${what}, and then subscribed to again`, async () => {
    await using server = flaky();
    await using it = await testDaemon({ servers: [server.mounted] });
    await using client = await McpWindow.open(`${it.url}mcp/flaky`);
    await client.request("resources/subscribe", { uri: "x://a" });
    server.fault = fault;
    const endedAtMs = performance.now();
    await server.ends[0]!.close();
    await until("another try", () => server.tries > 2 || undefined);
    await until("time to pass", () => performance.now() - endedAtMs > 2000 || undefined);
    assert(server.tries <= 5, `it was tried ${server.tries - 1} times in 2 s`);
    const states = Array.from(server.mounted.records, ({ supervisor }) => supervisor.connection.state);
    assert(!states.includes("connecting"), states.join());
    server.fault = undefined;
    await until("a new subscription", () => {
      return client.heard.some(({ method }) => method === "notifications/resources/updated") || undefined;
    });
    assertEquals(server.ends.length, 2);
  });
}
