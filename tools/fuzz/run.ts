import { getHeapSpaceStatistics } from "node:v8";
import { configure, reset } from "@logtape/logtape";
import { messageOf } from "../../lib/base/errors.ts";
import { seeded } from "../lib/random.ts";
import { type Trend, trendOf } from "../lib/trend.ts";
import { type Door, Violation } from "./door.ts";
import { FrameMaker } from "./frames.ts";

const BATCH_FRAMES = 1000;
/** How often the memory is looked at; a look takes a collection. */
const LOOKS = 60;
/** Looks that are too early to count: the engine still compiles, and what is kept of the last calls fills up. */
const WARM_UP_LOOKS = 20;
/** How often it is said how far a door is. */
const PROGRESS_STEPS = 10;
const MIB = 1024 * 1024;

export interface FuzzOptions {
  frames: number;
  seed: number;
  /** Batches passed over. */
  fromBatch?: number;
  batchFrames?: number;
  onstep?(what: string): void;
}

export interface FuzzResult {
  door: string;
  frames: number;
  elapsedMs: number;
  /** Heap in use after a collection, MiB for each million frames; undefined when it was looked at too seldom. */
  trend?: Trend;
  /** What was found wrong at the end, one line each. */
  findings: string[];
}

/**
 * Sends frames to `door`, batch by batch; each batch is made from the seed and its own number alone.
 *
 * @throws {Violation} saying how to see the failure again
 */
export async function fuzz(door: Door, options: FuzzOptions): Promise<FuzzResult> {
  const { frames, seed, fromBatch = 0, batchFrames = door.batchFrames ?? BATCH_FRAMES, onstep } = options;
  await using faults = await watchFaults();
  await using open = await door.open(faults.note);
  const begunMs = performance.now();
  const looks: { millions: number; mib: number }[] = [];
  const batches = Math.ceil(frames / batchFrames);
  const [lookEvery, sayEvery] = [LOOKS, PROGRESS_STEPS].map((times) =>
    Math.max(1, Math.floor(batches / times))
  );
  for (let n = fromBatch; n < fromBatch + batches; n++) {
    const random = seeded((seed * 1_000_003 + n) >>> 0);
    const maker = new FrameMaker(random);
    const batch = Array.from({ length: batchFrames }, () => maker.next());
    try {
      await open.batch(batch, random);
      faults.check();
    } catch (thrown) {
      const again = `deno task fuzz --only ${door.name} --seed ${seed} --from ${n} --frames ${batchFrames}`;
      throw new Violation(`${door.name}: ${messageOf(thrown)}; to see it again: ${again}`, { cause: thrown });
    }
    const done = n - fromBatch;
    if (done % lookEvery! === 0) looks.push({ millions: done * batchFrames / 1e6, mib: heapMib() });
    if (done % sayEvery! === 0) {
      onstep?.(`${door.name}: ${done} of ${batches} batches, ${looks.at(-1)?.mib.toFixed(1)} MiB`);
    }
  }
  const elapsedMs = performance.now() - begunMs;
  return {
    door: door.name,
    frames: batches * batchFrames,
    elapsedMs,
    trend: slopeOf(
      looks.slice(WARM_UP_LOOKS).filter(({ millions }) => millions * 1e6 >= (door.fillFrames ?? 0)),
    ),
    findings: await open.inspect?.() ?? [],
  };
}

function slopeOf(looks: readonly { millions: number; mib: number }[]): Trend | undefined {
  if (looks.length < 5) return undefined;
  return trendOf(looks.map(({ millions }) => millions), looks.map(({ mib }) => mib));
}

/** What is in use of the heap, without machine code: the engine goes on compiling for hundreds of thousands of frames. */
function heapMib(): number {
  // Only there with --v8-flags=--expose-gc, which the task gives.
  (globalThis as { gc?: () => void }).gc?.();
  const spaces = getHeapSpaceStatistics().filter(({ space_name }) => !/code|trusted/.test(space_name));
  return spaces.reduce((sum, { space_used_size }) => sum + space_used_size, 0) / MIB;
}

/** Collects uncaught errors: rejections, errors of event handlers, errors that were only logged. */
async function watchFaults() {
  const faults: string[] = [];
  const onRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    faults.push(`unhandled rejection: ${messageOf(event.reason)}`);
  };
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    faults.push(`uncaught: ${event.message}`);
  };
  globalThis.addEventListener("unhandledrejection", onRejection);
  globalThis.addEventListener("error", onError);
  await configure({
    reset: true,
    sinks: { faults: (record) => faults.push(`logged: ${record.message.map(String).join("")}`) },
    loggers: [
      { category: ["logtape", "meta"], sinks: [], lowestLevel: "error" },
      { category: ["exai"], sinks: ["faults"], lowestLevel: "error" },
    ],
  });
  return {
    note: (what: string) => void faults.push(what),
    check() {
      if (faults.length > 0) throw new Violation(faults.splice(0).join("; "));
    },
    async [Symbol.asyncDispose]() {
      globalThis.removeEventListener("unhandledrejection", onRejection);
      globalThis.removeEventListener("error", onError);
      await reset();
    },
  };
}
