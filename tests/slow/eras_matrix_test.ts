import { assertEquals } from "@std/assert";
import { serveEras } from "../fixtures/eras/http.ts";
import { type Cell, erasDaemon, PAIRINGS, runPairing } from "../helpers/eras_matrix.ts";

interface Open {
  /** The end of the name of the cells. */
  cell: RegExp;
  why: string;
  /** Whether it holds on a machine with nothing else to do. */
  isLoad?: boolean;
}

/** Cells that do not hold yet. Each must fail, so that the list only gets shorter. */
const OPEN: Open[] = [
  {
    cell: /both-stdio: upstream era$/,
    why: "a server that is slow to start gets initialize too, and runs as that until its next start",
    isLoad: true,
  },
  { cell: /: connect$/, why: "the first connections start all servers at once", isLoad: true },
];

/** How many pairings run side by side. */
const AT_ONCE = 3;

async function report(t: Deno.TestContext, cells: Cell[]): Promise<void> {
  for (const { name, fault } of cells) {
    const open = OPEN.find(({ cell }) => cell.test(name));
    await t.step({
      name,
      fn: () => {
        if (open && !open.isLoad && fault === undefined) {
          throw new Error(`it holds now: take it off the list (${open.why})`);
        }
        if (!open && fault !== undefined) throw new Error(fault);
      },
    });
  }
}

Deno.test({
  name: "every pair of client and server eras does everything on every door",
  timeout: 170_000,
  fn: async (t) => {
    await using it = await erasDaemon(["legacy-stdio", "legacy-http", "modern-stdio", "modern-http"]);
    const queue = [...PAIRINGS];
    const cells: Cell[] = [];
    const work = async () => {
      for (let next = queue.shift(); next; next = queue.shift()) cells.push(...await runPairing(next, it));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    await report(t, cells.sort((a, b) => a.name < b.name ? -1 : 1));
  },
});

Deno.test("the rows hold between the peers themselves, with no daemon between", async () => {
  const faults: Cell[] = [];
  for (const [client, era] of [["legacy", "legacy"], ["modern", "modern"], ["auto", "both"]] as const) {
    await using face = serveEras(era);
    const upstream = era === "legacy" ? "legacy-http" : "modern-http";
    const place = { http: new URL(face.url).origin, home: "" };
    const cells = await runPairing({ client, door: "http", upstream, direct: true }, place);
    faults.push(...cells.filter(({ fault }) => fault !== undefined));
  }
  assertEquals(faults, []);
});

Deno.test({
  name: "clients that ask first, and servers of both eras, meet in the newer one",
  timeout: 90_000,
  fn: async (t) => {
    await using it = await erasDaemon(["both-stdio", "both-http", "legacy-stdio"]);
    const rows = ["upstream era", "form", "url"];
    const runs = (["http", "shim", "websocket"] as const).flatMap((door) =>
      ["both-stdio", "both-http", "legacy-stdio"].map((
        upstream,
      ) => ({ client: "auto", door, upstream } as const))
    );
    const cells: Cell[] = [];
    for (const run of runs) cells.push(...await runPairing(run, it, rows));
    await report(t, cells);
  },
});
