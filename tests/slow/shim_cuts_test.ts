import { assertEquals } from "@std/assert";
import type { JsonObject } from "../../lib/base/json.ts";
import { CountingServer } from "../helpers/counting_server.ts";
import { CuttingProxy } from "../helpers/cutting_proxy.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { seeded } from "../helpers/random.ts";
import { Shim } from "../helpers/shim.ts";

const CALLS = 120;
const IN_FLIGHT = 6;
const CUTS = 25;

function textOf(answer: JsonObject): string {
  const [block] = (answer.result as { content: { text: string }[] } | undefined)?.content ?? [];
  return block?.text ?? JSON.stringify(answer.error);
}

/** Makes every call, some at a time; the answers by number. */
async function callAll(shim: Shim, bytesOf: (n: number) => number): Promise<string[]> {
  const answers: string[] = [];
  let next = 0;
  const worker = async () => {
    while (next < CALLS) {
      const n = next++;
      const bytes = bytesOf(n);
      const padding = "y".repeat(bytes);
      answers[n] = textOf(await shim.call("count", { n, bytes, padding }, n % 2 ? n : `n${n}`));
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  return answers;
}

for (const seed of [1, 2]) {
  Deno.test(`cut connections lose no answer, double none and run nothing twice (seed ${seed})`, async () => {
    const random = seeded(seed);
    const counting = new CountingServer();
    await using it = await testDaemon({ servers: [counting], settings: { sessionMaxInflight: 4 } });
    let cutsLeft = CUTS;
    const nextCut = () => cutsLeft-- > 0 ? 800 + Math.floor(random() ** 3 * 40_000) : Infinity;
    await using proxy = new CuttingProxy(Number(new URL(it.url).port), nextCut);
    await using shim = await Shim.ready({ port: proxy.port });
    const sizes = Array.from({ length: CALLS }, () => Math.floor(random() ** 4 * 20_000));
    const answers = await callAll(shim, (n) => sizes[n]!);
    const wrong = answers.filter((answer, n) => answer !== `${n} ${"x".repeat(sizes[n]!)}`);
    assertEquals(wrong.map((answer) => answer.slice(0, 200)), [], `seed ${seed}`);
    assertEquals([...counting.runs.values()].every((runs) => runs === 1), true, `seed ${seed}`);
    assertEquals(shim.lines.length, CALLS + 1, `seed ${seed}`);
    assertEquals(proxy.cuts >= 10, true, `only ${proxy.cuts} cuts with seed ${seed}`);
  });
}
