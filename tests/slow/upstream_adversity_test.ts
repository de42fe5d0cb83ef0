import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { bad, mountingDaemon } from "../helpers/mounts.ts";
import { sdkClient, textOf } from "../helpers/sdk_client.ts";

/** What becomes of `work`, and whether it has by now. */
function watched(work: Promise<unknown>) {
  const seen = { settled: false, outcome: "" };
  const done = work.then(() => "ok", (thrown) => String(thrown)).then((outcome) => {
    Object.assign(seen, { settled: true, outcome });
  });
  return Object.assign(seen, { done });
}

async function assertAnswersAtOnce(url: string): Promise<void> {
  await using client = await sdkClient(url);
  const { tools } = await client.listTools();
  assertEquals(tools.some(({ name }) => name === "well_echo"), true);
  assertEquals(textOf(await client.callTool({ name: "well_echo", arguments: { text: "hi" } })), "hi");
}

for (
  const [what, mode] of [["hangs at its start", "hangs"], ["never answers a list", "never_lists"]] as const
) {
  Deno.test(`while a server ${what}, its neighbour is listed and called`, async () => {
    const it = await mountingDaemon({ bad: bad(mode), well: bad("well") });
    const stuck = watched(sdkClient(`${it.url}mcp/bad`).then((client) => client.listTools()));
    await assertAnswersAtOnce(`${it.url}mcp/well`);
    assertEquals(stuck.settled, false);
    await it[Symbol.asyncDispose]();
    await stuck.done;
    assertStringIncludes(stuck.outcome, "Error");
  });
}

Deno.test("a list that never comes ends with an error that says so, through a door of its own too", async () => {
  await using it = await mountingDaemon({ bad: bad("never_lists", { callTimeoutMs: 200 }) });
  await using client = await sdkClient(`${it.url}mcp/bad`);
  const error = await assertRejects(() => client.listTools()) as Error;
  assertStringIncludes(error.message, "took longer than the 0.2 s");
});

Deno.test("a server that does not get up in time is given up, by its name; so is one that exits, with its code", async () => {
  await using it = await mountingDaemon({
    bad: bad("hangs", { startTimeoutMs: 100 }),
    gone: bad("exits"),
    absent: { command: "no-such-program-here" },
  });
  for (
    const [name, why] of [
      // On a busy machine it has not even been asked by then.
      ["bad", /(did not answer initialize|was not ready) within 100 ms/],
      ["gone", /exited with code 3/],
      ["absent", /no-such-program-here/],
    ] as const
  ) {
    const error = await assertRejects(() => sdkClient(`${it.url}mcp/${name}`)) as Error;
    assertStringIncludes(error.message, `"${name}"`);
    assertMatch(error.message, why);
  }
});

Deno.test("a server that keeps falling over rests for a while, and its callers are told why", async () => {
  await using it = await mountingDaemon({ gone: bad("exits"), well: bad("well") });
  const errors: string[] = [];
  while (!errors.at(-1)?.includes("rests")) {
    errors.push(String(await assertRejects(() => sdkClient(`${it.url}mcp/gone`))));
  }
  assertStringIncludes(errors.at(-1)!, "exited with code 3");
  await assertAnswersAtOnce(`${it.url}mcp/well`);
});
