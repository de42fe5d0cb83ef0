import { delay } from "@std/async/delay";
import fc from "fast-check";
import { begin, COMMANDS, type Model } from "../model/commands.ts";
import { hurry, World } from "../model/world.ts";

const env = (name: string) => Deno.env.get(name) || undefined;

/**
 * `MODEL_RUNS`: how many histories are tried. `MODEL_SEED`, `MODEL_PATH`, `MODEL_REPLAY`: one that failed, as told.
 * `MODEL_SHRINK=false`: a history that fails is not made shorter.
 */
const RUNS = Number(env("MODEL_RUNS") ?? 20);
const SEED = Number(env("MODEL_SEED") ?? 20_261_126);

/** So long a list may still be asked for anew when all who asked have gone. */
const REFRESH_GAP_MS = 1200;

const HISTORY = fc.commands(COMMANDS, { maxCommands: 150, size: "max", replayPath: env("MODEL_REPLAY") });

async function holds(history: Iterable<fc.AsyncCommand<Model, World>>): Promise<void> {
  await using world = new World();
  await fc.asyncModelRun(() => ({ model: begin(world), real: world }), history);
  const faults = await world.faults();
  if (faults.length === 0) return;
  hurry();
  throw new Error(faults.slice(0, 10).join("\n"));
}

Deno.test({
  name: "whatever several windows and servers do: one answer for each request, nothing crosses, all ends",
  sanitizeOps: true,
  sanitizeResources: true,
  timeout: 60_000 + RUNS * 2000,
  async fn() {
    let last = Promise.resolve();
    const property = fc.asyncProperty(HISTORY, (history) => last = holds(history));
    const found = await fc.check(property, {
      numRuns: RUNS,
      seed: SEED,
      path: env("MODEL_PATH"),
      endOnFailure: env("MODEL_SHRINK") === "false",
      interruptAfterTimeLimit: 30_000 + RUNS * 1000,
    });
    // Lists are asked for anew a second apart; for calls that were given up that comes to its end by itself.
    await delay(REFRESH_GAP_MS);
    // When the time is up fast-check leaves the history that is under way to itself; its timers end with it.
    if (!found.failed) return await last;
    await last.catch(() => {});
    const replay = /replayPath="([^"]*)"/.exec(String(found.counterexample?.[0]))?.[1] ?? "";
    throw new Error(
      `${(found.errorInstance as Error).message}\n\n${
        fc.defaultReportMessage(found)
      }\n\nshow it again: MODEL_SEED=${found.seed} ` +
        `MODEL_PATH=${found.counterexamplePath} MODEL_REPLAY=${replay} deno test -A tests/long/model_test.ts`,
    );
  },
});
