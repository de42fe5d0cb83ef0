import { assertEquals, assertMatch } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import { PingedLiveness } from "../lib/upstream/instance/liveness.ts";
import { SteadyClock } from "./helpers/steady_clock.ts";
import { settle } from "./helpers/memory_channel.ts";

/** What is found out of a process whose pings end as the test says, and whether it was given up. */
function pinged(ping: (it: PingedLiveness) => Promise<unknown>, maxSilences = 2) {
  const silent: string[] = [];
  let pings = 0;
  const liveness: PingedLiveness = new PingedLiveness({
    ping: () => (pings++, ping(liveness)),
    maxSilences,
    onSilent: (why) => void silent.push(why),
  });
  return { liveness, silent, pings: () => pings };
}

const refused = (status: number) => () =>
  Promise.reject(new ExaiError("UPSTREAM_UNAVAILABLE", "no", { details: { status } }));

Deno.test("who answers a ping, says something meanwhile or refuses it with an HTTP status is there", async () => {
  assertEquals(await pinged(() => Promise.resolve({})).liveness.check(10), true);
  assertEquals(
    await pinged((it) => (it.heard++, Promise.reject(new Error("late")))).liveness.check(10),
    true,
  );
  const checked = (status: number) => pinged(refused(status)).liveness.check(10);
  assertEquals([await checked(404), await checked(499), await checked(500)], [true, true, false]);
  assertEquals(await pinged(() => Promise.reject(new Error("late"))).liveness.check(10), false);
});

Deno.test("a process is given up when so many calls in a row have gone without a word from it, and no sooner", async () => {
  const { liveness, silent } = pinged(() => Promise.reject(new Error("late")));
  await liveness.check(10);
  liveness.heard++;
  await liveness.check(10);
  assertEquals(silent, []);
  await liveness.check(10);
  assertEquals(silent.length, 1);
  assertMatch(silent[0]!, /2 calls in a row .* ping within 10 ms/);
});

Deno.test("calls that run out of time together share one ping; later ones are asked for anew", async () => {
  const { liveness, silent, pings } = pinged(() => Promise.reject(new Error("late")), 9);
  await Promise.all([liveness.check(10), liveness.check(10)]);
  assertEquals(pings(), 1);
  await liveness.check(10);
  assertEquals([pings(), silent], [2, []]);
});

Deno.test("calls that run out of time together are one silence of the process, not as many as there are calls", async () => {
  const { liveness, silent } = pinged(() => Promise.reject(new Error("late")));
  assertEquals(await Promise.all([1, 2, 3].map(() => liveness.check(10))), [false, false, false]);
  assertEquals(silent, []);
  await liveness.check(10);
  assertEquals(silent.length, 1);
});

Deno.test("a call that runs out of time while a ping is out has one of its own after it, shared by those like it", async () => {
  using clock = new SteadyClock();
  const late: PromiseWithResolvers<never>[] = [];
  const { liveness, silent, pings } = pinged(() => {
    late.push(Promise.withResolvers<never>());
    return late.at(-1)!.promise;
  });
  const checks = [liveness.check(10)];
  clock.pass(400);
  checks.push(liveness.check(10));
  clock.pass(600);
  checks.push(liveness.check(10), liveness.check(10));
  assertEquals(pings(), 1);
  late[0]!.reject(new Error("late"));
  await Promise.all(checks.slice(0, 2));
  await settle();
  assertEquals(pings(), 2);
  assertEquals(silent, []);
  late[1]!.reject(new Error("late"));
  assertEquals(await Promise.all(checks), [false, false, false, false]);
  assertEquals([pings(), silent.length], [2, 1]);
});
